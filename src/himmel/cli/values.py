"""Values as people type them: from text to numbers and names, with errors that name what is allowed.

Owns: reading the values of options. The ranges of a request stand in ``himmel.spec``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from himmel.errors import BadRequest
from himmel.spec import RANGES, check_range

DEVICES = ("auto", "cpu", "cuda", "mps")


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
