"""What is asked for and what is answered: the plain data that every layer speaks.

Owns: requests, sizes, model descriptions. Standard library only; knows no torch, no files, no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from himmel.errors import BadRequest, TaskNotSupported

MAX_SEED = 2**31 - 1
# What a request may ask for, ends included; the one place where these numbers stand.
RANGES: dict[str, tuple[float, float]] = {
    "seconds": (0.1, 3600),
    "fps": (1, 120),
    "seed": (0, MAX_SEED),
    "steps": (1, 1000),
    "guidance": (0, 30),
}
STRENGTH = (0.01, 1.0)  # of a remix
TURBO_STEPS = 4  # Turbo's usual number of steps
LONGEST_NAME = 80  # letters of a character's name
SMALLEST_SIDE, LARGEST_SIDE = 16, 4096  # pixels of a picture


@dataclass(frozen=True, order=True)
class Size:
    """A picture size in pixels; both sides even, as H.264 with yuv420p needs."""

    width: int
    height: int

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not SMALLEST_SIDE <= side <= LARGEST_SIDE or side % 2:
                raise BadRequest(
                    f"size {self} is not possible; "
                    f"allowed: WIDTHxHEIGHT, even numbers from {SMALLEST_SIDE} to {LARGEST_SIDE}"
                )

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
class Picture:
    """A picture, given by its path, that the clip shows at this point of its timeline, for no time of its own."""

    path: str

    @property
    def seconds(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Clip:
    """A clip that is part of the new one: the stretch of a file from ``start`` to ``stop``, in seconds of it."""

    path: str
    start: float
    stop: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise BadRequest(f"a stretch from {self.start:g} s to {self.stop:g} s is none; allowed: a later end")

    @property
    def seconds(self) -> float:
        return self.stop - self.start


@dataclass(frozen=True)
class Gap:
    """Seconds that are to be made. ``prompt`` None means the request's."""

    seconds: float
    prompt: str | None = None

    def __post_init__(self) -> None:
        check_range("seconds", self.seconds, RANGES["seconds"])


Part = Picture | Clip | Gap


@dataclass(frozen=True)
class Remix:
    """A clip that the new one is made from: its frames, noised as ``strength`` says, are the beginning of all.

    ``strength`` above 0 … 1: how much may become different. ``mask`` is the path of a picture (white changes, black
    stays) or a box (see ``media.mask``); None means everything.
    """

    path: str
    strength: float = 1.0
    mask: str | None = None

    def __post_init__(self) -> None:
        check_range("strength", self.strength, STRENGTH)


@dataclass(frozen=True)
class Character:
    """Somebody whom prompts call by name, as a picture (or a clip's first frame) shows; it is given by its path."""

    name: str
    path: str

    def __post_init__(self) -> None:
        if not (self.name.strip() and len(self.name) <= LONGEST_NAME):
            raise BadRequest(f"a character needs a name; allowed: 1 to {LONGEST_NAME} letters")


