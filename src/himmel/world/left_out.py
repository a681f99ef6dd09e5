"""What the drawing styles hold and the lexicon leaves out, and why.

Owns: ``left_out.toml`` and the checks on it. Knows nothing of archives and licences: pictures that one archive
shows wrongly (a logo, a trade mark) are excluded in the credits.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class LeftOut:
    """One concept: ``hex`` is its code point as in the lexicon, ``name`` English, ``why`` one line."""

    hex: str
    name: str
    why: str


@cache
def left_out() -> tuple[LeftOut, ...]:
    """Every concept that was looked at and left out, by reason, the commonest reason first."""
    reasons = tomllib.loads(Path(__file__).with_name("left_out.toml").read_text(encoding="utf-8"))["left_out"]
    return tuple(LeftOut(code, name, reason["why"]) for reason in reasons for code, name in reason["concepts"].items())
