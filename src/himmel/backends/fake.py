"""A backend that makes no video: an obviously artificial test card, at once, and always the same.

Owns: the test card. For tests, for trying out a workflow, and for whoever builds on the command line or the
server; no torch, no weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from himmel.media.scaling import crop_to
from himmel.media.video_io import read_frames
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
        first = None
        if settled.first_frame:
            first = crop_to(read_frames(Path(settled.first_frame), limit=1)[0], settled.size)
        card = _Card(settled, settled.size)
        count = settled.frame_count
        yield Progress(0, count, "sampling")
        for start in range(0, count, CHUNK):
            stop = min(start + CHUNK, count)
            frames = np.stack([card.frame(index / settled.fps) for index in range(start, stop)])
            if start == 0 and first is not None:
                frames[0] = first
            yield frames
            yield Progress(stop, count, "decoding")


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
