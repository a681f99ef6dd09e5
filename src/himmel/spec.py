"""What is asked for and what is answered: the plain data that every layer speaks.

Owns: requests, sizes, model descriptions. Standard library only; knows no torch, no files, no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from himmel.errors import BadRequest

MAX_SEED = 2**31 - 1
# What a request may ask for, ends included; the one place where these numbers stand.
RANGES: dict[str, tuple[float, float]] = {
    "seconds": (0.1, 3600),
    "fps": (1, 120),
    "seed": (0, MAX_SEED),
    "steps": (1, 1000),
    "guidance": (0, 30),
}


@dataclass(frozen=True, order=True)
class Size:
    """A picture size in pixels; both sides even, as H.264 with yuv420p needs."""

    width: int
    height: int

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not 16 <= side <= 4096 or side % 2:
                raise BadRequest(f"size {self} is not possible; allowed: WIDTHxHEIGHT, even numbers from 16 to 4096")

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``"256x144"``. Raises BadRequest for anything else."""
        found = re.fullmatch(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*", text)
        if not found:
            raise BadRequest(f"size '{text}' is not understood; allowed: WIDTHxHEIGHT, for example 256x256")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class VideoRequest:
    """One clip that somebody wants.

    ``None`` for size, fps, steps or guidance means the model's own default; a backend resolves them
    with :meth:`resolved`, and a recipe always carries the resolved values.
    """

    prompt: str
    negative_prompt: str = ""
    model: str = "papercut"
    seconds: float = 4.0
    size: Size | None = None
    fps: int | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    first_frame: str | None = None  # path of a picture that the clip starts from

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise BadRequest("the prompt is empty; say what the clip should show, for example 'a cat on the beach'")
        for text in (self.prompt, self.negative_prompt):
            if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
                raise BadRequest("the prompt holds bytes that are no text; allowed: UTF-8")
        for name, limits in RANGES.items():
            if (value := getattr(self, name)) is not None:
                check_range(name, value, limits)

    def resolved(self, model: ModelInfo) -> VideoRequest:
        """This request with every open choice filled in from the model's defaults."""
        from dataclasses import replace

        return replace(
            self,
            size=self.size or model.default_size,
            fps=self.fps or model.native_fps,
            steps=self.steps or model.default_steps,
            guidance=model.default_guidance if self.guidance is None else self.guidance,
        )

    @property
    def frame_count(self) -> int:
        """Number of frames of the finished clip; at least one. Needs a resolved fps."""
        if self.fps is None:
            raise ValueError("frame_count needs a resolved request")
        return max(1, round(self.seconds * self.fps))


@dataclass(frozen=True)
class ModelInfo:
    """What a model says of itself, for lists, recipes and defaults."""

    name: str
    weight_hash: str  # first 16 hex digits of the weights' SHA-256
    parameters: int
    native_size: Size
    native_fps: int
    default_size: Size
    default_steps: int
    default_guidance: float
    vocabulary_size: int
    licence: str
    trained_on: str
    scores: dict[str, float]
    max_window_seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a generation is: ``done`` of ``total`` units of equal cost, and what is going on."""

    done: int
    total: int
    stage: str  # "loading", "sampling", "decoding"
    state: Callable[[], bytes] | None = None  # what the same request can go on from, where the backend can


def check_range(name: str, value: float, limits: tuple[float, float]) -> None:
    """Raise BadRequest, naming what is allowed, unless ``value`` lies within the limits, ends included."""
    low, high = limits
    if not low <= value <= high:
        raise BadRequest(f"{name} {value} is out of range; allowed: {low} to {high}")
