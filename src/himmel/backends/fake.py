"""A backend that makes no video: an obviously artificial test card, at once, and always the same.

Owns: the test card. For tests, for trying out a workflow, and for whoever builds on the command line or the
server; no torch, no weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from himmel.backends.footage import Run, Stretch, picture_of, plan
from himmel.media.mask import read_mask
from himmel.media.material import look
from himmel.spec import ModelInfo, Progress, Size, VideoRequest
from himmel.words import Term, WordList

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
)


class FakeBackend:
    """Colour bars with a disc that crosses them; prompt, seed, steps and guidance decide colour and path."""

    info = INFO
    words = WORDS
    device = "cpu"

    def generate(
        self, request: VideoRequest, state: bytes | None = None
    ) -> Generator[Progress | np.ndarray, None, None]:
        """See :meth:`himmel.backends.protocol.Backend.generate`."""
        settled = request.resolved(self.info)
        assert settled.size and settled.fps
        pieces = [_Piece(settled, settled.size, settled.fps, piece) for piece in plan(settled, self.info.native_fps)]
        count, done = settled.frame_count, 0
        yield Progress(0, count, "sampling")
        for piece in pieces:
            for frame in piece.frames():
                yield frame[None]
                done += 1
                yield Progress(done, count, "decoding")


class _Piece:
    """A stretch of a clip, as it is; or a run of the test card, with what is given of it in its place."""

    def __init__(self, request: VideoRequest, size: Size, fps: int, piece: Stretch | Run) -> None:
        self.request, self.size, self.fps, self.piece = request, size, fps, piece
        if isinstance(piece, Run):
            self.pictures = {place: picture_of(picture, size) for place, picture in piece.pictures}
            self.source = look(Path(piece.remix.path)) if piece.remix else None

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 (H, W, 3), one by one."""
        if isinstance(self.piece, Stretch):
            return self.piece.frames(self.size, self.fps)
        return self._remixed() if self.source else self._drawn(self.piece)

    def _drawn(self, run: Run) -> Iterator[np.ndarray]:
        cards = [(start, _Card(replace(self.request, prompt=prompt), self.size)) for start, prompt in run.prompts]
        for index, position in enumerate(run.positions):
            card = next(card for start, card in reversed(cards) if start <= position or card is cards[0][1])
            given = (picture for place, picture in self.pictures.items() if abs(place - position) <= run.step / 2)
            yield next(given, card.frame(index / self.fps))

    def _remixed(self) -> Iterator[np.ndarray]:
        """The source, with as much of the card over it as the strength says, where the mask lets it."""
        assert isinstance(self.piece, Run) and self.piece.remix and self.source
        remix, card, source = self.piece.remix, _Card(self.request, self.size), self.source
        share = np.full((self.size.height, self.size.width, 1), remix.strength)
        if remix.mask is not None:
            share *= read_mask(remix.mask, width=source.width, height=source.height, size=self.size)[..., None]
        for index, old in enumerate(source.sampled(self.size, self.fps, 0.0, self.piece.count)):
            yield np.rint(card.frame(index / self.fps) * share + old * (1 - share)).astype(np.uint8)


class _Card:
    """The test card of one request: what stands still, and the disc's colour and path."""

    def __init__(self, request: VideoRequest, size: Size) -> None:
        told = f"{request.prompt}\n{request.negative_prompt}\n{request.seed}\n{request.steps}\n{request.guidance}"
        digest = hashlib.sha256(told.encode()).digest()
        self.colour = np.array([digest[0], digest[1], digest[2]], np.uint8)
        self.turns_per_second = 0.25 + digest[3] / 512
        self.phase = digest[4] / 256
        self.still = _bars(size, f"TEST CARD · seed {request.seed}\n{request.prompt}")
        self.rows, self.columns = np.mgrid[: size.height, : size.width]
        self.size = size

    def frame(self, second: float) -> np.ndarray:
        """uint8 (H, W, 3) at this time."""
        angle = 2 * np.pi * (self.phase + second * self.turns_per_second)
        x = self.size.width * (0.5 + 0.35 * np.cos(angle))
        y = self.size.height * (0.4 + 0.25 * np.sin(angle))
        radius = min(self.size.width, self.size.height) / 8
        distance = np.hypot(self.columns - x, self.rows - y)
        picture = self.still.copy()
        picture[distance <= radius * 1.15] = 255
        picture[distance <= radius] = self.colour
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
