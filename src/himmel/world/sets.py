"""The sets: a painted backdrop for every setting of the vocabulary.

Owns: which function paints which setting, and where the ground of each lies, panoramas included. The painting
itself is in ``sets_land``, ``sets_open`` and ``sets_built``. Knows nothing of actors, light and weather.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from himmel.errors import BadRequest
from himmel.world import sets_built, sets_land, sets_open
from himmel.world.canvas import Canvas
from himmel.world.vocabulary import PANORAMAS

# Who paints it, and where things stand: y from 0 (top) to 1 (bottom), None where they float.
_SETS: dict[str, tuple[Callable[[Canvas], None], float | None]] = {
    "beach": (sets_land.draw_beach, 0.86),
    "forest": (sets_land.draw_forest, 0.87),
    "city": (sets_built.draw_city, 0.88),
    "snow": (sets_land.draw_snow, 0.86),
    "sea": (sets_open.draw_sea, 0.74),
    "sky": (sets_open.draw_sky, None),
    "night_sky": (sets_open.draw_night_sky, None),
    "room": (sets_built.draw_room, 0.87),
    "space": (sets_open.draw_space, None),
    "desert": (sets_land.draw_desert, 0.87),
    "mountains": (sets_land.draw_mountains, 0.88),
    "meadow": (sets_land.draw_meadow, 0.86),
    "underwater": (sets_open.draw_underwater, None),
    "road": (sets_built.draw_road, 0.86),
    "stage": (sets_built.draw_stage, 0.88),
    "garden": (sets_built.draw_garden, 0.87),
}
PANORAMA_GROUND = 0.82  # well below the horizon of every photograph


def draw_backdrops(
    setting: str, seeds: Sequence[int], height: int, width: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Paint one setting once per seed: (B, 3, height, width), float32 from 0 to 1, B = len(seeds).

    The same seed gives the same picture, whatever else is in the batch, at any size (but for the grain of the
    pixels). Any square window as high as the picture shows the setting. Raises BadRequest for an unknown setting.
    """
    canvas = Canvas(seeds, height, width, device)
    _find(setting)[0](canvas)
    return canvas.image


def ground_line(setting: str) -> float | None:
    """Where things stand, as y from 0 (top) to 1 (bottom) of the un-zoomed frame; None where they float."""
    return PANORAMA_GROUND if setting in PANORAMAS else _find(setting)[1]


def _find(setting: str) -> tuple[Callable[[Canvas], None], float | None]:
    if setting not in _SETS:
        raise BadRequest(f"unknown setting '{setting}'; known: {', '.join(_SETS)}")
    return _SETS[setting]
