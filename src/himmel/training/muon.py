"""Muon for graphics cards: matrices of one shape are made orthogonal together.

Owns: this one optimiser. Source: Muon (Jordan et al. 2024) as ``torch.optim.Muon`` has it, which takes one matrix
after the other: some two thousand small kernels a step, for which a card waits longer than it computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class GroupedMuon(torch.optim.Muon):
    """The same steps as ``torch.optim.Muon`` but for rounding, and the same state."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all matrices that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            learned = [p for p in group["params"] if p.grad is not None]
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in learned:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                self._advance(parameters, shape, group)

    def _advance(self, parameters: list[Tensor], shape: torch.Size, group: dict[str, Any]) -> None:
        grads = [p.grad for p in parameters if p.grad is not None]
        memories = [self._memory(p) for p in parameters]
        torch._foreach_lerp_(memories, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, memories, group["momentum"]) if group["nesterov"] else memories
        updates = orthogonal(torch.stack(list(ahead)), group["ns_coefficients"], group["ns_steps"], group["eps"])
        rate = group["lr"] * _per_shape(group["adjust_lr_fn"], *shape)
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, list(updates.to(parameters[0].dtype).unbind()), alpha=-rate)

    def _memory(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        memory: Tensor = state["momentum_buffer"]
        return memory


def flops_of_orthogonal(rows: int, columns: int, steps: int = 5) -> float:
    """Floating-point operations of ``orthogonal`` for one matrix."""
    short, long = sorted((rows, columns))
    return steps * (4.0 * short**2 * long + 2 * short**3)


def orthogonal(matrices: Tensor, coefficients: Iterable[float], steps: int, eps: float) -> Tensor:
    """The nearest orthogonal matrices of (n, rows, columns), nearly: Newton and Schulz's iteration in bfloat16."""
    a, b, c = coefficients
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _per_shape(rule: str | None, rows: int, columns: int) -> float:
    """The factor on the learning rate for a matrix of this shape."""
    return 0.2 * math.sqrt(max(rows, columns)) if rule == "match_rms_adamw" else math.sqrt(max(1, rows / columns))
