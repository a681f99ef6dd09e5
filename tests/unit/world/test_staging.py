"""Staging: what a caption says of places holds on screen, for every seed and at every moment."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from himmel.world.scene import Actor, Scene, sample_scene
from himmel.world.sets import ground_line
from himmel.world.staging import CutOut, Poses, camera_path, cut_outs, poses
from himmel.world.vocabulary import CAMERAS, FULL, RELATIONS, SETTINGS

TIME = torch.linspace(0, 4, 33)


def staged(scenes: list[Scene]) -> tuple[list[CutOut], Poses]:
    cast = cut_outs(scenes)
    return cast, poses(cast, TIME)


def lone(**changes: object) -> Scene:
    actor = {name: changes.pop(name) for name in ("motions", "size", "count") if name in changes}
    return replace(Scene((Actor("penguin", **actor),), "snow", seed=5), **changes)


@pytest.fixture(scope="module")
def together() -> list[Scene]:
    """Scenes of two and three actors, of all relations, motions, sizes and settings."""
    return [sample_scene(replace(FULL, p_several=1), seed) for seed in range(900)]


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_hold_on_screen_all_the_time(relation: str, together: list[Scene]) -> None:
    scenes = [scene for scene in together if scene.relation == relation]
    cast, pose = staged(scenes)
    first = [next(i for i, c in enumerate(cast) if c.clip == clip) for clip in range(len(scenes))]
    second = [i + 1 for i in first]
    assert len(scenes) > 100
    over = torch.tensor([cast[i].layer - cast[j].layer for i, j in zip(first, second, strict=True)])
    across, down = pose.x[second] - pose.x[first], pose.y[second] - pose.y[first]
    holds = {
        "left_of": across > 0,
        "right_of": across < 0,
        "above": down > 0,
        "below": down < 0,
        "in_front_of": over > 0,
        "behind": over < 0,
    }[relation]
    assert holds.all(), [scenes[i] for i in range(len(scenes)) if not holds[i].all()][:2]


def test_what_is_in_front_stands_lower_and_leaves_the_other_to_be_seen(together: list[Scene]) -> None:
    cast = cut_outs([s for s in together if s.relation == "in_front_of" and ground_line(s.setting) is not None])
    for front, back in ((a, b) for a, b in pairwise(cast) if a.clip == b.clip and b.layer == 0):
        assert front.y + front.height / 2 > back.y + back.height / 2
        assert abs(front.x - back.x) > 0.3


def test_the_third_is_behind_the_others_and_hides_nobody(together: list[Scene]) -> None:
    for scene in (scene for scene in together if len(scene.actors) == 3):
        *pair, third = cut_outs([scene])
        assert third.layer < min(one.layer for one in pair)
        assert all(abs(third.x - one.x) + abs(third.y - one.y) > 0.35 for one in pair), scene


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_count_gives_that_many_in_a_row(count: int) -> None:
    for seed in range(20):
        cast = cut_outs([lone(count=count, seed=seed)])
        assert [one.noun for one in cast] == ["penguin"] * count
        places = [one.x for one in cast]
        assert all(b - a > 0.35 for a, b in pairwise(places))
        assert len({(one.y, one.height, one.period, one.sign) for one in cast}) == 1  # they move as one
        assert max(map(abs, places)) + cast[0].height / 2 < 1.05


@pytest.mark.parametrize("setting", [s for s in FULL.settings if ground_line(s) is not None])
def test_feet_are_on_the_ground(setting: str) -> None:
    ground = 2 * (ground_line(setting) or 0) - 1
    scenes = [lone(setting=setting, size=size, count=count) for size in FULL.sizes for count in (1, 3)]
    scenes += [sample_scene(replace(FULL, settings=(setting,), relations=("left_of",), p_several=1, max_actors=2), 3)]
    for one in cut_outs(scenes):
        assert one.y + one.height / 2 == pytest.approx(ground, abs=1e-6)


@pytest.mark.parametrize("motion", ["stand", "grow", "shrink", "pulse", "jump", "bounce", "rise", "fall"])
def test_feet_never_sink_and_stay_where_nothing_lifts_them(motion: str) -> None:
    _, pose = staged([lone(motions=(motion,))])
    feet = pose.y + pose.height - (2 * (ground_line("snow") or 0) - 1)
    assert feet.max() == pytest.approx(0, abs=2e-3)
    assert (feet.min() < -0.3) == (motion in ("jump", "bounce", "rise", "fall"))


@pytest.mark.parametrize("camera", CAMERAS)
def test_actors_stay_in_the_frame_most_of_the_time(camera: str, together: list[Scene]) -> None:
    single = [sample_scene(replace(FULL, p_several=0, p_two_steps=0.3), seed) for seed in range(200)]
    scenes = [replace(scene, camera=camera) for scene in (*single, *together[:300])]
    cast, pose = staged(scenes)
    clip = torch.tensor([one.clip for one in cast])
    path = camera_path(scenes, TIME)
    zoom, x, y = (value[clip] for value in (path.zoom, path.x, path.y))
    # As ``render`` sees them.
    inside = (((pose.x - 0.5 * x) * zoom).abs() < 1) & (((pose.y - 0.5 * y) * zoom).abs() < 1)
    # Who goes to a side from the middle leaves early, above all where the camera goes nearer.
    seldom = inside.float().mean(1) < 0.35
    assert not seldom.any(), [scenes[i] for i in clip[seldom].tolist()][:3]
    assert inside.float().mean() > 0.95


def test_who_goes_left_faces_left_and_turns_round_to_go_back() -> None:
    for motions, faces in (
        (("go_left",), (True, True)),
        (("go_right",), (False, False)),
        (("zigzag",), (False, False)),
        (("stand",), (False, False)),
        (("jump", "go_left"), (True, True)),
        (("go_right", "go_left"), (False, True)),
        (("go_left", "zigzag"), (True, False)),
    ):
        (one,), pose = staged([lone(motions=motions)])
        assert one.faces_left == faces, motions
        assert ((pose.width[0, 0] < 0), (pose.width[0, -1] < 0)) == faces


def test_small_normal_and_big_are_clearly_apart() -> None:
    small, normal, big = (cut_outs([lone(size=size)])[0].height for size in ("small", "normal", "big"))
    assert small * 1.25 < normal and normal * 1.25 < big
    for count in (2, 3, 4):
        assert cut_outs([lone(size="small", count=count)])[0].height < cut_outs([lone(count=count)])[0].height


def test_a_scene_is_staged_alike_in_any_company(together: list[Scene]) -> None:
    alone = [cut_outs([scene]) for scene in together[:20]]
    in_company = cut_outs(together[:20])
    assert [replace(one, clip=0) for one in in_company] == [one for cast in alone for one in cast]


def test_seeds_place_a_lone_actor_differently() -> None:
    places = {cut_outs([lone(seed=seed)])[0].x for seed in range(30)}
    assert len(places) == 30 and min(places) < -0.15 and max(places) > 0.15


@pytest.mark.parametrize(
    ("camera", "name", "start", "end"),
    [
        ("zoom_in", "zoom", 1, 1.6),
        ("zoom_out", "zoom", 1.6, 1),
        ("pan_right", "x", -0.35, 0.35),
        ("pan_left", "x", 0.35, -0.35),
        ("tilt_up", "y", 0.22, -0.22),
        ("tilt_down", "y", -0.22, 0.22),
    ],
)
def test_the_camera_moves_for_four_seconds_and_then_rests(camera: str, name: str, start: float, end: float) -> None:
    path = camera_path([lone(camera=camera), lone()], torch.linspace(0, 6, 61))
    moved = getattr(path, name)[0]
    assert moved[0] == pytest.approx(start) and moved[40] == pytest.approx(end)
    assert (moved[40:] - end).abs().max() < 1e-5
    assert (moved[:41].diff() * (end - start) > 0).all()
    assert (path.zoom[1] == 1).all() and (path.x[1] == 0).all() and (path.y[1] == 0).all()
    # The edge of the backdrop is never in sight.
    assert (path.x.abs() + 1 / path.zoom).max() <= 1.75 and (path.y.abs() + 1 / path.zoom).max() <= 1


def test_every_setting_has_room_for_every_motion() -> None:
    scenes = [lone(setting=setting, motions=(motion,)) for setting in SETTINGS for motion in FULL.motions]
    _, pose = staged(scenes)
    assert pose.x.abs().max() < 1 and pose.y.abs().max() < 1
