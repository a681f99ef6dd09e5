"""Named looks, the presets of ``--preset``: words on style, light, weather and camera that are put into a prompt.

Owns: ``looks.toml``, a user's own looks in a file of the same form, and putting a look's words where they can be seen.
Works on words alone: knows a model by its word list, and nothing of captions, pixels or files of models.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from himmel.directions import LANGUAGES, Directed, appended, language_of, said
from himmel.errors import BadRequest
from himmel.words import WordList

KINDS = ("style", "light", "weather", "camera")  # in the order in which a prompt says them
# How fast is no kind of a model's terms; who learned it did so as small words, beside all kinds.
PACES = {"en": ("slowly", "quickly"), "de": ("langsam", "schnell"), "ja": ("ゆっくり", "素早く")}
BUILT_IN = Path(__file__).with_suffix(".toml")
LARGEST_FILE = 100_000  # bytes


@dataclass(frozen=True)
class Look:
    """What a preset says: kind of term → language → words, kinds in the order of ``KINDS``."""

    name: str
    description: str
    words: Mapping[str, Mapping[str, str]]

    def line(self, language: str = "en") -> str:
        """The words that the look puts into a prompt, with commas."""
        return ", ".join(self.said_of(kind, language) for kind in self.words)

    def said_of(self, kind: str, language: str) -> str:
        """The look's words of a kind; those of another language where it has none in this one."""
        told = self.words[kind]
        return next(told[other] for other in (language, *LANGUAGES) if other in told)


def own_looks() -> Path:
    """Where a user's own looks are read from, whether the file is there or not."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "himmel" / "presets.toml"


def all_looks(own: Path | None = None) -> dict[str, Look]:
    """All looks by name: those of Himmel, then those in the file ``own`` (:func:`own_looks` if None), which win.

    Raises BadRequest for a file that cannot be read or says what no look says.
    """
    own = own or own_looks()
    return {**read_looks(BUILT_IN), **(read_looks(own) if own.is_file() else {})}


def look_named(name: str, looks: Mapping[str, Look]) -> Look:
    """The look of this name; case does not matter, and spaces are as good as hyphens. Raises BadRequest if none."""
    simple = {key.lower(): look for key, look in looks.items()}
    sought = "-".join(name.lower().replace("_", " ").split())
    if sought in simple:
        return simple[sought]
    alike = difflib.get_close_matches(sought, simple, 1)
    meant = f"did you mean '{simple[alike[0]].name}'? " if alike else ""
    raise BadRequest(f"unknown preset '{name}'; {meant}known: {', '.join(looks)}")


def with_look(prompt: str, look: Look, words: WordList, model: str) -> Directed:
    """The prompt with the look's words at its end, in its language, and a note on each thing that is otherwise.

    Give it a prompt whose brackets are read already (:func:`himmel.directions.directed`). What the prompt says itself
    wins: its own light, weather, camera or style leaves the look's out. Words that ``model`` (a name, for the notes)
    never learned are put in all the same, and named.
    """
    language = language_of(prompt, words)
    phrases, notes = [], []
    for kind, told in look.words.items():
        phrase = look.said_of(kind, language)
        if said(prompt, kind, words):
            notes.append(f"preset {look.name}: the prompt says its own {kind}, so '{phrase}' is left out")
            continue
        if language not in told:
            notes.append(f"preset {look.name}: no words for {kind} in the prompt's language; '{phrase}' is put in")
        if strange := [f"'{unknown.word}'" for unknown in words.unknown(phrase)]:
            notes.append(f"preset {look.name}: '{phrase}' is put in, but {model} never learned {', '.join(strange)}")
        phrases.append(phrase)
    return Directed(appended(prompt, phrases, language), tuple(notes))


def read_looks(path: Path) -> dict[str, Look]:
    """The looks of one file, by name. Raises BadRequest for what is not of the form of ``looks.toml``."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadRequest(f"presets '{path}' are too large; allowed: {LARGEST_FILE} bytes")
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRequest(f"cannot read presets '{path}': {error}") from None
    return {name: _look(name, row, path) for name, row in raw.items()}


def _look(name: str, row: object, path: Path) -> Look:
    start = f"preset '{name}' in '{path}'"
    if not isinstance(row, dict) or not isinstance(row.get("description", ""), str):
        raise BadRequest(f"{start}: it must be a table with a description and {', '.join(KINDS)}")
    unknown = [key for key in row if key not in ("description", *KINDS)]
    if unknown:
        raise BadRequest(f"{start}: unknown key '{unknown[0]}'; allowed: description, {', '.join(KINDS)}")
    words = {kind: _per_language(row[kind], f"{start}: {kind}") for kind in KINDS if kind in row}
    if not words:
        raise BadRequest(f"{start}: it says nothing; give it some of {', '.join(KINDS)}")
    return Look(name, row.get("description", ""), words)


def _per_language(value: object, start: str) -> dict[str, str]:
    """Words per language; a plain text is English."""
    told = {"en": value} if isinstance(value, str) else value
    if not isinstance(told, dict) or not told or set(told) - set(LANGUAGES):
        raise BadRequest(f'{start} must be a text or a table such as {{ en = "at night", de = "bei Nacht" }}')
    if not all(isinstance(text, str) and text.strip() for text in told.values()):
        raise BadRequest(f"{start} must have words, not nothing, in each of its languages")
    return dict(told)
