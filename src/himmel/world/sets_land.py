"""Backdrops out in nature, on firm ground: one function per setting, each draws on a canvas.

Owns: beach, forest, snow, desert, mountains, meadow. Knows ``canvas`` and ``cutouts`` only.
"""

from __future__ import annotations

from torch import Tensor

from himmel.world.canvas import Canvas
from himmel.world.cutouts import bar, cloud, disc, ellipse, pillar, tent, together


def draw_beach(c: Canvas) -> None:
    """Sand in front, a strip of sea behind, palms and parasols."""
    c.fill(c.fade(c.colour("#8fcdea"), c.colour("#dff1ee"), 0, 0.42))
    row = c.row(0.9)
    c.paint(c.plain("#ffffff"), cloud(row.x, c.y - row.roll(0.14, 0.26), row.roll(0.1, 0.15)), 0.85)
    c.paint(c.fade(c.colour("#2f9fb8"), c.colour("#7fd0cf"), 0.42, 0.64), 0.42 - c.y)
    shore = c.hills(c.roll(0.6, 0.64), 0.02, 0.9)
    c.paint(c.plain("#f4fbf8"), shore - 0.025 - c.y)
    c.paint(c.fade(c.colour("#ecd39b"), c.colour("#dfbd7c"), 0.6, 1), shore - c.y)
    row = c.row(0.55)
    palm, parasol = row.turns(2)
    _palm(c, row.x - row.roll(-0.04, 0.04), c.y - row.roll(0.7, 0.74), palm)
    dx, dy = row.x - row.roll(-0.06, 0.06), c.y - row.roll(0.76, 0.8)
    c.paint(c.plain("#f7f1e3"), pillar(dx, dy, 0.011, 0.26) + parasol)
    hood = ellipse(dx, dy + 0.2, 0.18, 0.16).maximum(dy + 0.2) + parasol
    c.cut(row.pick(("#d8604f", "#e29a3f", "#c9587c", "#5f8fc4")), hood)
    # Two pale stripes that meet at the tip, as on any parasol.
    stripe = (dx.abs() - 0.42 * (dy + 0.38) - 0.012).abs() - 0.14 * (dy + 0.37).clamp(min=0)
    c.paint(c.plain("#f7f1e3"), hood.maximum(stripe))


def _palm(c: Canvas, dx: Tensor, dy: Tensor, absent: Tensor) -> None:
    trunk = bar(dx, dy, 0.05, -0.4, 0.018)
    c.cut(c.colour("#9a6f4a"), trunk + absent)
    x, y = dx - 0.05, dy + 0.4
    leaves = together(
        bar(x, y, 0.17, -0.03, 0.026),
        bar(x, y, -0.17, -0.03, 0.026),
        bar(x, y, 0.13, 0.1, 0.024),
        bar(x, y, -0.13, 0.1, 0.024),
        bar(x, y, 0.02, -0.1, 0.03),
    )
    c.cut(c.colour("#4f9a58"), leaves + absent)


def draw_forest(c: Canvas) -> None:
    """Trunks in two depths under a canopy, moss below."""
    c.fill(c.fade(c.colour("#b9d8a4"), c.colour("#dcebc0"), 0, 0.7))
    row = c.row(0.16)
    c.paint(c.colour("#93b489"), row.x.abs() + 0 * c.y - row.roll(0.018, 0.03))
    c.paint(c.colour("#8fbb7c"), c.y - c.hills(0.26, 0.05, 0.35))
    c.paint(c.colour("#a5c583"), c.hills(0.7, 0.02, 0.8) - c.y)
    row = c.row(0.36)
    lean = row.roll(-0.05, 0.05)
    c.cut(c.colour("#7d5f49"), (row.x - lean).abs() - row.roll(0.035, 0.055) * (0.8 + 0.4 * c.y) + row.maybe(0.9))
    scallops = c.row(0.3)
    puffs = disc(scallops.x, c.y - scallops.roll(0.08, 0.16), 0.16)
    c.cut(c.colour("#4f8a55"), together(c.y - 0.1, puffs))
    ground = c.hills(0.77, 0.015, 0.9)
    c.cut(c.fade(c.colour("#7fa95f"), c.colour("#6b9553"), 0.75, 1), ground - c.y)
    row = c.row(0.3)
    bush = ellipse(row.x, c.y - 0.8, row.roll(0.08, 0.13), row.roll(0.05, 0.1)) + row.maybe(0.5)
    c.paint(c.colour("#5b9159"), bush.maximum(c.y - 0.81))


def draw_snow(c: Canvas) -> None:
    """White hills, dark pines with snow on them, a blue-grey sky."""
    c.fill(c.fade(c.colour("#9fb4c9"), c.colour("#d3dee8"), 0, 0.6))
    c.cut(c.colour("#cfdbe8"), c.hills(0.5, 0.06, 1.0) - c.y, 0.1)
    for base, spacing, size in ((0.62, 0.3, 0.26), (0.72, 0.5, 0.42)):
        row = c.row(spacing)
        dx, dy, tall = row.x - row.roll(-0.03, 0.03), c.y - base, size * row.roll(0.8, 1.1)
        gone, green = row.maybe(0.85), c.colour("#3f6f6b", 0.01)
        c.paint(c.colour("#6b5a53"), pillar(dx, dy, 0.014, 0.1) + gone)
        for low, high, wide in ((0.12, 0.6, 0.3), (0.34, 0.8, 0.24), (0.58, 1.02, 0.18)):
            foot, rise = dy + low * tall, (high - low) * tall
            c.paint(c.plain("#f4f8fb"), tent(dx, foot, wide * tall, rise) + gone)  # the snow on its branches
            c.paint(green, tent(dx, foot, 0.86 * wide * tall, 0.74 * rise) + gone)
        white = c.fade(c.colour("#f3f7fb", 0.01), c.colour("#dfe8f1", 0.01), base, base + 0.3)
        c.cut(white, c.hills(base, 0.02, 0.8) - c.y, 0.12)