@dataclass(frozen=True)
class VideoRequest:
    """One clip that somebody wants.

    ``None`` for size, fps, turbo, steps or guidance means the model's own default; a backend resolves them
    with :meth:`resolved`, and a recipe always carries the resolved values. ``turbo`` says whether the model's few-step
    student makes the clip: by default, where there is one and nothing is asked that only the full model does.
    ``timeline`` says what the clip is put together of, in order; then ``seconds`` is their sum.
    With ``loop`` its end goes over into its beginning. ``characters`` are who its prompts call by name.
    """

    prompt: str
    negative_prompt: str = ""
    model: str = "papercut"
    seconds: float = 4.0
    size: Size | None = None
    fps: int | None = None
    seed: int = 0
    turbo: bool | None = None
    steps: int | None = None
    guidance: float | None = None
    first_frame: str | None = None  # path of a picture that the clip starts from
    timeline: tuple[Part, ...] = ()
    loop: bool = False
    remix: Remix | None = None
    characters: tuple[Character, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise BadRequest("the prompt is empty; say what the clip should show, for example 'a cat on the beach'")
        for text in (self.prompt, self.negative_prompt):
            if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
                raise BadRequest("the prompt holds bytes that are no text; allowed: UTF-8")
        for name, limits in RANGES.items():
            if (value := getattr(self, name)) is not None:
                check_range(name, value, limits)
        if self.timeline:
            self._check_timeline()

    def _check_timeline(self) -> None:
        if self.first_frame or self.remix:
            raise BadRequest("a timeline stands for itself; allowed beside it: neither a first frame nor a remix")
        total = sum(part.seconds for part in self.timeline)
        if abs(total - self.seconds) > 0.01:
            raise BadRequest(f"the parts last {total:g} s and the clip {self.seconds:g} s; they must be the same")

    def resolved(self, model: ModelInfo) -> VideoRequest:
        """This request with every open choice filled in from the model's defaults.

        Raises BadRequest where Turbo is asked for together with what only the full model does: a guidance, a negative
        prompt, or a number of steps that Turbo has not learned. Raises TaskNotSupported for more characters than the
        model can show.
        """
        if len(self.characters) > model.characters:
            raise TaskNotSupported(
                model.name, "show more than one character" if model.characters else "show characters"
            )
        instead = instead_of_turbo(model.turbo_steps, self.steps, self.guidance, self.negative_prompt)
        if self.turbo and instead:
            raise BadRequest(f"{model.name} cannot do this as Turbo; {instead}")
        turbo = not instead if self.turbo is None else self.turbo
        guidance = 1.0 if turbo else model.default_guidance
        return replace(
            self,
            size=self.size or model.default_size,
            fps=self.fps or model.native_fps,
            turbo=turbo,
            steps=self.steps or (TURBO_STEPS if turbo else model.default_steps),
            guidance=guidance if self.guidance is None else self.guidance,
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """The timeline, also where none was given: the first frame, and all the seconds."""
        if self.timeline:
            return self.timeline
        first = (Picture(self.first_frame),) if self.first_frame else ()
        return (*first, Gap(self.seconds))

    def frames_of(self, part: Part) -> int:
        """How many frames of the finished clip a part of it takes. Needs a resolved fps."""
        if self.fps is None:
            raise ValueError("frames_of needs a resolved request")
        return 0 if isinstance(part, Picture) else max(1, round(part.seconds * self.fps))

    @property
    def frame_count(self) -> int:
        """Number of frames of the finished clip; at least one. Needs a resolved fps."""
        return sum(self.frames_of(part) for part in self.parts)


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
    characters: int = 0  # how many of them a clip can show
    turbo_steps: tuple[int, ...] = ()  # numbers of steps that its few-step student knows; empty where there is none


@dataclass(frozen=True)
class Progress:
    """How far a generation is: ``done`` of ``total`` units of equal cost, and what is going on."""

    done: int
    total: int
    stage: str  # "loading", "sampling", "decoding"
    state: Callable[[], bytes] | None = None  # what the same request can go on from, where the backend can


def instead_of_turbo(
    turbo_steps: Collection[int], steps: int | None, guidance: float | None, negative_prompt: str
) -> str:
    """What to ask for where a model's few-step student, which knows these numbers of steps, cannot make a request.

    Empty where it can.
    """
    if not turbo_steps:
        return "take the full model"
    if guidance in (None, 1) and not negative_prompt and steps in (None, *turbo_steps):
        return ""
    return f"allowed: {', '.join(map(str, turbo_steps))} steps, no guidance, no negative prompt"


def whole_fps(fps: float) -> int:
    """The allowed whole number of frames a second that shows a clip of this rate as it is, or nearly so."""
    low, high = RANGES["fps"]
    return round(min(max(fps, low), high))


def check_range(name: str, value: float, limits: tuple[float, float]) -> None:
    """Raise BadRequest, naming what is allowed, unless ``value`` lies within the limits, ends included."""
    low, high = limits
    if not low <= value <= high:
        raise BadRequest(f"{name} {value} is out of range; allowed: {low} to {high}")
