"""What files of JSON, CSV or text say of the clips beside them, whoever wrote them: a Sora account's export, say.

Owns: finding prompts. No form is taken for granted: whatever object or row names a clip (by its file, or by a number in
the file's name) and has a prompt, or stands within one that has, tells that clip's. Knows nothing of accounts.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from himmel.errors import ApiError
from himmel.studio.archive import Archive, Entry
from himmel.studio.strict_json import check_text, parsed

PROMPTS = ("prompt", "user_prompt", "original_prompt", "text_prompt", "caption", "description", "text", "title")
MODELS = ("model", "model_name", "model_id")
TIMES = ("created_at", "create_time", "timestamp")
MOST_WORDS = 12  # of a name, the last, that may be a number together
SHORTEST = 6  # characters of a number that is looked for within names
LONGEST = 32_000
TEXTS = (".json", ".jsonl", ".csv", ".txt")


def said_of(archive: Archive, clips: list[Entry]) -> dict[str, dict[str, Any]]:
    """By the clip's name in the archive: ``prompt``, and ``model`` and ``created_at`` as they were found."""
    names = _Names(clips)
    told: dict[str, dict[str, Any]] = {}
    for entry in archive.entries:
        if entry.ending not in TEXTS or entry.path.name == "himmel.json":
            continue
        for clip, found in _read(archive.text(entry), entry, names):
            if "prompt" in found:
                told[clip] = told.get(clip, {}) | found
    return told


class _Names:
    """Clips by what may be said for their names."""

    def __init__(self, clips: list[Entry]) -> None:
        self.by_stem = {entry.path.stem.lower(): entry.name for entry in clips}
        self.by_part: dict[str, str] = {}
        for stem, name in self.by_stem.items():
            words = re.split(r"[_\s]", stem)[-MOST_WORDS:]
            runs = {"_".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
            for part in {stem, *runs}:
                if len(part) >= SHORTEST:
                    # What is in two names says neither.
                    self.by_part[part] = "" if self.by_part.get(part, name) != name else name

    def beside(self, entry: Entry) -> str | None:
        """The clip whose file has the same name but for the ending."""
        return self.by_stem.get(entry.path.stem.lower())

    def of(self, value: object) -> str | None:
        """The clip that a text names: a path, an address, or a number."""
        if not isinstance(value, str) or len(value) > 2000:
            return None
        stem = PurePosixPath(value.split("?")[0].replace("\\", "/")).name.lower()
        stem = re.sub(r"\.(mp4|mov|m4v)$", "", stem)
        return self.by_stem.get(stem) or self.by_part.get(stem) or None


def _read(text: bytes, entry: Entry, names: _Names) -> Iterator[tuple[str, dict[str, Any]]]:
    beside = names.beside(entry)
    try:
        match entry.ending:
            case ".json":
                yield from _walk(parsed(text), names, {}, beside)
            case ".jsonl":
                for line in filter(bytes.strip, text.splitlines()):
                    yield from _walk(parsed(line), names, {}, None)
            case ".csv":
                for row in csv.DictReader(io.StringIO(_decoded(text))):
                    yield from _walk(dict(row), names, {}, None)
            case ".txt" if beside:
                yield beside, {"prompt": _decoded(text).strip()[:LONGEST]}
    except (ApiError, UnicodeDecodeError, csv.Error):
        return  # what cannot be read says nothing; the clips are there all the same


def _decoded(text: bytes) -> str:
    """As strict as with JSON: an export of what is taken here is read again. Raises ApiError, UnicodeDecodeError."""
    decoded = text.decode("utf-8-sig")
    check_text(decoded)
    return decoded


def _walk(
    value: Any, names: _Names, around: dict[str, Any], beside: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a value and those in it say; ``around`` is what those around it say, ``beside`` its clip."""
    if isinstance(value, list):
        for one in value:
            yield from _walk(one, names, around, beside)
    if not isinstance(value, dict):
        return
    known = around | _facts(value)
    for one in (beside, *map(names.of, value.values())):
        if one:
            yield one, known
    if beside and "prompt" in known:
        beside = None  # the outermost that says anything is meant
    for key, one in value.items():
        if (clip := names.of(key)) and isinstance(one, str):
            yield clip, {"prompt": one[:LONGEST]}
        elif clip:
            yield from _walk(one, names, known, clip)
        elif isinstance(one, (dict, list)):
            yield from _walk(one, names, known, beside)


def _facts(value: dict[str, Any]) -> dict[str, Any]:
    """What an object says of itself."""
    lower = {str(key).lower(): one for key, one in value.items()}

    def first(keys: tuple[str, ...], good: Callable[[Any], bool]) -> Any:
        return next((lower[key] for key in keys if key in lower and good(lower[key])), None)

    prompt = first(PROMPTS, lambda one: isinstance(one, str) and bool(one.strip()))
    told = {"prompt": prompt.strip()[:LONGEST] if prompt else None}
    told["model"] = first(MODELS, lambda one: isinstance(one, str) and 0 < len(one) <= 120)
    told["created_at"] = first(TIMES, lambda one: isinstance(one, (int, float, str)))
    return {name: one for name, one in told.items() if one is not None}