def draw_desert(c: Canvas) -> None:
    """Orange dunes with lit and shaded sides, cacti, a pale hot sky."""
    c.fill(c.fade(c.colour("#f3c98b"), c.colour("#fbe8c4"), 0, 0.55))
    c.paint(c.plain("#fff4d6"), disc(c.x - c.roll(0.2, c.aspect - 0.2), c.y - c.roll(0.16, 0.26), 0.09))
    row = c.row(0.8)
    mesa = pillar(row.x, c.y - 0.6, row.roll(0.12, 0.2) + 0.1 * (c.y - 0.4), row.roll(0.2, 0.3)) + row.maybe(0.6)
    c.paint(c.colour("#d99a6c"), mesa)
    c.cut(c.fade(c.colour("#e8a860"), c.colour("#d98f4d"), 0.5, 0.8), c.hills(0.58, 0.05, 0.9) - c.y)
    row = c.row(0.6)
    dx, dy, size = row.x - row.roll(-0.08, 0.08), c.y - row.roll(0.7, 0.76), row.roll(0.8, 1.15)
    cactus = together(
        bar(dx, dy, 0.0, -0.32 * size, 0.034 * size),
        bar(dx, dy + 0.14 * size, 0.1 * size, 0.0, 0.024 * size),
        bar(dx - 0.1 * size, dy + 0.14 * size, 0.0, -0.1 * size, 0.024 * size),
        bar(dx, dy + 0.1 * size, -0.1 * size, 0.0, 0.024 * size),
        bar(dx + 0.1 * size, dy + 0.1 * size, 0.0, -0.12 * size, 0.024 * size),
    )
    c.cut(c.colour("#5f8f5a"), cactus)
    c.cut(c.fade(c.colour("#eebb74"), c.colour("#e0a25b"), 0.7, 1), c.hills(0.73, 0.03, 1.1) - c.y)


def draw_mountains(c: Canvas) -> None:
    """Peaks with snow caps in two depths, foothills below."""
    c.fill(c.fade(c.colour("#a9c6dd"), c.colour("#e6edf0"), 0, 0.6))
    for spacing, base, rock, low, high in ((0.5, 0.68, "#9fb0c6", 0.36, 0.48), (0.7, 0.74, "#7386a3", 0.46, 0.6)):
        row = c.row(spacing)
        c.paint(c.colour(rock), c.hills(base - 0.14, 0.02, 0.5) - c.y)
        tall = row.roll(low, high)
        peak = tent(row.x, c.y - base, spacing * 0.52, tall)
        c.cut(c.colour(rock), peak)
        c.paint(c.plain("#f5f8fb"), peak.maximum(c.y - base + 0.68 * tall))
    c.cut(c.fade(c.colour("#84a383"), c.colour("#78986f"), 0.7, 1), c.hills(0.74, 0.03, 0.9) - c.y)
    c.cut(c.fade(c.colour("#a1ba7e"), c.colour("#8ba86a"), 0.8, 1), c.hills(0.81, 0.015, 1.2) - c.y, 0.12)


def draw_meadow(c: Canvas) -> None:
    """Rolling green under a mild sky, round flowers in the grass, a few round trees far away."""
    c.fill(c.fade(c.colour("#9fd3ee"), c.colour("#e4f3ee"), 0, 0.5))
    row = c.row(0.8)
    c.paint(c.plain("#ffffff"), cloud(row.x, c.y - row.roll(0.16, 0.28), row.roll(0.12, 0.18)), 0.9)
    c.cut(c.colour("#a7d08a"), c.hills(0.52, 0.05, 1.2) - c.y, 0.12)
    row = c.row(0.7)
    dx, dy = row.x - row.roll(-0.15, 0.15), c.y - 0.58
    c.paint(c.colour("#8a6b4c"), pillar(dx, dy, 0.014, 0.12))
    c.cut(c.colour("#6fae68"), disc(dx, dy + 0.17, row.roll(0.07, 0.1)))
    c.cut(c.colour("#93c572"), c.hills(0.6, 0.04, 1.0) - c.y, 0.12)
    c.cut(c.fade(c.colour("#84bb62"), c.colour("#72aa55"), 0.7, 1), c.hills(0.72, 0.025, 0.9) - c.y, 0.12)
    for y in (0.68, 0.8, 0.94):
        row = c.row(0.22)
        dx, dy = row.x - row.roll(-0.05, 0.05), c.y - y - row.roll(-0.02, 0.02)
        size = 0.018 + 0.03 * (y - 0.6)
        c.paint(row.pick(("#f6d75e", "#f4f1ea", "#e58aa6", "#b78ad6")), disc(dx, dy, size) + row.maybe(0.8))
