"""What a request's timeline comes to: stretches of clips that are shown as they are, and runs that are made.

Owns: which frames are made in one go, at which of the model's own frames each finished one is shown, and what a run
comes from and goes to. Knows nothing of latents, and no torch.

Positions count frames at the model's rate. Position 0 of a run is its first frame, or the last one of the clip before
it; what it comes to stands at its last position, a multiple of four, because four frames share a latent one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from himmel.engine.shapes import TEMPORAL
from himmel.errors import BadRequest
from himmel.media.material import Material, look
from himmel.media.scaling import crop_to
from himmel.media.video_io import read_frames
from himmel.spec import Character, Clip, Gap, Picture, Remix, Size, VideoRequest

GROUP = TEMPORAL  # frames to one latent frame


@dataclass(frozen=True)
class Footage:
    """A part of somebody's clip."""

    material: Material
    clip: Clip
    count: int  # frames of it in the finished clip

    def frames(self, size: Size, fps: int) -> Iterator[np.ndarray]:
        """As they are shown, uint8 (H, W, 3): untouched where size and rate are the clip's own."""
        return self.material.frames_at(size, fps, start=self.clip.start, stop=self.clip.stop)

    def tail(self, size: Size, native_fps: int, fps: int, most: int) -> list[np.ndarray]:
        """1 + 4k frames of this size at the native rate, at most ``most``; the last is the last that is shown."""
        last = (self.count - 1) / fps
        count = 1 + GROUP * min((most - 1) // GROUP, math.floor(last * native_fps) // GROUP)
        start = self.clip.start + last - (count - 1) / native_fps
        return list(self.material.sampled(size, native_fps, start, count))

    def head(self, size: Size, native_fps: int, most: int) -> list[np.ndarray]:
        """1 + 4k frames of this size at the native rate, at most ``most``, from its first one on."""
        available = math.floor(self.clip.seconds * native_fps) - 1
        count = 1 + GROUP * max(0, min((most - 1) // GROUP, available // GROUP))
        return list(self.material.sampled(size, native_fps, self.clip.start, count))


@dataclass(frozen=True)
class Run:
    """Frames that are made in one go: ``count`` finished ones, the first at position ``first``, ``step`` apart.

    ``groups`` latent frames are made beside the first one, or beside what comes before. ``pictures`` stand at multiples
    of four, ``prompts`` each from a position on. With ``loop`` the last position shows the first frame again.
    """

    count: int
    groups: int
    first: float
    step: float
    pictures: tuple[tuple[int, Picture], ...]
    prompts: tuple[tuple[int, str], ...]
    left: Footage | None = None
    right: Footage | None = None
    loop: bool = False
    remix: Remix | None = None

    @property
    def last(self) -> int:
        """The last position."""
        return GROUP * self.groups

    @property
    def positions(self) -> Iterator[float]:
        """Of the finished frames."""
        return map(self.position, range(self.count))

    @property
    def around(self) -> range:
        """Numbers of the finished frames, with those of the clips beside them: -1 comes before, ``count`` after."""
        return range(-1 if self.left else 0, self.count + int(self.right is not None or self.loop))

    def position(self, number: int) -> float:
        """Of a finished frame."""
        return round(self.first + number * self.step, 6)

    def number(self, position: float) -> int:
        """The finished frame that is nearest to a position."""
        return round((position - self.first) / self.step)


def plan(request: VideoRequest, native_fps: int) -> list[Footage | Run]:
    """The resolved request's timeline, in order. Opens every file. Raises BadRequest, UnreadableMedia."""
    pieces: list[Footage | list[Picture | Gap]] = []
    for part in request.parts:
        if isinstance(part, Clip):
            pieces.append(Footage(look(Path(part.path)), part, request.frames_of(part)))
        elif pieces and isinstance(pieces[-1], list):
            pieces[-1].append(part)
        else:
            pieces.append([part])
    clips = any(isinstance(piece, Footage) for piece in pieces)
    if request.loop and clips and not (isinstance(pieces[0], Footage) and isinstance(pieces[-1], list)):
        raise BadRequest("a loop of clips begins with one and ends with seconds that are to be made")
    return [
        piece if isinstance(piece, Footage) else _run(request, native_fps, pieces, number)
        for number, piece in enumerate(pieces)
    ]


def _run(request: VideoRequest, native_fps: int, pieces: Sequence[Footage | list[Picture | Gap]], number: int) -> Run:
    parts, before = pieces[number], pieces[number - 1] if number else None
    after = pieces[number + 1] if number + 1 < len(pieces) else pieces[0] if request.loop and before else None
    assert isinstance(parts, list) and not isinstance(before, list) and not isinstance(after, list)
    if not any(isinstance(part, Gap) for part in parts):
        raise BadRequest("a picture needs seconds before or after it")
    assert request.fps
    begins = [0, *accumulate(request.frames_of(part) for part in parts)]
    count, closed = begins[-1], after is not None or request.loop
    offset, rate = int(before is not None), native_fps / request.fps
    intervals = offset + count - 1 + int(closed)
    if closed or isinstance(parts[-1], Picture):  # what it comes to has its place: the rate gives way
        groups = max(1, round(intervals * rate / GROUP))
        step = GROUP * groups / max(1, intervals)
    else:
        groups, step = math.ceil(round(intervals * rate, 6) / GROUP), rate
    placed = list(zip(begins, parts, strict=False))
    pictures = [(offset + begin, part) for begin, part in placed if isinstance(part, Picture)]
    return Run(
        count,
        groups,
        offset * step,
        step,
        _pictures(pictures, step, groups, closed),
        tuple((int(begin * step), part.prompt or request.prompt) for begin, part in placed if isinstance(part, Gap)),
        before,
        after,
        request.loop and after is None,
        request.remix,
    )


def _pictures(
    placed: list[tuple[int, Picture]], step: float, groups: int, closed: bool
) -> tuple[tuple[int, Picture], ...]:
    """Pictures at the nearest multiples of four; each has one of its own."""
    highest = groups - 1 if closed else groups
    found: dict[int, Picture] = {}
    for index, picture in placed:
        group = 0 if index == 0 else min(max(1, round(index * step / GROUP)), highest)
        if GROUP * group in found or group > highest:
            raise BadRequest(
                f"'{picture.path}' stands too near to what is beside it; allowed: a third of a second away"
            )
        found[GROUP * group] = picture
    return tuple(found.items())


def picture_of(part: Picture | Character, size: Size) -> np.ndarray:
    """A picture's (or a clip's first) frame, filling ``size``, uint8 (H, W, 3). Raises UnreadableMedia."""
    return crop_to(read_frames(Path(part.path), limit=1)[0], size)
