"""The small layers that autoencoder, text encoder and transformer are made of.

Owns: normalisation, convolutions kept as matrices, feed-forward, rotary embedding, level embedding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Module):
    """A 2-D convolution whose kernel is stored as a matrix (out, in · k · k).

    The matrix form is what Muon, the optimiser we train with, works on. ``same`` padding.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, *, zero: bool = False) -> None:
        super().__init__()
        self.kernel = (channels_out, channels_in, kernel, kernel)
        bound = 0.0 if zero else (channels_in * kernel * kernel) ** -0.5
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in * kernel * kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        # Channels last is a fifth faster on the CPUs that we measured.
        weight = self.weight.view(self.kernel).contiguous(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, self.bias, padding=self.kernel[-1] // 2)


class ChannelNorm(nn.Module):
    """RMS normalisation over the channels of (B, C, H, W), per pixel (Zhang & Sennrich 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)
        return x * scale * self.gain[:, None, None]


class ResBlock(nn.Module):
    """Normalise, convolve, SiLU, convolve, add; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.spread = Conv(channels, channels)
        self.gather = Conv(channels, channels, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gather(F.silu(self.spread(self.norm(x))))


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020); the last matrix starts at zero."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.value = nn.Linear(width, hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.silu(self.gate(x)) * self.value(x))


def attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of (B, heads, L, d) tensors; ``mask`` is true where a query may look.

    Trained on a CPU it is written out: torch's fused kernel needs a quarter of a training step for its way back.
    """
    if queries.device.type != "cpu" or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.float().softmax(-1).to(values.dtype) @ values


def rms_norm(x: Tensor) -> Tensor:
    """RMS normalisation over the last axis without a gain; the modulation or projection after it has one."""
    return F.rms_norm(x, (x.shape[-1],), eps=1e-6)


def level_embedding(level: Tensor, width: int) -> Tensor:
    """Sinusoidal embedding of noise levels 0 … 1: (...,) to (..., width) (Ho et al. 2020)."""
    frequencies = torch.exp(torch.linspace(0, math.log(1000), width // 2, device=level.device))
    angles = level[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


def rotary_turns(times: Tensor, grid: tuple[int, int], head: int) -> Tensor:
    """Cosines and sines of a 3-D rotary embedding (Su et al. 2021, split over time, row, column as video models do).

    ``times`` (F,) are positions in latent frames; ``grid`` rows and columns of tokens. Half of the pairs turn
    with time, a quarter with the row, a quarter with the column. Returns (2, F · N, head / 2). They are computed once
    for all layers: a compiler that finds them in every layer computes them again for every head.
    """
    rows, columns = (torch.arange(n, device=times.device, dtype=torch.float32) for n in grid)
    pairs = head // 2
    quarter = pairs // 4

    def turn(position: Tensor, count: int, slowest: float) -> Tensor:
        return position[:, None] * slowest ** -(torch.arange(count, device=times.device) / count)

    time = turn(times.float(), pairs - 2 * quarter, 100.0)[:, None, None]
    row = turn(rows, quarter, 30.0)[None, :, None]
    column = turn(columns, quarter, 30.0)[None, None, :]
    full = (len(times), *grid, -1)
    angles = torch.cat([time.expand(full), row.expand(full), column.expand(full)], -1).flatten(0, 2)
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the pairs of (..., tokens, head) by cosines and sines (2, tokens, head / 2)."""
    first, second = x.chunk(2, -1)
    cos, sin = turns
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)
