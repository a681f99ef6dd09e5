"""Classifier-free guidance: steering away from what the model would do without the prompt.

Owns: the combination of two velocities. Knows nothing of models, text or samplers.
Method: Ho and Salimans 2022, Classifier-free diffusion guidance, arXiv:2207.12598, in the form of velocities.
"""

from __future__ import annotations

import torch
from torch import Tensor

from himmel.engine.samplers import Velocity


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """``unconditional + scale * (conditional - unconditional)``; all of one shape.

    Scale 1 is the conditional velocity alone, 0 the unconditional; above 1 the prompt weighs more.
    """
    return unconditional + scale * (conditional - unconditional)


def guided(both: Velocity, scale: float) -> Velocity:
    """A velocity with guidance, as samplers take it.

    ``both`` receives x twice along axis 0, (2B, ...), and answers (2B, ...): the first half with the prompt, the
    second with the negative or the empty one; one call of a doubled batch is quicker than two calls. At scale 1
    it is returned as it is, receives x (B, ...) and needs no second half.
    """
    if scale == 1:
        return both

    def velocity(x: Tensor, level: Tensor) -> Tensor:
        conditional, unconditional = both(torch.cat([x, x]), level).chunk(2)
        return guide(conditional, unconditional, scale)

    return velocity
