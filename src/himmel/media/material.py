"""Clips and pictures that somebody gives: what they are, and their frames as a model wants them.

Owns: looking at a file without decoding it all, and reading a stretch of it at another size and frame rate, with the
file's own time stamps as the truth. Frames are uint8 (H, W, 3), RGB. Knows nothing of models, and no torch.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from himmel.errors import BadRequest
from himmel.media.scaling import between, blend, crop_to
from himmel.media.video_io import frame_times, timed_frames
from himmel.spec import Size

SLACK = 1e-3  # seconds by which a moment may miss a clip's end: people round


@dataclass(frozen=True)
class Material:
    """One file, seen from outside. ``frames`` is what its container lists; ``fps`` is their average rate.

    ``width`` and ``height`` are pixels of the upright picture. A picture has one frame and lasts 0 seconds at 0 fps.
    """

    path: Path
    frames: int
    seconds: float
    width: int
    height: int
    begins: float  # of the first frame, by the file's own clock

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    def frames_at(
        self, size: Size, fps: int, *, start: float = 0.0, stop: float | None = None
    ) -> Generator[np.ndarray]:
        """The stretch from ``start`` to ``stop`` seconds (None: to the end) as uint8 (H, W, 3), one by one.

        There are ``round((stop - start) * fps)`` frames, at least one, scaled and cropped to ``size``; frame ``i`` is
        the one nearest to ``start + i / fps``, as it is. Only material clearly slower than ``fps`` is blended of the
        two frames around. A picture stands still for as long as is asked. Memory does not grow with length.
        Raises BadRequest at once where the stretch does not lie in the clip, UnreadableMedia later where the file is
        damaged.
        """
        stop = self.seconds if stop is None else stop
        self._check(start, stop)
        count = max(1, round(((min(stop, self.seconds) if self.seconds else stop) - start) * fps))
        return self.sampled(size, fps, start, count)

    def _check(self, start: float, stop: float) -> None:
        stretch = f"from {start:g} s to {stop:g} s"
        if self.seconds and not 0 <= start < stop <= self.seconds + SLACK:
            raise BadRequest(
                f"'{self.path}' has no stretch {stretch}; allowed: 0 to {self.seconds:.3f} s, in this order"
            )

    def sampled(self, size: Size, fps: float, start: float, count: int) -> Generator[np.ndarray]:
        """``count`` frames from ``start`` seconds on, as :meth:`frames_at` gives them; beyond the end the last one."""
        moments = (start + index / fps for index in range(count))
        slower = 0 < self.fps * 1.5 < fps + SLACK
        with closing(timed_frames(self.path, since=self.begins + start)) as stream:
            timed = ((time - self.begins, load) for time, load in stream)
            for before, after, weight in between(timed, moments):
                weight = round(weight, 3 if slower else 0)
                if weight in (0, 1):
                    yield crop_to(after() if weight else before(), size)
                else:
                    yield crop_to(blend(before(), after(), weight), size)


def look(path: Path) -> Material:
    """What a clip or picture is, its first frame decoded and no other. Raises UnreadableMedia."""
    with closing(timed_frames(path)) as stream:
        _, load = next(stream)
        height, width = load().shape[:2]
    count, begins, ends = 0, math.inf, -math.inf
    for time, duration in frame_times(path):
        count, begins, ends = count + 1, min(begins, time), max(ends, time + duration)
    return Material(path, count, ends - begins, width, height, begins)
