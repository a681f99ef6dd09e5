"""What is asked of a clip, and the true answers: the questions that the oracle learns to read off pixels.

Owns: the questions, their possible answers, and which of them a scene settles. Knows no pixels and no network.
"""

from __future__ import annotations

from dataclasses import dataclass

from himmel.world.scene import Scene
from himmel.world.vocabulary import Vocabulary

OWN_COLOUR = "own"
# Relations as an axis and an order along it: "a above b" and "b below a" are one picture.
AXIS_OF = {
    "left_of": ("across", False),
    "right_of": ("across", True),
    "above": ("upright", False),
    "below": ("upright", True),
    "in_front_of": ("deep", False),
    "behind": ("deep", True),
}
USUAL = {"light": "day", "weather": "clear", "camera": "static", "colour": OWN_COLOUR, "size": "normal"}


@dataclass(frozen=True)
class Question:
    """A question with a closed list of answers, for example ``Question("light", ("day", "night"))``."""

    name: str
    answers: tuple[str, ...]


def questions_for(vocabulary: Vocabulary) -> tuple[Question, ...]:
    """Every question that scenes of this vocabulary can settle; those with one answer only are left out.
    (But an axis is always asked of relations: they are weighed by it.)

    ``motion`` is asked of one-step events, ``first`` and ``then`` of two-step ones; ``former`` and ``latter``
    name the actors along the ``axis`` of a relation: left and right, upper and lower, front and back.
    """
    v = vocabulary
    axes = tuple(dict.fromkeys(AXIS_OF[relation][0] for relation in v.relations)) if v.max_actors > 1 else ()
    asked = (
        Question("noun", v.nouns),
        Question("setting", v.settings),
        Question("motion", v.motions),
        Question("light", v.lights),
        Question("weather", v.weathers),
        Question("camera", v.cameras),
        Question("colour", (OWN_COLOUR, *v.colours)),
        Question("size", v.sizes),
        Question("style", v.styles),
        Question("count", tuple(str(n) for n in range(1, v.max_count + 1))),
        Question("first", v.motions),
        Question("then", v.motions),
        Question("axis", axes),
        Question("former", v.nouns if v.max_actors > 1 else ()),
        Question("latter", v.nouns if v.max_actors > 1 else ()),
    )
    return tuple(question for question in asked if len(question.answers) > 1 or (question.name == "axis" and axes))


def truth(scene: Scene) -> dict[str, str]:
    """The true answers; a question that the scene does not settle is absent.

    Beyond the questions there are ``relation`` and ``order``, which are read by weighing the possible answers.
    """
    first = scene.actors[0]
    answers = {
        "setting": scene.setting,
        "light": scene.light,
        "weather": scene.weather,
        "camera": scene.camera,
        "style": scene.style,
    }
    if len(scene.actors) > 1 and scene.relation:
        axis, turned = AXIS_OF[scene.relation]
        pair = (first.noun, scene.actors[1].noun)
        former, latter = reversed(pair) if turned else pair
        return answers | {"relation": scene.relation, "axis": axis, "former": former, "latter": latter}
    answers |= {
        "noun": first.noun,
        "colour": first.colour or OWN_COLOUR,
        "size": first.size,
        "count": str(first.count),
    }
    if len(first.motions) > 1:
        return answers | {"first": first.motions[0], "then": first.motions[1], "order": " > ".join(first.motions)}
    return answers | {"motion": first.motions[0]}


def asked_for(name: str, answer: str) -> bool:
    """Whether a caption says this; 'day' or 'clear' or the own colour go without saying."""
    return USUAL.get(name) != answer
