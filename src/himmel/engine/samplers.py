"""Samplers: plain functions that carry noise to a clean sample along a velocity field.

Owns: the noise schedule and the solvers. Knows nothing of models, prompts, frames or guidance: a sampler
receives a callable, and whoever wants progress counts the calls of it.

Convention, everywhere in the engine (rectified flow, Liu et al. 2022, arXiv:2209.03003):
``x(level) = (1 - level) * clean + level * noise``, so ``dx/dlevel = velocity = noise - clean``.
Level 1 is pure noise, level 0 is clean; ``levels`` is 1-D, decreasing, and includes both ends.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from himmel.errors import BadRequest

# (x of any shape, level of shape (), the level that the step goes to) -> like x; most models need not know the last.
Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]
Sampler = Callable[[Velocity, Tensor, Tensor], Tensor]  # (velocity, x at levels[0], levels) -> x at levels[-1]


def schedule(steps: int, shift: float = 1.0) -> Tensor:
    """Noise levels of ``steps`` steps: float32 (steps + 1,), from exactly 1 down to exactly 0, on the CPU.

    ``shift`` above 1 spends more of the steps where there is much noise, as larger clips need
    (Esser et al. 2024, arXiv:2403.03206, section 5.3.2; the same shift as in flux).
    Raises BadRequest for less than one step or a shift that is not positive.
    """
    if steps < 1 or shift <= 0:
        raise BadRequest(f"steps {steps} with shift {shift} is not possible; allowed: steps from 1, shift above 0")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return (shift * even / (1 + (shift - 1) * even)).float()


def from_level(levels: Tensor, level: float) -> Tensor:
    """The part of a schedule (steps + 1,) from ``level`` on down, which begins with exactly it.

    Raises BadRequest for a level outside of 0 to 1, 0 left out.
    """
    if not 0 < level <= 1:
        raise BadRequest(f"a noise level of {level} is not possible; allowed: above 0, at most 1")
    return torch.cat([levels.new_tensor([level]), levels[levels < level]])


def euler(velocity: Velocity, x: Tensor, levels: Tensor) -> Tensor:
    """First order, one evaluation a step. x at ``levels[0]``, any shape; returns x at ``levels[-1]``.

    With a velocity that is the mean one of the step (Turbo), no step is too long.
    """
    for level, following in pairwise(levels):
        x = x + (following - level) * velocity(x, level, following)
    return x


def heun(velocity: Velocity, x: Tensor, levels: Tensor) -> Tensor:
    """Second order, two evaluations a step, but one in the last.

    As in Karras et al. 2022 (arXiv:2206.00364, algorithm 1), the last step is Euler's: level 0 is where
    frames are known, and a model is never asked for its velocity there.
    """
    for level, following in pairwise(levels):
        slope = velocity(x, level, following)
        ahead = x + (following - level) * slope
        if following == levels[-1]:
            return ahead
        x = x + (following - level) * (slope + velocity(ahead, following, following)) / 2
    return x


def multistep(velocity: Velocity, x: Tensor, levels: Tensor) -> Tensor:
    """Second order, one evaluation a step: Adams and Bashforth's two-step method for uneven steps.

    Continues the slope's change over the step before. The first step has none before it and is Euler's.
    (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, section III.5.)
    """
    before: tuple[Tensor, Tensor] | None = None  # slope and length of the step before
    for level, following in pairwise(levels):
        slope, length = velocity(x, level, following), following - level
        change = torch.zeros_like(slope) if before is None else (slope - before[0]) / before[1]
        x = x + length * (slope + length / 2 * change)
        before = slope, length
    return x


SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "multistep": multistep}


def sampler_named(name: str) -> Sampler:
    """The sampler of this name; raises BadRequest that names the known ones."""
    if name not in SAMPLERS:
        raise BadRequest(f"unknown sampler '{name}'; allowed: {', '.join(SAMPLERS)}")
    return SAMPLERS[name]
