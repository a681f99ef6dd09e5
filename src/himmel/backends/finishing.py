"""From what a model makes to what was asked for: rate first, while frames are small, then size.

Owns: which way a picture grows. Frames are uint8 arrays (n, H, W, 3), RGB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from himmel.engine.interpolator import Interpolator
from himmel.engine.upsampler import Upsampler
from himmel.media.scaling import blend, change_rate, resize_frames
from himmel.spec import Size


def finished(
    chunks: Iterable[np.ndarray],
    *,
    native_fps: int,
    fps: int,
    count: int,
    size: Size,
    upsampler: Upsampler | None = None,
    interpolator: Interpolator | None = None,
) -> Iterator[np.ndarray]:
    """``count`` frames of this size and rate out of native ones, as they come.

    Without an upsampler pictures grow by Lanczos; without an interpolator frames between two are their mixture.
    Memory depends on neither length nor, but for the frames of one chunk, on size.
    """
    between = interpolator.between if interpolator else blend
    timed = change_rate(chunks, native_fps=native_fps, fps=fps, count=count, between=between)
    return enlarged(timed, size, upsampler) if upsampler else (resize_frames(chunk, size) for chunk in timed)


def enlarged(chunks: Iterable[np.ndarray], size: Size, upsampler: Upsampler) -> Iterator[np.ndarray]:
    """Frames that fill ``size``, as :func:`himmel.media.scaling.resize_frames` makes them, but with clean edges.

    The upsampler makes four times the size, and Lanczos the rest, up or down; pictures that shall not grow are left
    to Lanczos alone. What the new shape cuts off is not enlarged.
    """
    stream = iter(chunks)
    for first in stream:
        frames = chain([first], stream)
        if first.shape[1] >= size.height and first.shape[2] >= size.width:
            yield from (resize_frames(chunk, size) for chunk in frames)
        else:
            device = next(upsampler.parameters()).device
            small = (_to_pixels(_trimmed(chunk, size), device) for chunk in frames)
            yield from (resize_frames(_to_bytes(large), size) for large in upsampler.stream(small))


def _trimmed(frames: np.ndarray, size: Size) -> np.ndarray:
    """The middle of the frames, of about the new shape: never less than will be seen, evenly cut on both sides."""
    height, width = frames.shape[1:3]
    rows = min(height, math.ceil(width * size.height / size.width))
    columns = min(width, math.ceil(height * size.width / size.height))
    top, left = (height - rows) // 2, (width - columns) // 2
    return frames[:, top : height - top, left : width - left]


def _to_pixels(frames: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).to(device).permute(0, 3, 1, 2).float() / 255


def _to_bytes(pixels: Tensor) -> np.ndarray:
    return np.asarray((pixels * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
