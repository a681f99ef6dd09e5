"""Frames as what pages show without a player: animated WebP and GIF.

Owns: their sizes, timing and colours. Frames are uint8 arrays (n, H, W, 3), RGB. Knows nothing of models, and no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from himmel.errors import BadRequest
from himmel.media.output_file import disk_errors, new_file

WEBP_QUALITY = 80
GIF_FPS = 50  # the fastest that browsers play
GIF_COLOURS = 255  # the last of 256 stays free for "as it was"
SAMPLES = 24  # frames that a clip's palette is made of
DITHER = 12  # steps of 255 from the pattern's lowest to its highest


def write_animation(path: Path, chunks: Iterable[np.ndarray], *, fps: int, width: int | None = None) -> int:
    """Write an animated ``.webp`` or ``.gif`` that loops; the name says which. Returns the number of frames.

    ``width`` in pixels makes it smaller, never larger. The frames of a GIF share one palette and a pattern of
    dithering that stands still, so that what does not move does not flicker. For short clips: the frames are held in
    memory at the size that they are written. Raises BadRequest for another kind of file, a GIF of more than 50 frames
    a second; CannotWrite.
    """
    kind = path.suffix.lower()
    if kind not in (".webp", ".gif"):
        raise BadRequest(f"'{path}' is no animation's name; allowed: .webp, .gif")
    if kind == ".gif" and fps > GIF_FPS:
        raise BadRequest(f"a GIF plays at most {GIF_FPS} frames a second, not {fps}")
    pictures = [_smaller(frame, width) for chunk in chunks for frame in chunk]
    if not pictures:
        raise ValueError("an animation needs at least one frame")
    settings: dict[str, Any] = {"format": kind[1:].upper(), "save_all": True, "loop": 0}
    if kind == ".gif":
        pictures = _in_one_palette(pictures)
        settings["duration"] = _durations(len(pictures), fps, 10)
    else:
        settings |= {"duration": _durations(len(pictures), fps, 1), "quality": WEBP_QUALITY, "method": 4}
    with new_file(path) as part, disk_errors(path):
        pictures[0].save(part, append_images=pictures[1:], **settings)
    return len(pictures)


def _smaller(frame: np.ndarray, width: int | None) -> Image.Image:
    picture = Image.fromarray(frame)
    if width is None or width >= picture.width:
        return picture
    return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)


def _durations(count: int, fps: int, unit: int) -> list[int]:
    """Milliseconds for every frame, in multiples of ``unit``, without drift over the clip."""
    ends = [round(1000 * index / fps / unit) * unit for index in range(count + 1)]
    return [end - start for start, end in pairwise(ends)]


def _in_one_palette(pictures: list[Image.Image]) -> list[Image.Image]:
    """The pictures in at most 255 colours, the same for all, dithered by a pattern that stands still."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLES).round().astype(int))
    sample = Image.fromarray(np.concatenate([np.asarray(pictures[index]) for index in chosen]))
    # Maximum coverage: median cut spends its colours on large areas and loses the small bright thing in them.
    palette = sample.quantize(GIF_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    pattern = _pattern(*pictures[0].size)
    return [
        Image.fromarray((np.asarray(picture) + pattern).clip(0, 255).astype(np.uint8)).quantize(
            palette=palette, dither=Image.Dither.NONE
        )
        for picture in pictures
    ]


def _pattern(width: int, height: int) -> np.ndarray:
    """Bayer's ordered dithering (1973), 8 by 8, tiled: int16 (height, width, 1), centred on zero."""
    cell = np.zeros((1, 1))
    for _ in range(3):
        cell = np.block([[4 * cell, 4 * cell + 2], [4 * cell + 3, 4 * cell + 1]])
    steps = np.rint(((cell + 0.5) / 64 - 0.5) * DITHER).astype(np.int16)
    return np.tile(steps, (-(-height // 8), -(-width // 8)))[:height, :width, None]
