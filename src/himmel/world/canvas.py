"""A batch of wide sheets of paper, and the scissors: coordinates, dice, colours, painting.

Owns: the drawing surface that ``sets_*`` draw on. Knows nothing of what is drawn.

Shapes: B pictures, H rows, W columns. Lengths are in units of the picture's height: y runs from 0 (top) to
1 (bottom), x from 0 to W/H. A *distance* is a signed distance to the edge of a shape, negative inside
(see ``cutouts``); it broadcasts to (B, H, W). A *colour* broadcasts to (B, 3, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

DICE = 768  # numbers that one picture may draw; more is a mistake in a set
ABSENT = 9.0  # added to a distance, it takes the shape out of the picture

Number = float | Tensor


class Canvas:
    """B pictures drawn at once, each by its own seed: the same seed gives the same picture in any batch."""

    def __init__(self, seeds: Sequence[int], height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.aspect = width / height
        self.pixel = 1 / height
        self.x = ((torch.arange(width, device=device) + 0.5) / height).view(1, 1, width)
        self.y = ((torch.arange(height, device=device) + 0.5) / height).view(1, height, 1)
        self.image = torch.zeros(len(seeds), 3, height, width, device=device)
        rolls = [torch.rand(DICE, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self._dice = torch.stack(rolls).to(device) if rolls else torch.zeros(0, DICE, device=device)
        self._next = 0

    def dice(self, count: int) -> Tensor:
        """The next ``count`` numbers of every picture, uniform in 0..1: (B, count)."""
        first, self._next = self._next, self._next + count
        if self._next > DICE:
            raise ValueError(f"a set draws more than {DICE} random numbers; raise canvas.DICE")
        return self._dice[:, first : self._next]

    def roll(self, low: float, high: float) -> Tensor:
        """One number per picture, uniform between low and high: (B, 1, 1)."""
        return low + (high - low) * self.dice(1)[:, :, None]

    def maybe(self, probability: float) -> Tensor:
        """0 with this probability, else ABSENT: (B, 1, 1), to be added to a distance."""
        return (self.dice(1)[:, :, None] >= probability) * ABSENT

    def row(self, spacing: float) -> Row:
        """Cells of this width side by side, for things that stand in a row."""
        return Row(self, spacing)

    def colour(self, code: str, vary: float = 0.025) -> Tensor:
        """A colour from ``"#rrggbb"``, shifted a little in brightness and hue for each picture: (B, 3, 1, 1)."""
        shift = (self.dice(1) * 2 - 1) * vary + (self.dice(3) * 2 - 1) * vary
        return (self.plain(code) + shift[:, :, None, None]).clamp(0, 1)

    def plain(self, code: str) -> Tensor:
        """A colour from ``"#rrggbb"``, the same in every picture: (1, 3, 1, 1)."""
        channels = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return torch.tensor(channels, device=self.image.device).view(1, 3, 1, 1)

    def fade(self, top: Tensor, bottom: Tensor, start: Number = 0.0, end: Number = 1.0) -> Tensor:
        """A colour that runs from ``top`` at height ``start`` to ``bottom`` at ``end``: (B, 3, H, 1)."""
        share = ((self.y - start) / (end - start)).clamp(0, 1)
        return top + (bottom - top) * share[:, None]

    def hills(self, base: Number, rise: float, length: float) -> Tensor:
        """A rolling line: its height y for every x, about ``rise`` up and down of ``base``, waves of about
        ``length``; (B, 1, W)."""
        turns = 2 * math.pi / length * self.x
        first = torch.sin(turns * self.roll(0.8, 1.1) + self.roll(0, 2 * math.pi))
        second = torch.sin(turns * self.roll(1.5, 2.1) + self.roll(0, 2 * math.pi))
        return base + rise * (0.7 * first + 0.3 * second)

    def fill(self, colour: Tensor) -> None:
        """Cover the whole sheet."""
        self.image.copy_(colour.expand_as(self.image))

    def paint(self, colour: Tensor, distance: Tensor, opacity: Number = 1.0, soft: float = 0.0) -> None:
        """Lay a cut shape on the sheet. ``soft`` is the width of its edge; an edge is never harder than a pixel."""
        alpha = (0.5 - distance / max(soft, 1.2 * self.pixel)).clamp(0, 1) * opacity
        self.image.lerp_(colour.expand_as(self.image), alpha[:, None])

    def cut(self, colour: Tensor, distance: Tensor, shadow: float = 0.22) -> None:
        """Lay a cut shape on the sheet with the soft shadow that a sheet of paper throws on the one behind."""
        self.paint(self.plain("#0b1430"), distance - 0.012, opacity=shadow, soft=0.06)
        self.paint(colour, distance)


class Row:
    """Cells side by side across a canvas, shifted by the dice; a thing drawn once stands in each of them.

    ``x`` is the place within the cell, 0 in its middle: (B, 1, W). A thing must fit into its cell, for it is
    cut off at the border.
    """

    def __init__(self, canvas: Canvas, spacing: float) -> None:
        self._canvas = canvas
        self._count = math.ceil(canvas.aspect / spacing) + 2
        shifted = canvas.x + canvas.roll(0, spacing)
        cell = (shifted / spacing).floor()
        self.x = shifted - (cell + 0.5) * spacing
        self._cell = cell[:, 0].long()

    def dice(self) -> Tensor:
        """One number per cell, uniform in 0..1: (B, 1, W)."""
        return self._canvas.dice(self._count).gather(1, self._cell)[:, None]

    def roll(self, low: float, high: float) -> Tensor:
        """One number per cell, uniform between low and high: (B, 1, W)."""
        return low + (high - low) * self.dice()

    def maybe(self, probability: float) -> Tensor:
        """0 in this share of the cells, ABSENT in the others: (B, 1, W), to be added to a distance."""
        return (self.dice() >= probability) * ABSENT

    def turns(self, kinds: int) -> list[Tensor]:
        """For each of ``kinds`` things that take turns along the row, 0 in its cells and ABSENT elsewhere."""
        start = (self._canvas.dice(1) * kinds).long()
        turn = ((self._cell + start) % kinds)[:, None]
        return [(turn != kind) * ABSENT for kind in range(kinds)]

    def pick(self, codes: Sequence[str]) -> Tensor:
        """One of these colours per cell: (B, 3, 1, W)."""
        palette = torch.cat([self._canvas.plain(code).view(1, 3) for code in codes])
        chosen = (self.dice()[:, 0] * len(codes)).long().clamp(max=len(codes) - 1)
        return palette[chosen].movedim(-1, 1)[:, :, None]
