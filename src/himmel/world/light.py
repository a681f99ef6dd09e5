"""The light of day, sunset and night, laid over a finished picture.

Owns: how a light changes colours. Knows nothing of what is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from himmel.errors import BadRequest
from himmel.world.vocabulary import PANORAMAS

# What is multiplied into the picture, the glow that is mixed in, and how much of it at the top and the bottom.
_GRADES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], float, float]] = {
    "day": ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 0.0, 0.0),
    "sunset": ((1.0, 0.78, 0.68), (1.0, 0.50, 0.40), 0.46, 0.06),
    "night": ((0.44, 0.52, 0.76), (0.05, 0.08, 0.25), 0.3, 0.08),
}
# Where lamps are lit: whatever is as yellow as a lamp there stays bright.
_LAMPLIT = ("city", "room")
# Where the sun never reaches, its going down shows less; and a photograph has a light of its own.
_SHELTER = {"night_sky": 0.4, "space": 0.4, "underwater": 0.8, "stage": 0.75, **dict.fromkeys(PANORAMAS, 0.7)}


def apply_light(
    image: Tensor, lights: Sequence[str], strength: float = 1.0, settings: Sequence[str] | None = None
) -> Tensor:
    """Grade pictures (B, 3, H, W), 0 to 1, each by its own light of LIGHTS; returns new ones in the same range.

    ``day`` changes nothing. ``strength`` from 0 (nothing) to 1 (backdrop); actors take less, so that they
    stand out. ``settings``, one per picture, softens the light where the sun does not reach and
    leaves lit windows and lamps bright. H is the height of the frame: a sunset glows more at the top.
    Raises BadRequest for an unknown light.
    """
    unknown = sorted(set(lights) - set(_GRADES))
    if unknown:
        raise BadRequest(f"unknown light '{unknown[0]}'; known: {', '.join(_GRADES)}")
    if all(light == "day" for light in lights):
        return image
    grades = [_GRADES[light] for light in lights]
    tint = image.new_tensor([grade[0] for grade in grades])[:, :, None, None]
    glow = image.new_tensor([grade[1] for grade in grades])[:, :, None, None]
    top, bottom = (image.new_tensor([grade[k] for grade in grades])[:, None, None, None] for k in (2, 3))
    down = torch.linspace(0, 1, image.shape[2], device=image.device)[:, None]
    graded = torch.lerp(image * tint, glow, top + (bottom - top) * down)
    if settings is None:
        return torch.lerp(image, graded, strength)
    weights = image.new_tensor([strength * _SHELTER.get(setting, 1.0) for setting in settings])
    lamplit = image.new_tensor([float(setting in _LAMPLIT) for setting in settings])
    weight = weights[:, None, None, None] * (1 - 0.85 * lamplit[:, None, None, None] * _lamps(image))
    return torch.lerp(image, graded, weight)


def _lamps(image: Tensor) -> Tensor:
    """Which pixels are as yellow as a lamp, 0 to 1: (B, 1, H, W)."""
    yellow = torch.minimum(image[:, 0], image[:, 1]) - image[:, 2]
    return ((yellow - 0.26) / 0.12).clamp(0, 1)[:, None]
