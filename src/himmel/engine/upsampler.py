"""The upsampler: frames at four times their height and width, with the edges that a scaled picture lacks.

Owns: the network, its file, and enlarging a stream tile by tile in constant memory. Knows no sizes that people
ask for: four times it is, and what is nearer or farther is left to a plain filter.

A residual upon bicubic scaling. Convolutions work on the small picture and then on one of twice its size, and
sub-pixel shuffles make the rest (ESPCN, Shi et al. 2016), which is what makes it fast on a CPU. Each frame sees the
one before it, and nothing else of the past: it can even out flicker, and no error builds up over a long clip.

Shape legend: N frames · h × w pixels of the small picture · t frames of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from himmel.engine.layers import ChannelNorm, Conv, ResBlock
from himmel.engine.model import load_part, save_part

FACTOR = 4
CALM = 0.35  # how much of a change too small to be seen as motion is let through in its first frame
SEEN = 8 / 255  # what is no longer small
TILE = 96  # side of a tile of the small picture; what is smaller is done whole, several frames at a time


@dataclass(frozen=True)
class UpsamplerConfig:
    """``width`` and ``depth`` of the blocks at the small picture's size, and the width of the one at twice of it."""

    width: int = 32
    depth: int = 4
    fine: int = 16

    @property
    def reach(self) -> int:
        """How many small pixels away a pixel can matter: two a block, two more for ends and finer layers, and one."""
        return 2 * self.depth + 4


class Upsampler(nn.Module):
    """Frames (N, 3, h, w) in 0 … 1 and the frames before them to (N, 3, 4h, 4w), not clamped."""

    def __init__(self, config: UpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.body = nn.Sequential(
            Conv(6, config.width),
            *(ResBlock(config.width) for _ in range(config.depth)),
            Conv(config.width, 4 * config.fine, 1),
            nn.PixelShuffle(2),
            ResBlock(config.fine),
            ChannelNorm(config.fine),
            Conv(config.fine, 12, zero=True),
            nn.PixelShuffle(2),
        )

    def forward(self, frames: Tensor, before: Tensor) -> Tensor:
        """A clip's first frame has itself before it."""
        scaled = F.interpolate(frames, scale_factor=FACTOR, mode="bicubic", align_corners=False)
        return scaled + 0.5 * self.body(torch.cat([frames, before], 1) * 2 - 1)

    @torch.inference_mode()
    def stream(self, chunks: Iterable[Tensor], tile: int = TILE) -> Iterator[Tensor]:
        """Enlarge chunks (t, 3, h, w) as they come, to (n, 3, 4h, 4w) in 0 … 1, n being as many as make a tile.

        Remembers one small frame. Works on squares of ``tile`` small pixels with a margin as wide as the network's
        reach, so that tiles do not show: every ``tile`` gives the same picture, but for the rounding of floats, and
        what is taken beside one large frame does not grow with the picture.
        """
        last: Tensor | None = None
        for chunk in chunks:
            chunk = calmed(chunk, last)
            before = torch.cat([chunk[:1] if last is None else last, chunk[:-1]])
            last = chunk[-1:]
            at_once = max(1, tile**2 // (chunk.shape[-2] * chunk.shape[-1]))
            for frames, past in zip(chunk.split(at_once), before.split(at_once), strict=True):
                yield self._enlarged(frames, past, tile)

    def _enlarged(self, frames: Tensor, before: Tensor, tile: int) -> Tensor:
        height, width = frames.shape[-2:]
        picture = frames.new_empty(len(frames), 3, FACTOR * height, FACTOR * width)
        for rows in _spans(height, tile, self.config.reach):
            for columns in _spans(width, tile, self.config.reach):
                seen = (..., rows.seen, columns.seen)
                made = self(frames[seen], before[seen]).clamp_(0, 1)
                picture[..., rows.large, columns.large] = made[..., rows.kept, columns.kept]
        return picture


def calmed(frames: Tensor, last: Tensor | None) -> Tensor:
    """Frames (t, 3, h, w) without the trembling of what stands still; ``last`` (1, 3, h, w) was calmed before them.

    A recursive filter that follows a pixel the faster the more its surroundings change: flicker of a level or two
    is smoothed over some frames, and motion passes as it is.
    """
    followed = [frames[:1] if last is None else last]
    for frame in frames.split(1):
        change = frame - followed[-1]
        around = F.avg_pool2d(change.abs().amax(1, keepdim=True), 3, 1, 1, count_include_pad=False)
        followed.append(followed[-1] + change * (CALM + (1 - CALM) * (around / SEEN).clamp(max=1)))
    return torch.cat(followed[1:])


@dataclass(frozen=True)
class _Span:
    """One way through a tile: what the network sees of the small picture, and what of its answer goes where."""

    seen: slice
    kept: slice
    large: slice


def _spans(length: int, tile: int, margin: int) -> Iterator[_Span]:
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        first = max(0, start - margin)
        yield _Span(
            slice(first, min(stop + margin, length)),
            slice(FACTOR * (start - first), FACTOR * (stop - first)),
            slice(FACTOR * start, FACTOR * stop),
        )


def load_upsampler(path: Path) -> Upsampler:
    """Read an upsampler, ready for use on the CPU. Raises BadCheckpoint."""
    return load_part(path, "upsampler", Upsampler, UpsamplerConfig).eval().requires_grad_(False)


def save_upsampler(path: Path, upsampler: Upsampler, licence: str, training: Mapping[str, Any]) -> None:
    """Write an upsampler at half precision, with what it learned from in the header. Raises CannotWrite."""
    save_part(path, "upsampler", upsampler, upsampler.config, licence, training)
