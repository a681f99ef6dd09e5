"""Values as people type them: from text to numbers and names, with errors that name what is allowed.

Owns: reading the values of options. The ranges of a request stand in ``himmel.spec``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from himmel.errors import BadRequest
from himmel.spec import RANGES, STRENGTH, check_range

DEVICES = ("auto", "cpu", "cuda", "mps")
STRENGTHS = {"subtle": 0.4, "mild": 0.6, "strong": 0.8}  # how much of a clip's noise a remix begins with


def whole(name: str, limits: tuple[float, float] | None = None) -> Callable[[str | int], int]:
    """A reader of whole numbers within the limits; those of a request's number of this name, if none are given."""
    low, high = limits or RANGES[name]

    def read(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            raise BadRequest(f"{name} '{text}' is not a whole number; allowed: {low} to {high}") from None
        check_range(name, value, (low, high))
        return value

    return read


def number(name: str, limits: tuple[float, float] | None = None) -> Callable[[str | float], float]:
    """A reader of numbers within the limits; those of a request's number of this name, if none are given."""
    low, high = limits or RANGES[name]

    def read(text: str | float) -> float:
        try:
            value = float(text)
        except ValueError:
            raise BadRequest(f"{name} '{text}' is not a number; allowed: {low} to {high}") from None
        check_range(name, value, (low, high))
        return value

    return read


def strength(text: str | float) -> float:
    """How much a remix changes, by name or number."""
    low, high = STRENGTH
    try:
        value = STRENGTHS.get(str(text).lower()) or float(text)
    except ValueError:
        raise BadRequest(
            f"strength '{text}' is not known; allowed: {', '.join(STRENGTHS)}, or {low} to {high:g}"
        ) from None
    check_range("strength", value, STRENGTH)
    return value


def moment(text: str | tuple[float, Path]) -> tuple[float, Path]:
    """A picture at a second of the clip: "2.5=FILE"."""
    if isinstance(text, tuple):
        return text
    second, equals, path = text.partition("=")
    try:
        time = float(second)
    except ValueError:
        time = -1.0
    if not (equals and path and 0 <= time <= RANGES["seconds"][1]):
        raise BadRequest(f"keyframe '{text}' is not understood; allowed: SECONDS=FILE, for example 2.5=cat.png")
    return time, Path(path)


def one_of(name: str, choices: Sequence[str]) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        if text not in choices:
            raise BadRequest(f"{name} '{text}' is not known; allowed: {', '.join(choices)}")
        return text

    return read


def range_of(name: str) -> str:
    """What a request's number of this name may be, for help: "0 to 30"."""
    low, high = RANGES[name]
    return f"{low} to {high}"
