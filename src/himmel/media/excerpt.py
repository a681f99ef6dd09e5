"""One clip in another form: GIF, WebP, all frames as PNGs in a zip, one frame. Also as a process of its own:
``python -m himmel.media.excerpt KIND CLIP TARGET [NUMBER]``, so that a server decodes nothing itself.

Owns: what these forms are like, their sizes and rates. Knows no servers, no models, and no torch.
"""

from __future__ import annotations

import sys
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from himmel.errors import BadRequest, HimmelError
from himmel.media.animation import write_animation
from himmel.media.material import Material, look
from himmel.media.output_file import disk_errors, new_file
from himmel.media.video_io import iterate_frames
from himmel.spec import Size

KINDS = ("gif", "webp", "frames", "frame")
WIDEST = {"gif": 480, "webp": 720}  # pixels: what is larger is too heavy for where these are shown
FASTEST = {"gif": 25, "webp": 30}  # frames a second
MOST_FRAMES = 1200  # of an animation, whose frames are held in memory
BAD = 65  # the exit status where the clip has no such form: the reason is in the output


def write_excerpt(kind: str, clip: Path, target: Path, number: int = 1) -> None:
    """Write ``target``, one of ``KINDS``; ``number`` is that of the one frame, from 1, or 0 for the last.

    Raises BadRequest for a frame that is not there and an animation too long, UnreadableMedia, CannotWrite.
    """
    match kind:
        case "gif" | "webp":
            _write_animation(kind, look(clip), target)
        case "frames":
            _write_zip(clip, target)
        case _:
            _write_frame(clip, target, number)


def _write_animation(kind: str, clip: Material, target: Path) -> None:
    fps = max(1, min(round(clip.fps), FASTEST[kind]))
    if clip.seconds * fps > MOST_FRAMES:
        raise BadRequest(f"this clip is too long for a {kind.upper()}; allowed: {MOST_FRAMES // fps} seconds")
    width = min(clip.width, WIDEST[kind])
    size = Size(width - width % 2, max(16, round(clip.height * width / clip.width / 2) * 2))

    def chunks() -> Iterator[np.ndarray]:
        with closing(clip.frames_at(size, fps)) as frames:
            yield from (frame[None] for frame in frames)

    write_animation(target, chunks(), fps=fps)


def _write_zip(clip: Path, target: Path) -> None:
    with new_file(target) as part, disk_errors(target), zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as packed:
        for number, frame in enumerate(iterate_frames(clip), 1):
            packed.writestr(zipfile.ZipInfo(f"{number:05d}.png"), _png(frame))


def _write_frame(clip: Path, target: Path, number: int) -> None:
    with closing(iterate_frames(clip)) as frames:
        found = deque(frames, 1) if number == 0 else deque(islice(frames, max(0, number - 1), max(0, number)), 1)
    frame = found.pop() if found else None
    if frame is None:
        raise BadRequest(f"this clip has no frame {number}")
    with new_file(target) as part, disk_errors(target):
        part.write_bytes(_png(frame))


def _png(frame: np.ndarray) -> bytes:
    packed = BytesIO()
    Image.fromarray(frame).save(packed, "PNG", compress_level=4)
    return packed.getvalue()


if __name__ == "__main__":
    try:
        write_excerpt(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int((sys.argv[4:] or ["1"])[0]))
    except HimmelError as told:
        sys.stdout.write(str(told))
        sys.exit(BAD)
