"""One clip's truth, before any pixel: who, where, how moving, in which light, seen by which camera.

Owns: the scene description, drawing random scenes from a vocabulary, and the hold-out rule.
Knows nothing of pixels and words: ``render`` draws a scene, ``caption`` says it.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from himmel.errors import BadRequest
from himmel.world.vocabulary import Vocabulary

HELD_OUT_SHARE = 0.1
MOST_DRAWS = 10_000  # then a vocabulary has no such scene


@dataclass(frozen=True)
class Actor:
    """One kind of cut-out and what it does.

    ``motions`` has one key, or two for a two-step event ("jumps, then spins"). ``count`` is how many of
    it there are (1 to 4), in a row. ``colour`` None means its own colours.
    """

    noun: str
    motions: tuple[str, ...] = ("stand",)
    colour: str | None = None
    size: str = "normal"
    count: int = 1


@dataclass(frozen=True)
class Scene:
    """The truth of one clip.

    ``actors`` has one to three entries; the first is the one that the sentence is about. ``relation``
    says where the first stands to the second, and is None where there is one actor only. ``seed``
    settles everything that a caption does not say (placement, pace, shape of the hills).
    """

    actors: tuple[Actor, ...]
    setting: str
    style: str = "3d"
    light: str = "day"
    weather: str = "clear"
    camera: str = "static"
    relation: str | None = None
    seed: int = 0


def held_out(scene: Scene) -> bool:
    """Whether a scene is kept for evaluation and never rendered for training.

    True where any actor's (noun, motion) pair or (noun, setting) pair falls into the held-out tenth of
    pairs, which is settled by a hash, so that it is the same for every vocabulary, machine and day.
    """
    return any(pair_held_out(actor.noun, term) for actor in scene.actors for term in (*actor.motions, scene.setting))


def pair_held_out(noun: str, term: str) -> bool:
    """Whether one noun with one motion or setting is a held-out pair. 'stand' is held out with none."""
    if term == "stand":
        return False
    digest = hashlib.sha256(f"{noun}|{term}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def sample_scene(vocabulary: Vocabulary, seed: int, *, keep_held_out: bool = False) -> Scene:
    """Draw a scene; the same vocabulary and seed give the same scene.

    Draws again until the scene is not held out, or, with ``keep_held_out``, until it is. Raises BadRequest for a
    vocabulary so small that there is none.
    """
    rng = random.Random(seed)
    for _ in range(MOST_DRAWS):
        scene = _draw(vocabulary, rng)
        if held_out(scene) == keep_held_out:
            return scene
    kept = "held out" if keep_held_out else "left for training"
    raise BadRequest(f"no scene of this vocabulary is {kept}; give it more nouns, motions or settings")


def _draw(vocabulary: Vocabulary, rng: random.Random) -> Scene:
    v = vocabulary
    several = v.max_actors > 1 and rng.random() < v.p_several
    kinds = rng.sample(v.nouns, rng.randint(2, v.max_actors) if several else 1)
    actors = tuple(_draw_actor(v, rng, noun, alone=not several) for noun in kinds)
    return Scene(
        actors=actors,
        setting=rng.choice(v.settings),
        style=rng.choice(v.styles),
        light=_sometimes(rng, v.p_light, v.lights, "day"),
        weather=_sometimes(rng, v.p_weather, v.weathers, "clear"),
        camera=_sometimes(rng, v.p_camera, v.cameras, "static"),
        relation=rng.choice(v.relations) if several else None,
        seed=rng.getrandbits(48),
    )


def _draw_actor(v: Vocabulary, rng: random.Random, noun: str, *, alone: bool) -> Actor:
    two_steps = alone and rng.random() < v.p_two_steps
    counted = alone and not two_steps and v.max_count > 1 and rng.random() < v.p_counted
    moving = [motion for motion in dict.fromkeys(v.motions) if motion != "stand"]
    return Actor(
        noun=noun,
        motions=tuple(rng.sample(moving, 2)) if two_steps else (rng.choice(v.motions),),
        colour=rng.choice(v.colours) if v.colours and rng.random() < v.p_coloured else None,
        size=_sometimes(rng, v.p_sized, v.sizes, "normal"),
        count=rng.randint(2, v.max_count) if counted else 1,
    )


def _sometimes(rng: random.Random, probability: float, choices: tuple[str, ...], otherwise: str) -> str:
    """With this probability one of the choices other than the usual one, else the usual one."""
    unusual = [choice for choice in choices if choice != otherwise]
    return rng.choice(unusual) if unusual and rng.random() < probability else otherwise
