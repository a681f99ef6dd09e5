"""Who plays in training, how they look alone, and how captions call them."""

import random
import re

from himmel.words import SOMEBODY
from himmel.world.nouns import NOUNS
from himmel.world.portrait import KINDS, casting, naming, portrait
from himmel.world.scene import sample_scene
from himmel.world.vocabulary import COLOURS, LAPTOP

CAST = casting(LAPTOP)


def test_half_of_the_cast_is_of_the_vocabulary_and_half_is_not():
    scenes = [sample_scene(CAST, seed) for seed in range(600)]
    known = sum(scene.actors[0].noun in LAPTOP.nouns for scene in scenes)
    assert 0.4 < known / len(scenes) < 0.65
    assert all(len(scene.actors) == 1 and scene.actors[0].count == 1 for scene in scenes)
    strangers = {scene.actors[0].noun for scene in scenes} - set(LAPTOP.nouns)
    assert len(strangers) > 50 and {NOUNS[key].kind for key in strangers} <= set(KINDS)
    assert {scene.actors[0].colour for scene in scenes} == {None, *COLOURS}


def test_a_portrait_is_the_actor_alone_and_nothing_of_the_scene():
    scene = next(s for s in (sample_scene(CAST, seed) for seed in range(200)) if s.camera != "static")
    shown = portrait(scene, "snow")
    assert (shown.actors[0].noun, shown.actors[0].colour) == (scene.actors[0].noun, scene.actors[0].colour)
    assert (shown.setting, shown.camera, shown.light, shown.weather) == ("snow", "static", "day", "clear")
    assert shown.actors[0].motions == ("stand",) and shown.seed != scene.seed


def test_captions_name_and_never_describe_whom_words_do_not_know():
    rng = random.Random(0)
    named = 0
    for seed in range(400):
        scene = sample_scene(CAST, seed)
        said = naming(scene, rng, LAPTOP.nouns)
        assert not re.search(rf"\b(an?|the|ein|der|den|einen|dem|einem) {SOMEBODY}", said, re.IGNORECASE)
        named += SOMEBODY.lower() in said.lower()
        if scene.actors[0].noun not in LAPTOP.nouns:
            assert SOMEBODY.lower() in said.lower()
    assert 0.8 < named / 400 < 0.95
