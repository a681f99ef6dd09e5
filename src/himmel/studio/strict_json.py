"""JSON from strangers: what can be kept, compared and sent out again, and nothing else.

Owns: what is refused although Python would read it: too deep or too many values, the same name twice, numbers that no
field can hold, NaN, text that is no Unicode or holds a NUL (databases differ over both). Knows nothing of fields.
"""

from __future__ import annotations

import json
from typing import Any

from himmel.errors import ApiError

DEEPEST = 8
MOST_VALUES = 100_000  # commas, brackets and braces, in text too: what memory grows with
LONGEST_NUMBER = 40  # digits


def parsed(text: bytes) -> Any:
    """The value of a JSON text. Raises ApiError (400)."""
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise refused(f"it has more than {MOST_VALUES} values")
    try:
        found = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except ApiError:
        raise
    except (ValueError, RecursionError):
        raise refused("it is no JSON in UTF-8") from None
    _check(found)
    return found


def check_text(text: str) -> None:
    """Raise ApiError (400) for text with a NUL or half a character in it."""
    if "\0" in text:
        raise refused("a text holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise refused("a text holds half a character (a lone surrogate)") from None


def refused(why: str) -> ApiError:
    return ApiError(400, "invalid_json", f"the body cannot be used: {why}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise refused("an object has the same name twice")
    return found


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise refused("a number is too long")
    return int(text)


def _fraction(text: str) -> float:
    found = float(text)
    if found in (float("inf"), float("-inf")):
        raise refused("a number is too large")
    return found


def _constant(text: str) -> float:
    raise refused(f"{text} is no JSON")


def _check(value: object) -> None:
    """Depth and texts, level by level, without recursion."""
    level = [value]
    for _ in range(DEEPEST):
        below: list[object] = []
        for item in level:
            if isinstance(item, str):
                check_text(item)
            elif isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
        if not below:
            return
        level = below
    if any(isinstance(item, dict | list) for item in level):
        raise refused(f"it is more than {DEEPEST} levels deep")
    for item in level:
        if isinstance(item, str):
            check_text(item)
