"""Says a scene truthfully in English, German or Japanese, in many wordings.

Owns: which language, and what is said and what is left out. Grammar is in ``caption_en``, ``caption_de``
and ``caption_ja``, wordings in ``phrases_*.toml``. Knows nothing of pixels.

Truth: noun, count, colour, size, setting, motion and relation are always said where they are not the usual
ones. Light, weather and camera are dropped now and then, so that a short prompt does not forbid them. What
is unsaid is the usual thing: 3D, daylight, clear weather, a camera that stands still.
"""

from __future__ import annotations

import random

from himmel.world import caption_de, caption_en, caption_ja
from himmel.world.phrases import Extras
from himmel.world.scene import Scene

LANGUAGES = {"en": 0.6, "de": 0.2, "ja": 0.2}
P_DROPPED = 0.06  # of a light, weather or camera that is not the usual one
P_USUAL_SAID = 0.05  # of a style, light, weather or camera that is the usual one
SKIES = ("night_sky", "space")  # "by day" would be nonsense there


def caption(scene: Scene, rng: random.Random, language: str | None = None) -> str:
    """One line of text that says the scene; the same generator state gives the same line.

    ``language`` is "en", "de" or "ja"; None draws one (60, 20 and 20 %).
    """
    language = language or rng.choices(tuple(LANGUAGES), tuple(LANGUAGES.values()))[0]
    grammar = {"en": caption_en, "de": caption_de, "ja": caption_ja}[language]
    return grammar.say(scene, _extras(scene, rng), rng)


def _extras(scene: Scene, rng: random.Random) -> Extras:
    def said(key: str, usual: str, p_dropped: float = P_DROPPED) -> str | None:
        chance = P_USUAL_SAID if key == usual else 1 - p_dropped
        return key if rng.random() < chance else None

    light = said(scene.light, "day")
    return Extras(
        style=said(scene.style, "3d", 0),
        light=None if scene.setting in SKIES and light == "day" else light,
        weather=said(scene.weather, "clear"),
        camera=said(scene.camera, "static"),
    )
