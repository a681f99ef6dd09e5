"""Classifier-free guidance: steering away from what the model would do without the prompt.

Owns: the combination of two velocities. Knows nothing of models, text or samplers.
Method: Ho and Salimans 2022, Classifier-free diffusion guidance, arXiv:2207.12598, in the form of velocities.
"""

from __future__ import annotations

from torch import Tensor


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """``unconditional + scale * (conditional - unconditional)``; all of one shape.

    Scale 1 is the conditional velocity alone, 0 the unconditional; above 1 the prompt weighs more.
    """
    return unconditional + scale * (conditional - unconditional)
