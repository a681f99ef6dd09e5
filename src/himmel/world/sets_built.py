"""Backdrops that people built: one function per setting, each draws on a canvas.

Owns: city, road, garden, room, stage. Knows ``canvas`` and ``cutouts`` only.
"""

from __future__ import annotations

import torch

from himmel.world.canvas import Canvas
from himmel.world.cutouts import box, cloud, disc, ellipse, pillar, tent, together


def draw_city(c: Canvas) -> None:
    """A skyline in two depths with lit windows, a pavement in front."""
    c.fill(c.fade(c.colour("#b7c9d9"), c.colour("#f0e4d4"), 0, 0.7))
    row = c.row(0.2)
    c.paint(c.colour("#9fafc4"), pillar(row.x, c.y - 0.8, row.roll(0.07, 0.11), row.roll(0.4, 0.68)))
    row = c.row(0.32)
    half, tall = row.roll(0.11, 0.15), 0.06 + 0.1 * row.roll(3, 6).floor()  # whole storeys
    house = pillar(row.x, c.y - 0.8, half, tall)
    c.cut(row.pick(("#6f7f9c", "#8a7f93", "#a0776a", "#5f7d8d")), house)
    pane_x = torch.remainder(row.x + 0.0375, 0.075) - 0.0375
    pane_y = torch.remainder(c.y - 0.8 + tall, 0.1) - 0.055
    windows = box(pane_x, pane_y, 0.02, 0.028).maximum(house + 0.028).maximum(c.y - 0.72)
    c.paint(c.plain("#ffdf7a"), windows, 0.9)
    c.cut(c.colour("#b9b4ad"), 0.77 - c.y)
    c.paint(c.colour("#a19c98"), 0.8 - c.y)
    c.paint(c.colour("#8d8a8a"), 0.93 - c.y)


def draw_road(c: Canvas) -> None:
    """Grey asphalt with white dashes, grass verges, trees along it."""
    c.fill(c.fade(c.colour("#a6d0e6"), c.colour("#e8f0ea"), 0, 0.45))
    row = c.row(0.8)
    c.paint(c.plain("#ffffff"), cloud(row.x, c.y - row.roll(0.16, 0.26), row.roll(0.1, 0.15)), 0.85)
    c.paint(c.colour("#a9c693"), c.hills(0.46, 0.04, 1.0) - c.y)
    row = c.row(0.5)
    dx = row.x - row.roll(-0.08, 0.08)
    c.paint(c.colour("#7f6a55"), pillar(dx, c.y - 0.58, 0.014, 0.16))
    c.cut(c.colour("#6a9f66"), ellipse(dx, c.y - 0.37, 0.08, row.roll(0.09, 0.13)))
    c.cut(c.colour("#8fb56d"), 0.56 - c.y, 0.12)
    c.paint(c.plain("#e6e4de"), 0.63 - c.y)
    c.paint(c.fade(c.colour("#6d7078", 0.015), c.colour("#7b7e86", 0.015), 0.64, 0.95), 0.648 - c.y)
    dash = c.row(0.36)
    c.paint(c.plain("#f2efe6"), box(dash.x + 0.3 * (c.y - 0.79), c.y - 0.79, 0.1, 0.016))
    c.paint(c.colour("#8fb56d"), 0.95 - c.y)


def draw_garden(c: Canvas) -> None:
    """A white picket fence before a hedge, flower beds, a lawn."""
    c.fill(c.fade(c.colour("#a9d9ee"), c.colour("#e9f4ee"), 0, 0.4))
    row = c.row(0.32)
    c.cut(c.colour("#5f9e5c"), together(disc(row.x, c.y - row.roll(0.36, 0.42), 0.17), 0.42 - c.y), 0.14)
    picket = c.row(0.135)
    slat = together(pillar(picket.x, c.y - 0.66, 0.042, 0.22), tent(picket.x, c.y - 0.44, 0.042, 0.06))
    rails = (torch.remainder(c.y - 0.46, 0.12) - 0.03).abs() - 0.014
    rails = rails.maximum(0.46 - c.y).maximum(c.y - 0.64)
    c.cut(c.colour("#f6f2e8", 0.01), together(slat, rails + 0 * c.x))
    c.cut(c.fade(c.colour("#9ccb74"), c.colour("#84b860"), 0.64, 1), 0.64 + 0 * c.x - c.y, 0.12)
    row = c.row(0.5)
    bed = ellipse(row.x, c.y - 0.68, 0.2, 0.05)
    c.paint(c.colour("#8a6448"), bed)
    flower = c.row(0.1)
    bloom = disc(flower.x, c.y - flower.roll(0.6, 0.66), 0.03)
    c.paint(c.colour("#5d9a55"), pillar(flower.x, c.y - 0.69, 0.008, 0.08).maximum(bed - 0.04))
    c.paint(flower.pick(("#e0607a", "#f0c04a", "#c47ad0", "#ee8a52")), bloom.maximum(bed - 0.08))


