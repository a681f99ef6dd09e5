"""How cut-outs move: each motion is a function from seconds to an offset from the resting pose.

Owns: trajectories and their easing. Knows nothing of scenes, sprites or pixels.

Units: lengths in half frame heights (the frame spans -1 … 1, y grows downwards), angles in radians
(clockwise on screen), time in seconds. One-way motions take ``course`` seconds and then rest; periodic
ones go on for ever, so that a clip of any length is true to its caption.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# Usual seconds of one period; all others go their course once and then rest.
PERIOD_OF = {
    "jump": 1.2,
    "spin": 2.6,
    "rock": 1.6,
    "circle": 2.8,
    "zigzag": 1.3,
    "flip": 2.4,
    "bounce": 0.9,
    "shake": 0.33,
    "pulse": 1.1,
}
# What a one-way motion changes, and in which direction.
COURSE_OF = {
    "go_right": ("x", 1),
    "go_left": ("x", -1),
    "zigzag": ("x", 1),
    "rise": ("y", -1),
    "fall": ("y", 1),
    "grow": ("scale", 1),
    "shrink": ("scale", -1),
}
LIFTING = ("jump", "bounce", "circle", "zigzag")  # those that go up and come back


@dataclass(frozen=True)
class Offset:
    """What a motion adds to the resting pose; every field has the shape of the time tensor.

    ``x``, ``y`` are added, ``scale`` and ``stretch_x``, ``stretch_y`` multiply, ``angle`` is added.
    """

    x: Tensor
    y: Tensor
    scale: Tensor
    angle: Tensor
    stretch_x: Tensor
    stretch_y: Tensor

    @classmethod
    def rest(cls, time: Tensor) -> Offset:
        """No motion at all."""
        return cls(
            x=torch.zeros_like(time),
            y=torch.zeros_like(time),
            scale=torch.ones_like(time),
            angle=torch.zeros_like(time),
            stretch_x=torch.ones_like(time),
            stretch_y=torch.ones_like(time),
        )

    def then(self, other: Offset) -> Offset:
        """Both motions together; how two steps of an event are joined."""
        return Offset(
            self.x + other.x,
            self.y + other.y,
            self.scale * other.scale,
            self.angle + other.angle,
            self.stretch_x * other.stretch_x,
            self.stretch_y * other.stretch_y,
        )


@dataclass(frozen=True)
class Pace:
    """How fast and how far, drawn per actor; every field has shape (actors, 1).

    ``course`` seconds of a one-way motion, ``period`` a factor on the period of periodic ones,
    ``reach`` a factor on all lengths (0 … 1.2), ``easing`` 0 for steady, 1 for ease-in-out,
    ``sign`` -1 or 1 where a direction is free.
    """

    course: Tensor
    period: Tensor
    reach: Tensor
    easing: Tensor
    sign: Tensor

    def progress(self, time: Tensor) -> Tensor:
        """0 … 1 along the course, eased (smoothstep)."""
        u = (time / self.course).clamp(0, 1)
        return torch.lerp(u, u * u * (3 - 2 * u), self.easing)

    def cycles(self, time: Tensor, motion: str) -> Tensor:
        """Number of periods of a motion gone."""
        return time / (PERIOD_OF[motion] * self.period)


def _with(time: Tensor, **changes: Tensor) -> Offset:
    return Offset(**{**vars(Offset.rest(time)), **changes})


def stand(time: Tensor, pace: Pace) -> Offset:
    return Offset.rest(time)


def go_right(time: Tensor, pace: Pace) -> Offset:
    return _with(time, x=1.1 * pace.reach * (pace.progress(time) - 0.5))


def go_left(time: Tensor, pace: Pace) -> Offset:
    return _with(time, x=-1.1 * pace.reach * (pace.progress(time) - 0.5))


def jump(time: Tensor, pace: Pace) -> Offset:
    u = pace.cycles(time, "jump").remainder(1)
    return _with(time, y=-0.55 * pace.reach * 4 * u * (1 - u))


def spin(time: Tensor, pace: Pace) -> Offset:
    return _with(time, angle=2 * math.pi * pace.sign * pace.cycles(time, "spin"))


def grow(time: Tensor, pace: Pace) -> Offset:
    return _with(time, scale=0.6 + 0.85 * pace.progress(time))


def shrink(time: Tensor, pace: Pace) -> Offset:
    return _with(time, scale=1.45 - 0.85 * pace.progress(time))


def rise(time: Tensor, pace: Pace) -> Offset:
    return _with(time, y=-0.65 * pace.reach * pace.progress(time))


def fall(time: Tensor, pace: Pace) -> Offset:
    # Gravity has its own easing: slow, then fast, then rest on the ground.
    u = (time / pace.course).clamp(0, 1)
    return _with(time, y=-0.65 * pace.reach * (1 - torch.lerp(u, u * u, pace.easing)))


def rock(time: Tensor, pace: Pace) -> Offset:
    swing = torch.sin(2 * math.pi * pace.cycles(time, "rock"))
    return _with(time, angle=0.42 * pace.sign * swing, x=0.1 * pace.sign * swing)


def circle(time: Tensor, pace: Pace) -> Offset:
    turn = 2 * math.pi * pace.sign * pace.cycles(time, "circle")
    radius = 0.34 * pace.reach
    return _with(time, x=radius * torch.sin(turn), y=radius * (torch.cos(turn) - 1))


def zigzag(time: Tensor, pace: Pace) -> Offset:
    u = pace.cycles(time, "zigzag").remainder(1)
    tooth = 1 - (2 * u - 1).abs()
    return _with(time, x=1.1 * pace.reach * (pace.progress(time) - 0.5), y=-0.4 * pace.reach * tooth)


def flip(time: Tensor, pace: Pace) -> Offset:
    return _with(time, stretch_x=torch.cos(2 * math.pi * pace.cycles(time, "flip")))


def bounce(time: Tensor, pace: Pace) -> Offset:
    # Squash at the ground, a fifth of the time, then fly: the classic rule of drawn animation.
    u = pace.cycles(time, "bounce").remainder(1)
    squash = 0.25 * torch.sin(math.pi * (u / 0.2).clamp(max=1))
    flight = ((u - 0.2) / 0.8).clamp(min=0)
    return _with(time, y=-1.6 * pace.reach * flight * (1 - flight), stretch_x=1 + squash, stretch_y=1 - squash)


def shake(time: Tensor, pace: Pace) -> Offset:
    return _with(time, x=0.07 * torch.sin(2 * math.pi * pace.cycles(time, "shake")))


def pulse(time: Tensor, pace: Pace) -> Offset:
    return _with(time, scale=1 + 0.22 * torch.sin(2 * math.pi * pace.cycles(time, "pulse")))


Motion = Callable[[Tensor, Pace], Offset]
MOTION_OF: dict[str, Motion] = {
    motion.__name__: motion
    for motion in (
        stand,
        go_right,
        go_left,
        jump,
        spin,
        grow,
        shrink,
        rise,
        fall,
        rock,
        circle,
        zigzag,
        flip,
        bounce,
        shake,
        pulse,
    )
}


def offsets(steps: list[tuple[str, ...]], time: Tensor, pace: Pace, turn: Tensor) -> Offset:
    """Offsets of many actors at once.

    ``steps`` holds one or two motion keys per actor; ``time`` (frames,) seconds; ``turn`` (actors, 1) the
    second at which a two-step actor changes over. Returns fields of shape (actors, frames).
    """
    total = Offset.rest(time.repeat(len(steps), 1))
    for step in sorted(set(steps)):
        rows = torch.tensor([i for i, other in enumerate(steps) if other == step])
        own = Pace(**{k: v[rows] for k, v in vars(pace).items()})
        if len(step) == 1:
            part = MOTION_OF[step[0]](time.expand(len(rows), -1), own)
        else:
            part = _event((step[0], step[1]), time, own, turn[rows])
        for name, value in vars(part).items():
            getattr(total, name)[rows] = value
    return total


def _event(step: tuple[str, str], time: Tensor, pace: Pace, turn: Tensor) -> Offset:
    """Two motions one after the other; each ends where it rests, so that nobody spins hanging in the air."""
    (axis, way), (other_axis, other_way) = (COURSE_OF.get(key, ("", 0)) for key in step)
    again = axis == other_axis != ""
    stacked = (step[0] == "rise" and step[1] in LIFTING) or (step[0] in LIFTING and step[1] == "fall")
    if stacked or (again and way == other_way):  # up and then on, right and then on: half the way each
        pace = replace(pace, reach=pace.reach / 2)
    clocks = torch.minimum(time, turn), (time - turn).clamp(min=0)
    first, second = (
        MOTION_OF[key](clock, _in_whole_periods(pace, key, turn)) for key, clock in zip(step, clocks, strict=True)
    )
    if again and way != other_way:  # there and back: the second begins where the first has led
        begun = MOTION_OF[step[1]](torch.zeros_like(turn), pace)
        second = replace(second, x=second.x - begun.x, y=second.y - begun.y, scale=second.scale / begun.scale)
    return first.then(second)


def _in_whole_periods(pace: Pace, key: str, turn: Tensor) -> Pace:
    """The pace at which a periodic motion goes through whole periods in ``turn`` seconds."""
    if key not in PERIOD_OF:
        return pace
    periods = (turn / PERIOD_OF[key]).round().clamp(min=1)
    return replace(pace, period=turn / (PERIOD_OF[key] * periods))
