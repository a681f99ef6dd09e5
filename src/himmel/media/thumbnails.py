"""Small pictures of a clip: its first frame, and a sheet of frames to leaf through.

Owns: their sizes and formats. Knows no models and no server.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

THUMBNAIL_SIDE = 320
SHEET_SIDE = 160
SHEET_COLUMNS = 10
SHEET_FRAMES = 50


class Sheet:
    """Sees the frames of a clip as they come and keeps small copies of at most fifty, evenly spread.

    ``count`` is the number of frames that will come.
    """

    def __init__(self, count: int) -> None:
        chosen = min(count, SHEET_FRAMES)
        self.chosen = {index * count // chosen for index in range(chosen)}
        self.seen = 0
        self.first: Image.Image | None = None
        self.pictures: list[Image.Image] = []

    def see(self, frames: np.ndarray) -> None:
        """Take notice of the next frames, uint8 (n, H, W, 3)."""
        for frame in frames:
            if self.first is None:
                self.first = _smaller(frame, THUMBNAIL_SIDE)
            if self.seen in self.chosen:
                self.pictures.append(_smaller(frame, SHEET_SIDE))
            self.seen += 1

    def thumbnail(self) -> bytes:
        """The first frame as a WebP, its longer side at most 320 pixels. Raises ValueError where none was seen."""
        if self.first is None:
            raise ValueError("a clip without frames has no thumbnail")
        return _encoded(self.first, "WEBP", quality=82)

    def spritesheet(self) -> bytes:
        """The kept frames as a JPEG, ten in a row, each at most 160 pixels. Raises ValueError where none was seen."""
        if not self.pictures:
            raise ValueError("a clip without frames has no spritesheet")
        width, height = self.pictures[0].size
        columns = min(len(self.pictures), SHEET_COLUMNS)
        sheet = Image.new("RGB", (width * columns, height * -(-len(self.pictures) // columns)))
        for number, picture in enumerate(self.pictures):
            sheet.paste(picture, (width * (number % columns), height * (number // columns)))
        return _encoded(sheet, "JPEG", quality=80)


def preview(frame: np.ndarray) -> bytes:
    """One frame, uint8 (H, W, 3), as a small WebP, its longer side at most 320 pixels."""
    return _encoded(_smaller(frame, THUMBNAIL_SIDE), "WEBP", quality=60)


def _smaller(frame: np.ndarray, side: int) -> Image.Image:
    picture = Image.fromarray(frame)
    picture.thumbnail((side, side))
    return picture


def _encoded(picture: Image.Image, kind: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return buffer.getvalue()
