"""A backend that makes no video: an obviously artificial test card, at once, and always the same.

Owns: the test card. For tests, for trying out a workflow, and for whoever builds on the command line or the
server; no torch, no weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from himmel.backends.footage import Footage, Run, picture_of, plan
from himmel.media.mask import read_mask
from himmel.media.material import look
from himmel.spec import ModelInfo, Progress, Size, VideoRequest
from himmel.words import Term, WordList

CHUNK = 8  # frames
BARS = np.array(
    [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)], np.uint8
)
# A small vocabulary, so that unknown words can be tried out too.
NAMES = {
    "noun": (("cat", "Katze", "猫"), ("penguin", "Pinguin", "ペンギン"), ("kangaroo", "Känguru", "カンガルー"),
             ("koala", "Koala", "コアラ"), ("dog", "Hund", "犬"), ("balloon", "Ballon", "風船")),
    "motion": (("jumping", "springt", "ジャンプする"), ("spinning", "dreht sich", "回る")),
    "setting": (("beach", "Strand", "海辺"), ("snow", "Schnee", "雪")),
    "camera": (("zooms in", "zoomt heran", "ズームイン"),),
}  # fmt: skip
WORDS = WordList(
    terms=tuple(
        Term(en, kind, {"en": en, "de": de, "ja": ja}, {"en": (en,), "de": (de,), "ja": (ja,)})
        for kind, names in NAMES.items()
        for en, de, ja in names
    ),
    function={
        "en": ("a", "an", "and", "at", "camera", "in", "is", "on", "the", "then"),
        "de": ("am", "auf", "das", "dem", "der", "die", "ein", "eine", "im", "in", "kamera", "und"),
        "ja": ("が", "で", "の", "を", "に"),
    },
    neighbours={"quokka": ("kangaroo", "koala")},
)
INFO = ModelInfo(
    name="fake",
    weight_hash="0" * 16,
    parameters=0,
    native_size=Size(128, 128),
    native_fps=12,
    default_size=Size(256, 256),
    default_steps=1,
    default_guidance=1.0,
    vocabulary_size=len(WORDS),
    licence="Apache-2.0",
    trained_on="nothing: it draws a test card",
    scores={},
    max_window_seconds=3600.0,
    characters=2,
)


class FakeBackend:
    """Colour bars with a disc that crosses them; prompt, seed, steps and guidance decide colour and path.

    Clips of a timeline are shown as they are, and a remix is the clip with the card over it, as strong as is asked.
    The disc is the first character's picture, where there is one.
    """

    info = INFO
    words = WORDS
    device = "cpu"
    build = "test card"

    def generate(
        self, request: VideoRequest, state: bytes | None = None
    ) -> Generator[Progress | np.ndarray, None, None]:
        """See :meth:`himmel.backends.protocol.Backend.generate`."""
        settled = request.resolved(self.info)
        assert settled.size and settled.fps
        made = [
            piece.frames(settled.size, settled.fps) if isinstance(piece, Footage) else _Take(settled, piece).frames()
            for piece in plan(settled, self.info.native_fps)
        ]
        count, done = settled.frame_count, 0
        yield Progress(0, count, "sampling")
        frames = chain.from_iterable(made)
        while chunk := list(islice(frames, CHUNK)):
            done += len(chunk)
            yield np.stack(chunk)
            yield Progress(done, count, "decoding")


class _Take:
    """One run of frames: what is to be seen at its positions. Opens every file. Raises BadRequest, UnreadableMedia."""

    def __init__(self, request: VideoRequest, run: Run) -> None:
        assert request.size and request.fps
        self.request, self.run, self.size, self.fps = request, run, request.size, request.fps
        self.pictures = {run.number(place): picture_of(part, request.size) for place, part in run.pictures}
        seconds = run.count / request.fps if run.loop else None
        self.cards = [(place, _Card(replace(request, prompt=prompt), seconds)) for place, prompt in run.prompts]
        self.source = look(Path(run.remix.path)) if run.remix else None
        self.share = self._share() if run.remix else None

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 (H, W, 3), one by one."""
        for index, (place, old) in enumerate(zip(self.run.positions, self._given(), strict=True)):
            card = next(card for begin, card in reversed(self.cards) if begin <= place)
            new = self.pictures[index] if index in self.pictures else card.frame(index / self.fps)
            yield new if old is None else np.rint(old + (new.astype(np.float32) - old) * self.share).astype(np.uint8)

    def _given(self) -> Iterator[np.ndarray | None]:
        """The frames of the clip that is remixed."""
        if self.source is None:
            return repeat(None, self.run.count)
        return self.source.sampled(self.size, self.fps, 0.0, self.run.count)

    def _share(self) -> np.ndarray:
        """How much of every pixel may become different, float (H, W, 1)."""
        assert self.run.remix and self.source
        remix, clip = self.run.remix, self.source
        if remix.mask is None:
            inside = np.ones((self.size.height, self.size.width))
        else:
            inside = read_mask(remix.mask, width=clip.width, height=clip.height, size=self.size).astype(float)
        return inside[..., None] * remix.strength


class _Card:
    """The test card of one request: what stands still, and the disc's colour and path.

    Where ``loop`` says seconds, the disc goes round whole times in them.
    """

    def __init__(self, request: VideoRequest, loop: float | None = None) -> None:
        told = f"{request.prompt}\n{request.negative_prompt}\n{request.seed}\n{request.steps}\n{request.guidance}"
        digest = hashlib.sha256(told.encode()).digest()
        assert request.size
        self.size = request.size
        self.colour = np.array([digest[0], digest[1], digest[2]], np.uint8)
        self.turns_per_second = 0.25 + digest[3] / 512
        if loop:
            self.turns_per_second = max(1, round(loop * self.turns_per_second)) / loop
        self.phase = digest[4] / 256
        self.still = _bars(self.size, f"TEST CARD · seed {request.seed}\n{request.prompt}")
        self.rows, self.columns = np.mgrid[: self.size.height, : self.size.width]
        self.radius = min(self.size.width, self.size.height) / 8
        side = max(16, 2 * round(self.radius + 2))
        self.face = picture_of(request.characters[0], Size(side, side)) if request.characters else None

    def frame(self, second: float) -> np.ndarray:
        """uint8 (H, W, 3) at this time."""
        angle = 2 * np.pi * (self.phase + second * self.turns_per_second)
        x = self.size.width * (0.5 + 0.35 * np.cos(angle))
        y = self.size.height * (0.4 + 0.25 * np.sin(angle))
        distance = np.hypot(self.columns - x, self.rows - y)
        inside = distance <= self.radius
        picture = self.still.copy()
        picture[distance <= self.radius * 1.15] = 255
        picture[inside] = self.colour
        if self.face is not None:
            down, right = self.rows[inside] - round(y), self.columns[inside] - round(x)
            picture[inside] = self.face[down + len(self.face) // 2, right + len(self.face) // 2]
        return picture


def _bars(size: Size, text: str) -> np.ndarray:
    """Colour bars with a dark strip of text at the foot."""
    columns = np.arange(size.width) * len(BARS) // size.width
    picture = Image.fromarray(np.broadcast_to(BARS[columns], (size.height, size.width, 3)).copy())
    draw = ImageDraw.Draw(picture)
    foot = round(size.height * 0.8)
    draw.rectangle((0, foot, size.width, size.height), fill=(16, 16, 16))
    draw.text((4, foot + 2), text, fill="white", font=ImageFont.load_default(max(8, size.height // 16)))
    return np.asarray(picture)
