"""Scenes: repeatable, as rich as the vocabulary says, and never of the held-out tenth unless asked."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from himmel.errors import BadRequest
from himmel.world.nouns import NOUNS
from himmel.world.scene import Scene, held_out, pair_held_out, sample_scene
from himmel.world.vocabulary import FULL, LAPTOP, MOTIONS, SETTINGS, Vocabulary


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(FULL, seed) for seed in range(4000)]


def share(found: Sequence[bool]) -> float:
    return sum(found) / len(found)


def test_the_same_seed_gives_the_same_scene(scenes: list[Scene]) -> None:
    assert [sample_scene(FULL, seed) for seed in range(50)] == scenes[:50]
    assert len(set(scenes)) == len(scenes)


def test_no_scene_is_held_out_unless_asked(scenes: list[Scene]) -> None:
    assert not any(map(held_out, scenes))
    assert all(held_out(sample_scene(LAPTOP, seed, keep_held_out=True)) for seed in range(300))


def test_a_scene_is_held_out_for_any_of_its_pairs() -> None:
    scene = next(s for s in (sample_scene(FULL, seed, keep_held_out=True) for seed in range(99)) if len(s.actors) > 2)
    pairs = [(actor.noun, term) for actor in scene.actors for term in (*actor.motions, scene.setting)]
    assert any(pair_held_out(*pair) for pair in pairs)
    assert held_out(replace(scene, actors=scene.actors[::-1], seed=1, light="night"))


def test_a_tenth_of_the_pairs_is_held_out_and_standing_is_not() -> None:
    terms = [term for term in MOTIONS + FULL.settings if term != "stand"]
    assert share([pair_held_out(noun, term) for noun in NOUNS for term in terms]) == pytest.approx(0.1, abs=0.01)
    assert not any(pair_held_out(noun, "stand") for noun in NOUNS)


def test_which_pairs_are_held_out_never_changes() -> None:
    # Trained models rely on it: another answer here would examine them on what they have seen.
    assert {term for term in MOTIONS + SETTINGS if pair_held_out("penguin", term)} == {
        "go_right",
        "go_left",
        "rock",
        "underwater",
    }
    assert {term for term in MOTIONS + SETTINGS if pair_held_out("car", term)} == {"flip", "pulse", "night_sky"}


def test_every_extra_occurs_about_as_often_as_the_vocabulary_says(scenes: list[Scene]) -> None:
    actors = [actor for scene in scenes for actor in scene.actors]
    assert share([a.colour is not None for a in actors]) == pytest.approx(FULL.p_coloured, abs=0.02)
    assert share([a.size != "normal" for a in actors]) == pytest.approx(FULL.p_sized, abs=0.02)
    assert share([s.light != "day" for s in scenes]) == pytest.approx(FULL.p_light, abs=0.02)
    assert share([s.weather != "clear" for s in scenes]) == pytest.approx(FULL.p_weather, abs=0.02)
    assert share([s.camera != "static" for s in scenes]) == pytest.approx(FULL.p_camera, abs=0.02)


def test_richer_scenes_are_held_out_more_often_but_not_by_much(scenes: list[Scene]) -> None:
    alone = [scene.actors[0] for scene in scenes if len(scene.actors) == 1]
    single = [actor for actor in alone if len(actor.motions) == 1]
    assert 0.7 * FULL.p_several < share([len(s.actors) > 1 for s in scenes]) < FULL.p_several
    assert 0.75 * FULL.p_two_steps < share([len(a.motions) == 2 for a in alone]) < 1.1 * FULL.p_two_steps
    assert share([a.count > 1 for a in single]) == pytest.approx(FULL.p_counted, abs=0.02)


def test_every_key_of_a_vocabulary_occurs(scenes: list[Scene]) -> None:
    actors = [actor for scene in scenes for actor in scene.actors]
    assert {actor.noun for actor in actors} == set(FULL.nouns)
    assert {motion for actor in actors for motion in actor.motions} == set(FULL.motions)
    assert {actor.colour for actor in actors} == {*FULL.colours, None}
    assert {actor.size for actor in actors} == set(FULL.sizes)
    assert {actor.count for actor in actors} == {1, 2, 3, 4}
    assert {len(scene.actors) for scene in scenes} == {1, 2, 3}
    for name in ("setting", "style", "light", "weather", "camera"):
        assert {getattr(scene, name) for scene in scenes} == set(getattr(FULL, f"{name}s"))
    assert {scene.relation for scene in scenes} == {*FULL.relations, None}


def test_scenes_hold_together(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert (scene.relation is None) == (len(scene.actors) == 1)
        assert len({actor.noun for actor in scene.actors}) == len(scene.actors)
        for actor in scene.actors:
            assert len(set(actor.motions)) == len(actor.motions)
            assert len(actor.motions) == 1 or ("stand" not in actor.motions and actor.count == 1)
            assert actor.count == 1 or len(scene.actors) == 1


def test_a_vocabulary_without_held_out_scenes_says_so() -> None:
    free = Vocabulary(nouns=("penguin",), settings=("snow",), motions=("stand",), p_several=0, p_two_steps=0)
    assert not pair_held_out("penguin", "snow")
    with pytest.raises(BadRequest, match="held out"):
        sample_scene(free, 0, keep_held_out=True)
