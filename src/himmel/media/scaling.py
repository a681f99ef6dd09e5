"""Making frames fit: other sizes, other frame rates.

Owns: filling another size (Lanczos) by scaling and cropping or by stretching, and the frames around a moment.
Frames are uint8 arrays (H, W, 3), RGB. Knows nothing of models and files, and no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from himmel.spec import Size

T = TypeVar("T")


def crop_to(picture: np.ndarray, size: Size) -> np.ndarray:
    """Scale one uint8 (h, w, 3) with Lanczos until it fills ``size``, and cut off evenly what hangs over."""
    if picture.shape[:2] == (size.height, size.width):
        return picture
    target = (size.width, size.height)
    return np.asarray(ImageOps.fit(Image.fromarray(picture), target, Image.Resampling.LANCZOS))


def stretch_to(picture: np.ndarray, size: Size) -> np.ndarray:
    """Scale one uint8 (h, w, 3) with Lanczos to ``size``, all of it, whatever becomes of its proportions."""
    if picture.shape[:2] == (size.height, size.width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size.width, size.height), Image.Resampling.LANCZOS))


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
