"""Shapes as signed distances, the way scissors see them: negative inside, zero on the edge, positive outside.

Owns: the plain geometry of backdrops. Knows nothing of colours and canvases.

Every function takes the place relative to the shape's own point, ``dx`` to the right and ``dy`` down, in any
shapes that broadcast together, and returns the distance in the same unit. The formulas follow Inigo Quilez,
"2D distance functions", simplified where only the sign and the first pixel outside matter.
"""

from __future__ import annotations

import torch
from torch import Tensor

Number = float | Tensor


def disc(dx: Tensor, dy: Tensor, radius: Number) -> Tensor:
    """A disc round the point."""
    return torch.sqrt(dx * dx + dy * dy) - radius


def ellipse(dx: Tensor, dy: Tensor, half_width: Number, half_height: Number) -> Tensor:
    """An ellipse round the point; the distance is exact on its axes and close elsewhere."""
    across, down = dx / half_width, dy / half_height
    reach = torch.sqrt(across * across + down * down)
    return (reach - 1) * torch.minimum(torch.as_tensor(half_width), torch.as_tensor(half_height))


def box(dx: Tensor, dy: Tensor, half_width: Number, half_height: Number) -> Tensor:
    """An upright rectangle round the point."""
    return torch.maximum(dx.abs() - half_width, dy.abs() - half_height)


def pillar(dx: Tensor, dy: Tensor, half_width: Number, height: Number) -> Tensor:
    """An upright rectangle that stands on the point."""
    return torch.maximum(dx.abs() - half_width, (dy + height / 2).abs() - height / 2)


def tent(dx: Tensor, dy: Tensor, half_width: Number, height: Number) -> Tensor:
    """A triangle that stands with its base on the point, its tip ``height`` above."""
    half_width, height = torch.as_tensor(half_width), torch.as_tensor(height)
    side = (dx.abs() * height - (dy + height) * half_width) / torch.sqrt(height * height + half_width * half_width)
    return torch.maximum(side, dy)


def bar(dx: Tensor, dy: Tensor, to_x: Number, to_y: Number, radius: Number) -> Tensor:
    """A bar with round ends from the point to (to_x, to_y)."""
    share = ((dx * to_x + dy * to_y) / (to_x * to_x + to_y * to_y)).clamp(0, 1)
    return disc(dx - share * to_x, dy - share * to_y, radius)


def cloud(dx: Tensor, dy: Tensor, size: Number) -> Tensor:
    """A cloud with a flat bottom on the point: about two sizes wide and one high."""
    puffs = together(
        disc(dx, dy + 0.32 * size, 0.46 * size),
        disc(dx + 0.5 * size, dy + 0.16 * size, 0.32 * size),
        disc(dx - 0.52 * size, dy + 0.18 * size, 0.36 * size),
    )
    return torch.maximum(puffs, dy)


def together(*distances: Tensor) -> Tensor:
    """The union of shapes."""
    union = distances[0]
    for distance in distances[1:]:
        union = torch.minimum(union, distance)
    return union


def without(distance: Tensor, hole: Tensor) -> Tensor:
    """The first shape with the second cut away."""
    return torch.maximum(distance, -hole)
