"""The light of day, sunset and night, laid over a finished picture.

Owns: how a light changes colours. Knows nothing of what is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from himmel.errors import BadRequest

# What is multiplied into the picture, the glow that is mixed in, and how much of it at the top and the bottom.
_GRADES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], float, float]] = {
    "day": ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 0.0, 0.0),
    "sunset": ((1.0, 0.76, 0.64), (0.99, 0.50, 0.36), 0.5, 0.08),
    "night": ((0.36, 0.44, 0.66), (0.04, 0.07, 0.22), 0.35, 0.1),
}
# Where the sun never reaches, its going down shows less.
_SHELTER = {"night_sky": 0.4, "space": 0.4, "underwater": 0.8, "stage": 0.75}


def apply_light(
    image: Tensor, lights: Sequence[str], strength: float = 1.0, settings: Sequence[str] | None = None
) -> Tensor:
    """Grade pictures (B, 3, H, W), 0 to 1, each by its own light of LIGHTS; returns new ones in the same range.

    ``day`` changes nothing. ``strength`` from 0 (nothing) to 1 (backdrop); actors take less, so that they
    stand out. ``settings``, one per picture, softens the light where the sun does not reach. The H axis is the
    height of the frame: a sunset glows more at the top. Raises BadRequest for an unknown light.
    """
    unknown = sorted(set(lights) - set(_GRADES))
    if unknown:
        raise BadRequest(f"unknown light '{unknown[0]}'; known: {', '.join(_GRADES)}")
    if all(light == "day" for light in lights):
        return image
    like = {"dtype": image.dtype, "device": image.device}
    grades = [_GRADES[light] for light in lights]
    tint = torch.tensor([grade[0] for grade in grades], **like)[:, :, None, None]
    glow = torch.tensor([grade[1] for grade in grades], **like)[:, :, None, None]
    top, bottom = (torch.tensor([grade[k] for grade in grades], **like)[:, None, None, None] for k in (2, 3))
    down = torch.linspace(0, 1, image.shape[2], **like)[:, None]
    graded = torch.lerp(image * tint, glow, top + (bottom - top) * down)
    weights = torch.tensor([strength * _SHELTER.get(s, 1.0) for s in settings or [""] * len(lights)], **like)
    return torch.lerp(image, graded, weights[:, None, None, None])
