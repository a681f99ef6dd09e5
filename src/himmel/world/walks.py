"""Walk cycles: which nouns have one, where its frames lie, and which frame is seen when.

Owns: the table of characters, the names of their frames, their gait. Knows nothing of pixels (``sprites``) and of
where anybody stands (``staging``).
"""

from __future__ import annotations

import torch
from torch import Tensor

STYLE = "cartoon"  # the drawing style that has them
ARCHIVE = "walk_cycles"
FRAMES = 8
CHARACTERS = {  # folder in the archive, by noun
    "man": "male_person",
    "woman": "female_person",
    "boy": "male_adventurer",
    "girl": "female_adventurer",
    "robot": "robot",
    "zombie": "zombie",
}
FOLDER = "arcade/resources/assets/images/animated_characters"
WALKED = frozenset({"go_left", "go_right", "zigzag", "circle"})  # motions that are gone on foot
CYCLE = 0.4  # of the character's height that one cycle, two steps, covers
SLOWEST, FASTEST = 0.8, 1.6  # cycles a second
STANDING = -1  # in place of a frame's number


def walks(noun: str, style: str) -> bool:
    """Whether a noun has a walk cycle in a style."""
    return style == STYLE and noun in CHARACTERS


def paths(noun: str) -> list[str]:
    """The files of a character in the archive: standing, then the frames of its cycle."""
    folder = CHARACTERS[noun]
    first, *rest = folder.split("_")
    name = first + "".join(map(str.capitalize, rest))
    poses = ("idle", *(f"walk{number}" for number in range(FRAMES)))
    return [f"{FOLDER}/{folder}/{name}_{pose}.png" for pose in poses]


def frame_names(noun: str) -> list[str]:
    """What the atlas calls the frames of a noun's cycle."""
    return [f"{noun}/{number}" for number in range(FRAMES)]


def frames_at(time: Tensor, speed: Tensor, height: Tensor, going: Tensor) -> Tensor:
    """Which frame is seen, int64 (actors, frames), STANDING where nobody walks.

    ``time`` (frames,) seconds; ``speed`` (actors, 1) usual speed and ``height`` (actors, 1), both in half frame
    heights; ``going`` (actors, frames) whether the actor is on its way just then. Feet go as fast as the ground.
    """
    cycles = time * (speed / (CYCLE * height)).clamp(SLOWEST, FASTEST)
    return torch.where(going, (cycles * FRAMES).floor().long() % FRAMES, STANDING)
