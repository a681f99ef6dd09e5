"""From what a model makes to what was asked for: rate first, while frames are small, then size.

Owns: which way a picture grows. Frames are uint8 arrays (H, W, 3), RGB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from himmel.engine.interpolator import Interpolator, load_interpolator
from himmel.engine.upsampler import Upsampler, load_upsampler
from himmel.media.scaling import between, blend, crop_to, stretch_to
from himmel.spec import Size

PARTS = ("upsampler", "interpolator")  # their files in a model's folder


@dataclass(frozen=True)
class Finishing:
    """How a model's frames grow: by its own networks where it has them, else by mixtures and Lanczos."""

    upsampler: Upsampler | None = None
    interpolator: Interpolator | None = None

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Finishing:
        """What a model's folder has of both. Raises BadCheckpoint."""
        up, across = (folder / f"{name}.safetensors" for name in PARTS)
        return cls(
            load_upsampler(up).to(device) if up.exists() else None,
            load_interpolator(across).to(device) if across.exists() else None,
        )

    def timed(self, frames: Iterable[tuple[float, np.ndarray]], moments: Iterable[float]) -> Iterator[np.ndarray]:
        """The frames (H, W, 3) at the moments, in the times' unit, as they come; between two frames one is made."""
        made = self.interpolator.between if self.interpolator else blend
        for before, after, share in between(frames, moments):
            yield made(before, after, share) if 0 < share < 1 else after if share else before

    def sized(self, frames: Iterable[np.ndarray], size: Size, *, stretched: bool = False) -> Iterator[np.ndarray]:
        """Frames (h, w, 3) that fill ``size``, cropped evenly, or ``stretched`` to it; (H, W, 3).

        The upsampler makes four times the size, and Lanczos the rest, up or down; pictures that shall not grow are left
        to Lanczos alone. What the new shape cuts off is not enlarged. Memory depends on neither length nor, but for one
        frame, on size.
        """
        fill = stretch_to if stretched else crop_to
        stream = iter(frames)
        for first in stream:
            small = chain([first], stream)
            if self.upsampler is None or (first.shape[0] >= size.height and first.shape[1] >= size.width):
                yield from (fill(frame, size) for frame in small)
            else:
                cut = (frame if stretched else _trimmed(frame, size) for frame in small)
                yield from (fill(frame, size) for frame in self._enlarged(cut, self.upsampler))

    def _enlarged(self, frames: Iterable[np.ndarray], upsampler: Upsampler) -> Iterator[np.ndarray]:
        device = next(upsampler.parameters()).device
        for large in upsampler.stream(_to_pixels(frame, device) for frame in frames):
            yield from _to_bytes(large)


def _trimmed(frame: np.ndarray, size: Size) -> np.ndarray:
    """The middle of a frame, of about the new shape: never less than will be seen, evenly cut on both sides."""
    height, width = frame.shape[:2]
    rows = min(height, math.ceil(width * size.height / size.width))
    columns = min(width, math.ceil(height * size.width / size.height))
    top, left = (height - rows) // 2, (width - columns) // 2
    return frame[top : height - top, left : width - left]


def _to_pixels(frame: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float() / 255


def _to_bytes(pixels: Tensor) -> np.ndarray:
    return np.asarray((pixels * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
