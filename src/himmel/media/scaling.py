"""Making frames fit: other sizes, other frame rates.

Owns: filling another size (Lanczos) by scaling and cropping, and changing the frame rate of a stream.
Frames are uint8 arrays (n, H, W, 3), RGB. Knows nothing of models and files, and no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from PIL import Image, ImageOps

from himmel.spec import Size


def resize_frames(frames: np.ndarray, size: Size) -> np.ndarray:
    """Make uint8 (n, h, w, 3) fill uint8 (n, H, W, 3), see :func:`crop_to`; nothing is ever stretched."""
    if frames.shape[1:3] == (size.height, size.width):
        return frames
    return np.stack([crop_to(frame, size) for frame in frames])


def crop_to(picture: np.ndarray, size: Size) -> np.ndarray:
    """Scale one uint8 (h, w, 3) with Lanczos until it fills ``size``, and cut off evenly what hangs over."""
    target = (size.width, size.height)
    return np.asarray(ImageOps.fit(Image.fromarray(picture), target, Image.Resampling.LANCZOS))


def blend(before: np.ndarray, after: np.ndarray, moment: float) -> np.ndarray:
    """The linear mixture of two frames: ``moment`` 0 gives the one before, 1 the one after."""
    mixed = before.astype(np.float32) * (1 - moment) + after.astype(np.float32) * moment
    return np.rint(mixed).astype(np.uint8)


def change_rate(
    chunks: Iterable[np.ndarray],
    *,
    native_fps: int,
    fps: int,
    count: int,
    between: Callable[[np.ndarray, np.ndarray, float], np.ndarray] = blend,
) -> Iterator[np.ndarray]:
    """Re-time a stream: ``count`` frames at ``fps`` out of chunks (n, H, W, 3) at ``native_fps``, as they come.

    Frame ``i`` shows the moment ``i / fps``, which ``between`` makes of the two frames around it where it falls on
    neither; after the last frame the picture stands still. Holds two frames beside the current chunk. Equal rates
    pass frames unchanged.
    """
    made = 0
    before: np.ndarray | None = None
    for index, frame in enumerate(frame for chunk in chunks for frame in chunk):
        due = []
        while made < count and made * native_fps <= index * fps:
            moment = made * native_fps / fps - index + 1
            due.append(frame if before is None or moment == 1 else between(before, frame, moment))
            made += 1
        if due:
            yield np.stack(due)
        if made == count:
            return
        before = frame
    if before is not None and made < count:
        yield np.repeat(before[None], count - made, axis=0)
