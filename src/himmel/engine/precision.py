"""Narrower numbers for the networks that draw: bfloat16, put around a module from outside.

Owns: whether this machine's CPU gains by it, and the change itself. Knows no network.

Convolutions on a CPU with bfloat16 instructions take about half the time, sums are still kept in 32 bits. It is for
networks that end in a picture (decoder, upsampler): their error is below that of eight bits. Where errors are carried
on from step to step, as in the transformer, it is not worth it (docs/performance.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 itself. Where it does not, bfloat16 is slower than 32 bits."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def narrow(module: nn.Module) -> None:
    """Let a module compute in bfloat16; its first argument and its first result stay float32 for whoever calls it.

    What else goes in and out (a decoder's memory) is left as the module made it.
    """
    module.to(torch.bfloat16)
    module.register_forward_pre_hook(_narrowed)
    module.register_forward_hook(_widened)


def _narrowed(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return (given[0].to(torch.bfloat16), *given[1:])


def _widened(_: nn.Module, given: tuple[Any, ...], made: Tensor | tuple[Any, ...]) -> Tensor | tuple[Any, ...]:
    return made.float() if isinstance(made, Tensor) else (made[0].float(), *made[1:])