def draw_room(c: Canvas) -> None:
    """A papered wall, a wooden floor, window, picture and lamp in turns."""
    c.fill(c.colour("#e6cfb4", 0.05))
    row = c.row(0.46)
    window, lamp, picture = row.turns(3)
    frame = box(row.x, c.y - 0.32, 0.16, 0.2)
    c.cut(c.plain("#f7f2e8"), frame + window)
    c.paint(c.fade(c.plain("#8fc6e8"), c.plain("#d2eaf2"), 0.14, 0.5), frame + 0.025 + window)
    bars = together(row.x.abs() + 0 * c.y, (c.y - 0.32).abs() + 0 * row.x) - 0.01
    c.paint(c.plain("#f7f2e8"), bars.maximum(frame) + window)
    art = box(row.x, c.y - row.roll(0.26, 0.34), row.roll(0.09, 0.13), row.roll(0.09, 0.13))
    c.cut(c.plain("#8a5f3f"), art + picture)
    c.paint(row.pick(("#d98a6a", "#7fa58f", "#8a8fc0", "#e0b862")), art + 0.025 + picture)
    c.paint(c.fade(c.colour("#b98a5e"), c.colour("#a8794f"), 0.72, 1), 0.72 - c.y)
    c.paint(c.plain("#f4ece0"), (c.y - 0.715).abs() - 0.016 + 0 * c.x)
    c.paint(c.plain("#fff3c4"), disc(row.x, c.y - 0.34, 0.16) + lamp, 0.6, soft=0.2)
    c.paint(
        c.plain("#5d4a40"), together(pillar(row.x, c.y - 0.78, 0.01, 0.4), box(row.x, c.y - 0.785, 0.06, 0.012)) + lamp
    )
    shade = (row.x.abs() - 0.05 - 0.35 * (c.y - 0.27)).maximum((c.y - 0.34).abs() - 0.07)
    c.cut(row.pick(("#f9cf5c", "#f7c94a", "#fbd670")), shade + lamp)


def draw_stage(c: Canvas) -> None:
    """Red curtains in folds, a spotlight, a wooden floor."""
    folds = torch.cos(c.x * 2 * torch.pi / c.roll(0.13, 0.17) + c.roll(0, 6.3))
    red, shade = c.colour("#a3303a"), c.colour("#7c1f2f")
    c.fill((shade + (red - shade) * (0.5 + 0.5 * folds)[:, None]).expand_as(c.image))
    c.cut(c.fade(c.colour("#c08a58"), c.colour("#a8743f"), 0.74, 1), 0.74 - c.y)
    seam = c.row(0.22)
    c.paint(c.plain("#8a5c34"), (seam.x * (1 + 0 * c.y)).abs().sub(0.006).maximum(0.75 - c.y), 0.5)
    beam = c.row(0.8)
    cone = beam.x.abs() - 0.06 - 0.22 * c.y
    c.paint(c.plain("#ffeec2"), cone.maximum(c.y - 0.84), 0.32, soft=0.05)
    c.paint(c.plain("#ffeec2"), ellipse(beam.x, c.y - 0.85, 0.27, 0.06), 0.55)
    swag = c.row(0.3)
    c.cut(c.colour("#8e2633"), together(c.y - 0.08, ellipse(swag.x, c.y - 0.07, 0.15, 0.1)))
    c.paint(c.colour("#dcae55"), (ellipse(swag.x, c.y - 0.07, 0.15, 0.1) + 0.008).abs() - 0.01 + (c.y < 0.08) * 9.0)
