"""Characters that prompts call by name: where they are kept, and how a prompt says them.

Owns: the folder of kept characters, and finding names in prompts. Knows nothing of models; a character is a picture.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from himmel.errors import BadRequest
from himmel.spec import LONGEST_NAME, Character, Gap, VideoRequest
from himmel.words import JAPANESE, SOMEBODY

BESIDE = rf"[^\W{JAPANESE}]"  # a letter that would make a name part of a longer word; Japanese sets words side by side


def cast_folder() -> Path:
    """Where characters are kept, whether it is there or not."""
    folder = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(folder) / "himmel" / "characters"


def kept_characters() -> list[Character]:
    """All characters that were added, by name."""
    return [Character(path.stem, str(path)) for path in sorted(cast_folder().glob("*.png"))]


def place_of(name: str) -> Path:
    """Where a character of this name is kept. Raises BadRequest for what is no name."""
    if not re.fullmatch(r"\w[\w .'’-]*", name) or len(name) > LONGEST_NAME:
        raise BadRequest(
            f"'{name[:LONGEST_NAME]}' is no name for a character; allowed: up to {LONGEST_NAME} letters, figures, "
            "spaces, points, hyphens and apostrophes"
        )
    return cast_folder() / f"{name}.png"


def mentioned(prompt: str, characters: Iterable[Character]) -> set[str]:
    """The names of those whom a prompt calls, by words of their own: who calls Anna-Maria does not call Anna."""
    return set(re.findall(_any_of(characters), prompt))


def called(request: VideoRequest, characters: Iterable[Character]) -> tuple[Character, ...]:
    """Those of the characters whom a request's prompts call by name."""
    known = tuple(characters)
    prompts = [part.prompt or request.prompt for part in request.parts if isinstance(part, Gap)]
    names = set[str]().union(*(mentioned(prompt, known) for prompt in prompts))
    return tuple(each for each in known if each.name in names)


def as_learned(prompt: str, characters: Iterable[Character]) -> str:
    """The prompt with the word that models learned in the place of every name."""
    return _replaced(prompt, characters, SOMEBODY)


def without_names(prompt: str, characters: Iterable[Character]) -> str:
    """The prompt with nothing in the place of every name."""
    return _replaced(prompt, characters, "")


def kept_as(name: str) -> Path:
    """The picture of a kept character. Raises BadRequest where there is none of this name."""
    path = place_of(name)
    if not path.is_file():
        known = ", ".join(character.name for character in kept_characters()) or "none yet"
        raise BadRequest(f"there is no character '{name}'; known: {known}")
    return path


def _any_of(characters: Iterable[Character]) -> str:
    """A pattern of all names, which finds the longest first; of nothing where there are none."""
    names = sorted((re.escape(each.name) for each in characters), key=len, reverse=True)
    return rf"(?<!{BESIDE})(?:{'|'.join(names)})(?!{BESIDE})" if names else r"(?!)"


def _replaced(prompt: str, characters: Iterable[Character], word: str) -> str:
    return re.sub(_any_of(characters), word, prompt)
