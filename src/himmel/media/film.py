"""Small pictures of a clip of which nothing is known beforehand, made in one pass and in little memory.

Owns: which frames are kept while it is not known how many will come: every one, then every second, every fourth, ….
What is made of them stands in ``thumbnails``. Knows nothing of files and of limits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from himmel.media.thumbnails import SHEET_FRAMES, THUMBNAIL_SIDE, Sheet

MOST_KEPT = 2 * SHEET_FRAMES


class Film:
    """Sees the decoded frames of a clip (PyAV's) as they come and keeps at most a hundred small ones, evenly spread."""

    def __init__(self) -> None:
        self.seen, self.every = 0, 1
        self.kept: list[np.ndarray] = []

    def see(self, frame: Any) -> None:
        """Take notice of the next frame."""
        if self.seen % self.every == 0:
            if len(self.kept) == MOST_KEPT:
                self.kept, self.every = self.kept[::2], 2 * self.every
            if self.seen % self.every == 0:
                self.kept.append(_small(frame))
        self.seen += 1

    def pictures(self) -> tuple[bytes, bytes]:
        """The thumbnail and the sheet, see there. Raises ValueError where no frame was seen."""
        sheet = Sheet(len(self.kept))
        for picture in self.kept:
            sheet.see(picture[None])
        return sheet.thumbnail(), sheet.spritesheet()


def _small(frame: Any) -> np.ndarray:
    """A frame, upright, as uint8 (H, W, 3), its longer side at most that of a thumbnail."""
    share = min(1.0, THUMBNAIL_SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(share * side)) for side in (frame.width, frame.height))
    picture: np.ndarray = frame.to_ndarray(format="rgb24", width=width, height=height)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
