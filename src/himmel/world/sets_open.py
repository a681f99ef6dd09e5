"""Backdrops of water, air and space: one function per setting, each draws on a canvas.

Owns: sea, sky, night_sky, space, underwater. Knows ``canvas`` and ``cutouts`` only.
"""

from __future__ import annotations

import math

import torch

from himmel.world.canvas import Canvas
from himmel.world.cutouts import cloud, disc, ellipse, tent, together, without


def draw_sea(c: Canvas) -> None:
    """Nothing but water in rows of waves, the horizon, far away an island."""
    c.fill(c.fade(c.colour("#a7d3ea"), c.colour("#eaf3f0"), 0, 0.36))
    row = c.row(1.1)
    c.paint(c.plain("#ffffff"), cloud(row.x, c.y - row.roll(0.14, 0.22), row.roll(0.1, 0.15)), 0.8)
    horizon = c.roll(0.34, 0.4)
    row = c.row(1.0)
    c.paint(c.colour("#6f9c95"), tent(row.x, c.y - horizon, row.roll(0.12, 0.2), row.roll(0.05, 0.09)))
    c.paint(c.fade(c.colour("#3f8fbf"), c.colour("#4a9cc6"), 0.36, 0.6), horizon - c.y)
    for depth, code in enumerate(("#4596c3", "#3a87b6", "#3078a8", "#2a6c9b")):
        length = 0.26 + 0.07 * depth
        turns = 2 * math.pi * (c.x / length + c.roll(0, 1))
        crest = horizon + 0.08 + depth * 0.145 + (0.012 + 0.006 * depth) * turns.sin().abs()
        c.paint(c.plain("#d5ecf5"), crest - 0.018 - c.y, 0.6)
        c.paint(c.colour(code), crest - c.y)


def draw_sky(c: Canvas) -> None:
    """Light blue from top to bottom, big white clouds."""
    c.fill(c.fade(c.colour("#6fb4e6"), c.colour("#c3e3f5")))
    for y, spacing, size in ((0.22, 0.8, 0.2), (0.58, 1.0, 0.27), (0.95, 0.9, 0.24)):
        row = c.row(spacing)
        puffs = cloud(row.x, c.y - y - row.roll(-0.06, 0.06), size * row.roll(0.8, 1.1))
        c.cut(c.fade(c.plain("#ffffff"), c.plain("#e3eef6"), y - size, y), puffs, 0.1)


def draw_night_sky(c: Canvas) -> None:
    """Deep blue, a moon, a few stars, dark hills at the very bottom."""
    c.fill(c.fade(c.colour("#16224f"), c.colour("#3a4f8c")))
    _stars(c, 4, "#fdf3c8")
    row = c.row(1.0)
    dx, dy = row.x, c.y - row.roll(0.2, 0.26)
    c.paint(c.plain("#cfd8f5"), disc(dx, dy, 0.13), 0.25, soft=0.16)
    crescent = without(disc(dx, dy, 0.12), disc(dx - row.roll(0.05, 0.09), dy + 0.04, 0.1))
    c.paint(c.plain("#fdf0be"), crescent)
    c.paint(c.colour("#1d2b5c"), c.hills(0.93, 0.025, 0.7) - c.y)


def _stars(c: Canvas, rows: int, code: str) -> None:
    for line in range(rows):
        row = c.row(0.28)
        y = (line + 0.5) / rows
        dx, dy = row.x - row.roll(-0.08, 0.08), c.y - y - row.roll(-0.09, 0.09)
        c.paint(c.plain(code), disc(dx, dy, row.roll(0.009, 0.018)) + row.maybe(0.75), soft=0.024)


def draw_space(c: Canvas) -> None:
    """Black-violet, planets with rings, a violet nebula, few stars."""
    c.fill(c.fade(c.colour("#150d24", 0.01), c.colour("#1d1233", 0.01)))
    nebula = c.y - 0.5 - c.roll(-0.25, 0.25) - 0.35 * c.roll(-1, 1) * (c.x - c.aspect / 2)
    c.paint(c.colour("#6a3490", 0.05), nebula.abs() - 0.05, 0.55, soft=0.6)
    _stars(c, 3, "#e9e4ff")
    row = c.row(0.95)
    dx, dy, size = row.x - row.roll(-0.1, 0.1), c.y - row.roll(0.2, 0.4), row.roll(0.11, 0.15)
    ball, tilted = disc(dx, dy, size), dy + 0.3 * dx
    c.paint(row.pick(("#d98a5f", "#c9a05a", "#6fa3c4", "#b56d9a")), ball)
    c.paint(c.plain("#120b22"), without(ball, disc(dx + 0.05, dy + 0.05, size)), 0.35)  # the side in shadow
    ring = without(ellipse(dx, tilted, size * 2, size * 0.5), ellipse(dx, tilted, size * 1.45, size * 0.3))
    c.paint(c.colour("#e8d6b0"), without(ring, torch.maximum(ball, tilted)))
    row = c.row(0.75)
    moon = disc(row.x - row.roll(-0.2, 0.2), c.y - row.roll(0.72, 0.88), row.roll(0.05, 0.09))
    c.paint(row.pick(("#7fb0a8", "#c27d6a", "#9a8fd0")), moon + row.maybe(0.75))


def draw_underwater(c: Canvas) -> None:
    """Teal that darkens with depth, rays of light from above, seaweed and sand at the bottom, bubbles."""
    c.fill(c.fade(c.colour("#6fc9cf"), c.colour("#1f6c8f"), 0, 0.95))
    row = c.row(0.42)
    ray = (row.x + 0.3 * (c.y - 0.4) * 0.3).abs() - row.roll(0.02, 0.05) * (0.5 + 1.6 * c.y)
    c.paint(c.plain("#d8f6ee"), ray, 0.3 * (1 - c.y).clamp(0, 1), soft=0.05)
    row = c.row(0.3)
    bend = 0.025 * torch.sin(c.y * 16 + row.roll(0, 6.3))
    tall = row.roll(0.2, 0.42)
    weed = ellipse(row.x - bend, c.y - 0.95 + tall / 2, row.roll(0.032, 0.045), tall / 2) + row.maybe(0.85)
    c.cut(row.pick(("#3fae7c", "#5cbf6d", "#2f9c8a")), weed, 0.12)
    row = c.row(0.6)
    dx, dy = row.x - row.roll(-0.1, 0.1), c.y - 0.9
    coral = together(disc(dx, dy + 0.02, 0.08), disc(dx - 0.08, dy, 0.055), disc(dx + 0.08, dy, 0.06))
    c.cut(row.pick(("#dd7f86", "#e39a62", "#b582c4")), coral + row.maybe(0.75), 0.12)
    c.cut(c.colour("#c9bb8c"), c.hills(0.9, 0.015, 0.7) - c.y)
    for low, high in ((0.1, 0.35), (0.4, 0.7)):
        row = c.row(0.4)
        bubble = disc(row.x, c.y - row.roll(low, high), row.roll(0.014, 0.028))
        c.paint(c.plain("#e5fbf8"), bubble + row.maybe(0.7), 0.6)
