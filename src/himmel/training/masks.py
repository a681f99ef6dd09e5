"""Which frames of a training clip are known: the mixture that every way of making a video needs.

Owns: drawing what is known. Knows no pixels and no models.

Most steps know nothing, as text to video does. The others know pictures ahead (keyframes, last frames), the clip's
end (extending backwards, blending, loops), or any subset (diffusion forcing, Chen et al. 2024, with frames that are
clean). What is known about the past needs no mask: every block sees the clean blocks before it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from himmel.engine.tasks import AHEAD

NOTHING, PICTURES, END = 0.6, 0.15, 0.15  # shares of the steps; the rest knows any subset


@dataclass(frozen=True)
class Known:
    """``frames``: latent frames that are known; ``ahead``: what is shown of the future, at most ``AHEAD`` entries.

    Each entry is a time, and whether the picture alone stands there, not the frame of the clip. With ``portrait`` a
    picture of the actor is shown too.
    """

    frames: tuple[int, ...] = ()
    ahead: tuple[tuple[int, bool], ...] = ()
    portrait: bool = False


def draw_known(frames: int, rng: random.Random) -> Known:
    """What is known in one step of clips of so many latent frames; of a single one, nothing."""
    kind = rng.random()
    if frames < 2 or kind < NOTHING:
        return Known()
    if kind < NOTHING + PICTURES:
        return _pictures(frames, rng)
    if kind < NOTHING + PICTURES + END:
        return _end(frames, rng)
    share = rng.random()
    known = tuple(frame for frame in range(frames) if rng.random() < share)
    return Known(known, _shown(known, rng))


def _pictures(frames: int, rng: random.Random) -> Known:
    last = {frames - 1} if rng.random() < 0.5 else set()
    others = rng.sample(range(1, frames), min(frames - 1, rng.randint(0 if last else 1, 2)))
    return Known((), tuple((time, True) for time in sorted(last | set(others))))


def _end(frames: int, rng: random.Random) -> Known:
    """The end is known, its first frame as a picture in half of the cases: so a loop's does."""
    begin = rng.randint(1, frames - 1)
    times = range(begin, frames)
    if rng.random() < 0.5:
        return Known(tuple(times), tuple((time, False) for time in times[:AHEAD]))
    return Known(tuple(times[1:]), ((begin, True), *((time, False) for time in times[1:AHEAD])))


def _shown(known: tuple[int, ...], rng: random.Random) -> tuple[tuple[int, bool], ...]:
    """Of known frames those that have something unknown before them."""
    later = [frame for index, frame in enumerate(known) if frame > index]
    return tuple((time, False) for time in sorted(rng.sample(later, min(AHEAD, len(later)))))
