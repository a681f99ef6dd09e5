"""Characters: scenes of somebody whom words do not describe, and a picture that shows who it is.

Owns: which scenes teach it, the portrait that goes with a scene, captions that name somebody instead of describing.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from himmel.words import SOMEBODY
from himmel.world.caption import caption
from himmel.world.nouns import CHARACTER, NOUNS
from himmel.world.scene import Actor, Scene
from himmel.world.vocabulary import COLOURS, Vocabulary

KINDS = ("person", "walker", "flyer", "swimmer", "vehicle")
P_DESCRIBED = 0.25  # captions that say what it is beside the portrait
ARTICLES = r"\b(an?|the|der|die|das|de[nms]|ein|eine[nmrs]?)\s+"


def casting(vocabulary: Vocabulary) -> Vocabulary:
    """One plain actor, as often of the vocabulary's nouns as of all others that can be somebody, in any colour."""
    others = tuple(key for key, noun in NOUNS.items() if noun.kind in KINDS and key not in vocabulary.nouns)
    share = max(1, round(len(others) / len(vocabulary.nouns)))
    return replace(
        vocabulary,
        nouns=vocabulary.nouns * share + others,
        colours=COLOURS,
        p_coloured=0.5,
        p_several=0.0,
        p_counted=0.0,
    )


def portrait(scene: Scene, setting: str) -> Scene:
    """The first actor of a scene alone, as it looks, in daylight in another setting, doing nothing."""
    actor = scene.actors[0]
    shown = Actor(actor.noun, colour=actor.colour)
    return Scene((shown,), setting, scene.style, seed=scene.seed ^ 0x5EED)


def naming(scene: Scene, rng: random.Random, known: tuple[str, ...]) -> str:
    """A caption of a scene that has a portrait: by name, or now and then by what it is, of nouns that are ``known``."""
    actor = scene.actors[0]
    if actor.noun in known and rng.random() < P_DESCRIBED:
        return caption(replace(scene, actors=(replace(actor, colour=None),)), rng)
    named = caption(replace(scene, actors=(replace(actor, noun=CHARACTER.key, colour=None),)), rng)
    return re.sub(rf"{ARTICLES}(?={SOMEBODY})", "", named, flags=re.IGNORECASE)
