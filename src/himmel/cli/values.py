"""Values as people type them: from text to numbers, with errors that name what is allowed.

Owns: reading values of options. The ranges themselves stand in ``himmel.spec``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from himmel.errors import BadRequest
from himmel.spec import allowed, check_range


def whole(name: str) -> Callable[[str | int], int]:
    """A reader of whole numbers in the range that ``himmel.spec`` has for ``name``."""

    def read(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            raise BadRequest(f"{name} '{text}' is not a whole number; allowed: {allowed(name)}") from None
        check_range(name, value)
        return value

    return read


def number(name: str) -> Callable[[str | float], float]:
    """A reader of numbers in the range that ``himmel.spec`` has for ``name``."""

    def read(text: str | float) -> float:
        try:
            value = float(text)
        except ValueError:
            raise BadRequest(f"{name} '{text}' is not a number; allowed: {allowed(name)}") from None
        check_range(name, value)
        return value

    return read


def one_of(name: str, choices: Sequence[str]) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        if text not in choices:
            raise BadRequest(f"{name} '{text}' is not known; allowed: {', '.join(choices)}")
        return text

    return read
