"""What falls between the actors and the viewer: rain and snow, as an overlay.

Owns: the look and the motion of weather. Knows nothing of scenes, sets and light.

Everything moves in closed form of time, so any frame can be drawn without the one before it.

Shapes: B clips, T frames, H rows, W columns. Lengths are in frame heights, times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from himmel.errors import BadRequest


@dataclass(frozen=True)
class _Sheet:
    """One depth of falling things: columns with one thing in every ``period`` of their height."""

    spacing: float  # between columns
    period: float  # between things in a column
    speed: float  # heights a second
    radius: float
    length: float  # of the streak; 0 is a dot
    slant: float  # to the left for every height fallen
    sway: float  # to and fro, in heights
    opacity: float


@dataclass(frozen=True)
class _Weather:
    air: tuple[float, float, float]  # what it makes the whole picture look like
    veil: float  # and how much
    colour: tuple[float, float, float]  # of what falls
    sheets: tuple[_Sheet, ...]


_WEATHERS = {
    "clear": _Weather((0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), ()),
    "rain": _Weather(
        (0.50, 0.57, 0.67), 0.2, (0.86, 0.93, 1.0), (_Sheet(0.17, 0.60, 1.5, 0.009, 0.15, 0.2, 0.0, 0.72),)
    ),
    "snowfall": _Weather(
        (0.88, 0.91, 0.95),
        0.12,
        (1.0, 1.0, 1.0),
        (
            _Sheet(0.26, 0.36, 0.30, 0.021, 0.0, 0.0, 0.035, 1.0),
            _Sheet(0.19, 0.31, 0.20, 0.013, 0.0, 0.0, 0.022, 0.85),
        ),
    ),
}


def draw_weather(
    kind: str,
    seeds: Sequence[int],
    frames: int,
    height: int,
    width: int,
    fps: float,
    start: int = 0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw one kind of WEATHERS once per seed, from frame number ``start`` on.

    Returns (B, T, 4, H, W), float32 from 0 to 1: red, green, blue and coverage, to be laid over a picture as
    ``picture * (1 - coverage) + colour * coverage``. The same seed gives the same weather in any batch, and
    frame ``n`` is the same whatever ``start`` is. "clear" covers nothing. Raises BadRequest for another kind.
    """
    if kind not in _WEATHERS:
        raise BadRequest(f"unknown weather '{kind}'; known: {', '.join(_WEATHERS)}")
    weather = _WEATHERS[kind]
    x = ((torch.arange(width, device=device) + 0.5) / height).view(1, 1, 1, width)
    y = ((torch.arange(height, device=device) + 0.5) / height).view(1, 1, height, 1)
    time = (torch.arange(start, start + frames, device=device) / fps).view(1, frames, 1, 1)
    falling = torch.zeros(len(seeds), frames, height, width, device=device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for sheet in weather.sheets:
        columns = math.ceil((width / height + sheet.slant + 2 * sheet.sway) / sheet.spacing) + 2
        dice = [torch.rand(2, columns, generator=generator) for generator in generators]
        table = torch.stack(dice).to(device) if dice else torch.zeros(0, 2, columns, device=device)
        falling = torch.maximum(falling, _sheet(sheet, table, x, y, time, 1 / height))
    layer = torch.empty(len(seeds), frames, 4, height, width, device=device)
    torch.add(falling, weather.veil * (1 - falling), out=layer[:, :, 3])
    for channel, (air, colour) in enumerate(zip(weather.air, weather.colour, strict=True)):
        torch.add(air * torch.ones_like(falling[:1, :1]), falling, alpha=colour - air, out=layer[:, :, channel])
    return layer


def _sheet(sheet: _Sheet, dice: Tensor, x: Tensor, y: Tensor, time: Tensor, pixel: float) -> Tensor:
    """Coverage (B, T, H, W) of one depth; ``dice`` (B, 2, columns) settles where things are in each column."""
    turn = 2 * math.pi * dice[:, 0, :1, None, None]  # every clip sways and stands a little differently
    across = x + sheet.spacing * dice[:, 1, :1, None, None]
    if sheet.slant:
        across = across + sheet.slant * y
    if sheet.sway:
        across = across + sheet.sway * (1 + torch.sin(2.2 * time + turn))
    column = (across / sheet.spacing).floor()
    phase, place = (_per_column(table, column) for table in dice.unbind(1))
    room = sheet.spacing / 2 - sheet.radius
    dx = across - (column + 0.5) * sheet.spacing - (2 * place - 1) * 0.6 * room
    # In place from here on: these are the only steps on every pixel of every frame.
    dy = phase + ((sheet.speed * time + 1 - y) / sheet.period)
    dy = dy.frac_().sub_(0.5).mul_(sheet.period)
    if sheet.length:
        dy = dy.abs_().sub_(sheet.length / 2).clamp_(min=0)
    reach = (sheet.radius + 0.8 * pixel) ** 2
    gain = 1.5 * sheet.opacity / reach
    return dy.square_().add_(dx * dx).mul_(-gain).add_(gain * reach).clamp_(0, sheet.opacity)


def _per_column(table: Tensor, column: Tensor) -> Tensor:
    """Look up (B, columns) by column numbers (B, T or 1, H or 1, W), numbers in their shape."""
    numbers = column.long().clamp_(0, table.shape[1] - 1)
    return table.gather(1, numbers.flatten(1)).view(numbers.shape)
