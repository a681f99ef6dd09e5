"""Where made frames meet given ones: given frames are shown as they are, and their neighbours lean towards them.

Owns: the frames around such a place. Frames are uint8 (H, W, 3); knows nothing of models.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

REACH = 4  # frames on each side over which the difference to a given frame fades


def joined(
    frames: Iterable[tuple[int, np.ndarray]], given: dict[int, np.ndarray], *, loop_at: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """The numbered frames with those of ``given`` in their places, bit by bit.

    What a given frame differs from the made one of its place is added to those around it, less and less over
    ``REACH`` frames, so that no step shows there; a model draws given pictures a little blurred. With ``loop_at`` the
    first frame is given again there. Holds ``REACH`` frames back.
    """
    waiting: deque[tuple[int, np.ndarray]] = deque()
    anchors = dict(given)
    behind: tuple[int, np.ndarray] | None = None  # the latest given frame's place and difference
    for number, frame in frames:
        shown = frame
        if loop_at is not None and loop_at not in anchors:
            anchors[loop_at] = frame
        if number in anchors:
            shown = anchors[number]
            difference = shown.astype(np.float32) - frame
            waiting = deque((n, _leaning(f, difference, number - n) if n not in anchors else f) for n, f in waiting)
            behind = number, difference
        elif behind is not None and number - behind[0] <= REACH:
            shown = _leaning(frame, behind[1], number - behind[0])
        waiting.append((number, shown))
        if len(waiting) > REACH:
            yield waiting.popleft()
    yield from waiting


def _leaning(frame: np.ndarray, difference: np.ndarray, away: int) -> np.ndarray:
    share = 1 - away / (REACH + 1)
    return np.rint((frame + share * difference).clip(0, 255)).astype(np.uint8)
