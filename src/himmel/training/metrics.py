"""Figures: proportions with their uncertainty, distances between clips, flicker, signal to noise.

Owns: arithmetic on readings and pixels. Knows nothing of models, scenes and files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Proportion:
    """How often out of how many, with the 95 % interval of Wilson (1927), which holds for small numbers too."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound, 0 … 1."""
        if not self.of:
            return (0.0, 1.0)
        z, n, p = 1.959964, self.of, self.value
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (max(0.0, middle - half), min(1.0, middle + half))


def agreement(read: Sequence[str], true: Sequence[str]) -> Proportion:
    """How many answers are the true ones."""
    return Proportion(sum(a == b for a, b in zip(read, true, strict=True)), len(read))


def shuffled_agreement(read: Sequence[str], true: Sequence[str]) -> float:
    """The expected agreement with the truth of another clip, over all pairs of different clips.

    The control: a reader or a generator that ignores the prompt scores as much here as in ``agreement``.
    """
    pairs = len(read) * (len(read) - 1)
    if not pairs:
        return math.nan
    every = sum(a == b for a in read for b in true)
    return (every - sum(a == b for a, b in zip(read, true, strict=True))) / pairs


def psnr(clips: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each clip, (B,); both (B, ...) in 0 … 1."""
    error = (clips - reference).square().flatten(1).mean(1)
    return -10 * error.clamp(min=1e-10).log10()


def spread(embeddings: Tensor) -> tuple[float, float]:
    """Mean distances of embeddings (prompts, seeds, E): between seeds of one prompt, and between prompts."""
    prompts, seeds = embeddings.shape[:2]
    distances = torch.cdist(embeddings.flatten(0, 1), embeddings.flatten(0, 1))
    prompt = torch.arange(prompts).repeat_interleave(seeds)
    same = prompt[:, None] == prompt
    other_seed = same & ~torch.eye(prompts * seeds, dtype=torch.bool)
    return float(distances[other_seed].mean()), float(distances[~same].mean())


def flicker(clip: Tensor, x: float, y: float, half: float) -> float:
    """Mean absolute change from frame to frame outside a square, in 8-bit levels; of a still scene it is noise.

    ``clip`` (T, 3, H, W) in 0 … 1; the square's centre and half side in units in which the frame spans -1 … 1.
    """
    height, width = clip.shape[-2:]
    rows = torch.linspace(-1, 1, height)[:, None]
    columns = torch.linspace(-1, 1, width)[None]
    outside = ((rows - y).abs() > half) | ((columns - x).abs() > half)
    change = clip.diff(dim=0).abs().mean((0, 1))
    return float(255 * change[outside].mean()) if outside.any() else math.nan


def seam(clip: Tensor, block: int) -> float:
    """How much more a clip changes where one block of latent frames ends and the next begins: 1 is no seam.

    ``clip`` (T, 3, H, W); the first frame is alone, then come blocks of ``block`` frames.
    """
    change = clip.diff(dim=0).abs().mean((1, 2, 3))
    border = torch.arange(len(change)) % block == 0
    return float(change[border].mean() / change[~border].mean().clamp(min=1e-6))
