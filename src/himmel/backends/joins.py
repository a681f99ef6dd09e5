"""Where made frames meet given ones: given frames are shown as they are, and their neighbours lean towards them.

Owns: the frames around such a place. Frames are uint8 (H, W, 3); knows nothing of models.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

REACH = 24  # frames on each side over which the difference to a given frame fades, where the picture stands still
QUICK = 5  # frames over which it fades where something moves
HELD = 2**23  # pixels of frames that wait for one ahead, at most: of large pictures fewer frames lean to it
MOVED = 48  # of 255: what differs by so much from the given frame's time shows something else by now
LOOKED = 64  # pixels of a picture's shorter side, at least, at which is looked for what moved
AROUND = 2  # of these pixels, by which what has moved is seen larger


@dataclass(frozen=True)
class Anchor:
    """A given frame: where it stands, what was made there, ``small``, and what the given one has more, as float32."""

    place: int
    small: np.ndarray
    difference: np.ndarray

    @classmethod
    def of(cls, place: int, made: np.ndarray, given: np.ndarray) -> Anchor:
        """The difference of two uint8 frames (H, W, 3)."""
        return cls(place, _small(made), given.astype(np.float32) - made)

    def leaning(self, frame: np.ndarray, away: int, reach: int) -> np.ndarray | None:
        """What a made frame so far from here gets of the difference, float32: None from ``reach`` frames on.

        A difference belongs to what was there: where something moves, it would be a ghost.
        """
        share = 1 - away / reach
        if share <= 0:
            return None
        moved = np.abs(_small(frame).astype(np.int16) - self.small).max(-1).astype(np.uint8)
        wider = Image.fromarray(moved).filter(ImageFilter.MaxFilter(2 * AROUND + 1)).filter(ImageFilter.BoxBlur(AROUND))
        full = wider.resize(frame.shape[1::-1], Image.Resampling.BILINEAR)
        still = (1 - np.asarray(full, np.float32) / MOVED).clip(0, 1)
        quick = 1 - away / min(reach, QUICK)
        return np.maximum(quick, share * still)[..., None] * self.difference


def joined(
    frames: Iterable[tuple[int, np.ndarray]], given: dict[int, np.ndarray], *, loop_at: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """The numbered frames with those of ``given`` in their places, bit by bit.

    What a given frame differs from the made one of its place is added to those around it, less and less over
    ``REACH`` frames (fewer where there are more than ``HELD`` pixels in them), so that no step shows there; a model
    draws given pictures a little blurred. Between two given frames one takes over from the other. With ``loop_at`` the
    first frame is given again there. Holds back at most ``REACH`` frames, and none where nothing given lies ahead.
    """
    given, places = dict(given), sorted({*given, *([] if loop_at is None else [loop_at])})
    waiting: deque[tuple[int, np.ndarray, list[np.ndarray]]] = deque()  # number, made, leanings
    behind: Anchor | None = None
    for number, frame in frames:
        most = min(REACH, max(QUICK, HELD // (frame.shape[0] * frame.shape[1])))
        if loop_at is not None and loop_at not in given:
            given[loop_at] = given.get(number, frame)
        after = next((place for place in places if place > number), None)
        if number in given:
            behind, before = Anchor.of(number, frame, given[number]), behind
            reach = _reach(before, number, most)
            for other, made, leanings in waiting:
                if other not in given and (there := behind.leaning(made, number - other, reach)) is not None:
                    leanings.append(there)
            waiting.append((number, frame, [behind.difference]))
        else:
            there = behind.leaning(frame, number - behind.place, _reach(behind, after, most)) if behind else None
            waiting.append((number, frame, [] if there is None else [there]))
        while waiting and (after is None or after - waiting[0][0] > most):
            yield _shown(*waiting.popleft())
    yield from (_shown(*each) for each in waiting)


def _reach(before: Anchor | None, place: int | None, most: int) -> int:
    """From how far on differences reach no more, between two given frames or beside one."""
    return most + 1 if before is None or place is None else min(most + 1, place - before.place)


def _small(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).reduce(max(1, min(frame.shape[:2]) // LOOKED)))


def _shown(number: int, made: np.ndarray, leanings: list[np.ndarray]) -> tuple[int, np.ndarray]:
    return number, np.rint((made + sum(leanings)).clip(0, 255)).astype(np.uint8) if leanings else made
