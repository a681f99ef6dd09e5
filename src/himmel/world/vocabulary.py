"""The terms of the training world: what can be shown, by key, and which of it a model is taught.

Owns: the closed lists of keys (English, snake_case) and the vocabularies made of them.
Nouns are those of the lexicon (``nouns``), by tiers (``tiers``). Knows nothing of captions (``caption``), pictures
(``sprites``, ``sets``, ``panoramas``) or trajectories (``motion``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from himmel.errors import BadRequest
from himmel.world.nouns import NOUNS
from himmel.world.tiers import LAPTOP_NOUNS, LARGE_NOUNS, MEDIUM_NOUNS

STYLES = ("3d", "flat", "line_art", "cartoon", "sticker", "silhouette", "paper", "pixel_art", "sketch", "watercolour")
SETTINGS = (
    "beach",
    "forest",
    "city",
    "snow",
    "sea",
    "sky",
    "night_sky",
    "room",
    "space",
    "desert",
    "mountains",
    "meadow",
    "underwater",
    "road",
    "stage",
    "garden",
)
PANORAMAS = (
    "apartment",
    "dawn_field",
    "forest_path",
    "lobby",
    "park",
    "quay",
    "rocky_desert",
    "studio",
    "town_square",
    "warehouse",
    "workshop",
)
MOTIONS = (
    "stand",
    "go_right",
    "go_left",
    "jump",
    "spin",
    "grow",
    "shrink",
    "rise",
    "fall",
    "rock",
    "circle",
    "zigzag",
    "flip",
    "bounce",
    "shake",
    "pulse",
)
LIGHTS = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "snowfall")
CAMERAS = ("static", "zoom_in", "zoom_out", "pan_left", "pan_right", "tilt_up", "tilt_down")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
SIZES = ("small", "normal", "big")
RELATIONS = ("left_of", "right_of", "above", "below", "in_front_of", "behind")
MAX_ACTORS = 3
MAX_COUNT = 4


@dataclass(frozen=True)
class Vocabulary:
    """What one model is taught, and therefore claims: a subset of every list, and how often extras occur.

    Probabilities, 0 to 1, are per clip where nothing else is said, and before the hold-out rule takes its share:
    the more a scene holds, the more often it is held out. ``settings`` may name panoramas too. Raises BadRequest
    for what is not in the lists.
    """

    nouns: tuple[str, ...]
    styles: tuple[str, ...] = STYLES
    settings: tuple[str, ...] = SETTINGS
    motions: tuple[str, ...] = MOTIONS
    lights: tuple[str, ...] = LIGHTS
    weathers: tuple[str, ...] = WEATHERS
    cameras: tuple[str, ...] = CAMERAS
    colours: tuple[str, ...] = COLOURS
    sizes: tuple[str, ...] = SIZES
    relations: tuple[str, ...] = RELATIONS
    max_actors: int = MAX_ACTORS
    max_count: int = MAX_COUNT
    p_coloured: float = 0.15  # per actor
    p_sized: float = 0.2  # per actor
    p_several: float = 0.25  # two or three different actors
    p_counted: float = 0.1  # of the clips with one kind and one step: two to four of it
    p_two_steps: float = 0.1  # of the clips with one kind: "jumps, then spins"
    p_light: float = 0.3
    p_weather: float = 0.2
    p_camera: float = 0.35

    def __post_init__(self) -> None:
        allowed = {
            "nouns": tuple(NOUNS),
            "styles": STYLES,
            "settings": SETTINGS + PANORAMAS,
            "motions": MOTIONS,
            "lights": LIGHTS,
            "weathers": WEATHERS,
            "cameras": CAMERAS,
            "colours": COLOURS,
            "sizes": SIZES,
            "relations": RELATIONS,
        }
        for name, known in allowed.items():
            unknown = set(getattr(self, name)) - set(known)
            if unknown:
                raise BadRequest(f"unknown {name}: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        for name, most in (("max_actors", MAX_ACTORS), ("max_count", MAX_COUNT)):
            if not 1 <= getattr(self, name) <= most:
                raise BadRequest(f"{name} must be between 1 and {most}")
        for field in fields(self):
            if field.name.startswith("p_") and not 0 <= getattr(self, field.name) <= 1:
                raise BadRequest(f"{field.name} must be between 0 and 1")


# What two CPU cores can be taught in an afternoon: few things, drawn large and clearly.
LAPTOP = Vocabulary(
    nouns=LAPTOP_NOUNS,
    styles=("3d",),
    motions=(
        "stand",
        "go_right",
        "go_left",
        "jump",
        "spin",
        "grow",
        "shrink",
        "rise",
        "fall",
        "rock",
        "circle",
        "flip",
    ),
    cameras=("static", "zoom_in", "zoom_out", "pan_left", "pan_right"),
    colours=("red", "yellow", "green", "blue", "purple"),
    relations=("left_of", "right_of"),
    max_actors=2,
    max_count=3,
    p_coloured=0.1,
    p_several=0.1,
    p_counted=0.06,
    p_two_steps=0.05,
    p_light=0.25,
    p_weather=0.06,
    p_camera=0.3,
)

# One plain actor, plain daylight, still camera: what the first minutes of training look at.
PLAIN = replace(
    LAPTOP, p_coloured=0, p_sized=0, p_several=0, p_counted=0, p_two_steps=0, p_light=0, p_weather=0, p_camera=0
)

# All that the world has.
FULL = Vocabulary(nouns=tuple(NOUNS), settings=SETTINGS + PANORAMAS)

# What half an hour of a graphics card is taught: everything but the rarer nouns.
GPU = replace(FULL, nouns=LARGE_NOUNS)

# Between the two: whole figures only, in the three drawing styles that differ most.
MEDIUM = replace(
    FULL,
    nouns=MEDIUM_NOUNS,
    styles=("3d", "flat", "cartoon"),
    settings=SETTINGS,
    relations=("left_of", "right_of", "above", "below"),
    max_actors=2,
    max_count=3,
    p_several=0.15,
)

VOCABULARIES = {"laptop": LAPTOP, "medium": MEDIUM, "gpu": GPU, "full": FULL, "tiny": PLAIN}
