"""Making frames fit: other sizes, other frame rates.

Owns: filling another size (Lanczos) by scaling and cropping or by stretching, and changing the frame rate of a stream.
Frames are uint8 arrays (n, H, W, 3), RGB. Knows nothing of models and files, and no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from himmel.spec import Size

T = TypeVar("T")


def resize_frames(frames: np.ndarray, size: Size) -> np.ndarray:
    """Make uint8 (n, h, w, 3) fill uint8 (n, H, W, 3), see :func:`crop_to`; nothing is ever stretched."""
    if frames.shape[1:3] == (size.height, size.width):
        return frames
    return np.stack([crop_to(frame, size) for frame in frames])


def crop_to(picture: np.ndarray, size: Size) -> np.ndarray:
    """Scale one uint8 (h, w, 3) with Lanczos until it fills ``size``, and cut off evenly what hangs over."""
    target = (size.width, size.height)
    return np.asarray(ImageOps.fit(Image.fromarray(picture), target, Image.Resampling.LANCZOS))


def stretch_to(picture: np.ndarray, size: Size) -> np.ndarray:
    """Scale one uint8 (h, w, 3) with Lanczos to ``size``, all of it, whatever becomes of its proportions."""
    if picture.shape[:2] == (size.height, size.width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size.width, size.height), Image.Resampling.LANCZOS))


def change_rate(chunks: Iterable[np.ndarray], *, native_fps: int, fps: int, count: int) -> Iterator[np.ndarray]:
    """Re-time a stream: ``count`` frames at ``fps`` out of chunks (n, H, W, 3) at ``native_fps``, as they come.

    Frame ``i`` shows the moment ``i / fps``, blended linearly of the two frames around it; after the last frame
    the picture stands still. Holds two frames beside the current chunk. Equal rates pass frames unchanged.
    Yields (1, H, W, 3).
    """
    numbered = ((float(index), frame) for index, frame in enumerate(frame for chunk in chunks for frame in chunk))
    for before, after, weight in between(numbered, (made * native_fps / fps for made in range(count))):
        yield blend(before, after, weight)[None]


def between(timed: Iterable[tuple[float, T]], moments: Iterable[float]) -> Iterator[tuple[T, T, float]]:
    """For every moment the two things around it, and how far (0 to 1) it lies from the first to the second.

    Times and moments rise and share a unit. Before the first and after the last thing there is only that one, twice,
    with 0. Takes from ``timed`` no more than the moments need, and holds two.
    """
    waiting = iter(moments)
    due = next(waiting, None)
    earlier: tuple[float, T] | None = None
    for time, thing in timed if due is not None else ():
        while due is not None and due <= time:
            if earlier is None:
                yield thing, thing, 0.0
            else:
                yield earlier[1], thing, (due - earlier[0]) / (time - earlier[0])
            due = next(waiting, None)
        if due is None:
            return
        earlier = (time, thing)
    while earlier is not None and due is not None:
        yield earlier[1], earlier[1], 0.0
        due = next(waiting, None)


def blend(before: np.ndarray, after: np.ndarray, weight: float) -> np.ndarray:
    """Two uint8 frames as one: ``weight`` 0 gives the frame before, 1 the frame after, exactly."""
    if weight in (0.0, 1.0):
        return after if weight else before
    mixed = before.astype(np.float32) * (1 - weight) + after.astype(np.float32) * weight
    return np.rint(mixed).astype(np.uint8)
