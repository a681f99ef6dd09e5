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
    colour: tuple[float, float, float]
    veil: float  # how much the whole picture takes of the colour
    sheets: tuple[_Sheet, ...]


_WEATHERS = {
    "clear": _Weather((0.0, 0.0, 0.0), 0.0, ()),
    "rain": _Weather(
        (0.66, 0.75, 0.86),
        0.22,
        (
            _Sheet(0.15, 0.62, 1.5, 0.011, 0.16, 0.22, 0.0, 0.7),
            _Sheet(0.12, 0.48, 1.1, 0.008, 0.10, 0.22, 0.0, 0.45),
        ),
    ),
    "snowfall": _Weather(
        (0.97, 0.98, 1.0),
        0.06,
        (
            _Sheet(0.24, 0.34, 0.30, 0.024, 0.0, 0.0, 0.035, 0.95),
            _Sheet(0.17, 0.27, 0.20, 0.016, 0.0, 0.0, 0.022, 0.8),
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
    layer = torch.empty(len(seeds), frames, 4, height, width, device=device)
    layer[:, :, :3] = torch.tensor(weather.colour, device=device)[:, None, None]
    layer[:, :, 3] = weather.veil
    x = ((torch.arange(width, device=device) + 0.5) / height).view(1, 1, 1, width)
    y = ((torch.arange(height, device=device) + 0.5) / height).view(1, 1, height, 1)
    time = (torch.arange(start, start + frames, device=device) / fps).view(1, frames, 1, 1)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for sheet in weather.sheets:
        columns = math.ceil((width / height + sheet.slant + 2 * sheet.sway) / sheet.spacing) + 2
        dice = [torch.rand(2, columns, generator=generator) for generator in generators]
        table = torch.stack(dice).to(device) if dice else torch.zeros(0, 2, columns, device=device)
        layer[:, :, 3] = torch.maximum(layer[:, :, 3], _sheet(sheet, table, x, y, time))
    return layer


def _sheet(sheet: _Sheet, dice: Tensor, x: Tensor, y: Tensor, time: Tensor) -> Tensor:
    """Coverage (B, T, H, W) of one depth; ``dice`` (B, 2, columns) settles where things are in each column."""
    turn = 2 * math.pi * dice[:, 0, :1, None, None]  # every clip sways and stands a little differently
    across = x + sheet.slant * y + sheet.spacing * dice[:, 1, :1, None, None]
    if sheet.sway:
        across = across + sheet.sway * (1 + torch.sin(2.2 * time + turn))
    column = (across / sheet.spacing).floor()
    phase, place = (_per_column(table, column) for table in dice.unbind(1))
    room = sheet.spacing / 2 - sheet.radius
    dx = across - (column + 0.5) * sheet.spacing - (2 * place - 1) * 0.6 * room
    fallen = (y - sheet.speed * time) / sheet.period + phase
    dy = (fallen - fallen.floor() - 0.5) * sheet.period
    if sheet.length:
        dy = (dy.abs() - sheet.length / 2).clamp(min=0)
    pixel = y[0, 0, 0, 0] * 2
    distance = torch.sqrt(dx * dx + dy * dy) - sheet.radius
    return (0.5 - distance / (1.4 * pixel)).clamp_(0, 1).mul_(sheet.opacity)


def _per_column(table: Tensor, column: Tensor) -> Tensor:
    """Look up (B, columns) by column numbers (B, T or 1, H or 1, W), numbers in their shape."""
    numbers = column.long().clamp_(0, table.shape[1] - 1)
    return table.gather(1, numbers.flatten(1)).view(numbers.shape)
