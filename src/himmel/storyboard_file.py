"""A storyboard read from its file, with errors that name the line and what is allowed.

Owns: what the keys of the file mean, times as people write them, and where a card stands whose times are left out.
Knows nothing of YAML (``storyboard_yaml``) and nothing of pixels; how long a clip is it is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from himmel.errors import BadRequest, BadStoryboard
from himmel.spec import RANGES, Size, check_range
from himmel.storyboard import CLIP, IMAGE, KINDS, TEXT, Card, ShotSettings, Storyboard, apart, shots
from himmel.storyboard_yaml import Table, read_yaml, table_of

MOST_CARDS = 1000
TOP_KEYS = ("model", "size", "fps", "seed", "seconds", "steps", "guidance", "negative", "cards")
# What a card of each kind may say, beside what it is.
TIMES = ("at", "for", "until")
ANY_CARD = (*TIMES, "gap", "cut", "seed")
CARD_KEYS = {
    TEXT: (TEXT, *ANY_CARD),
    IMAGE: (IMAGE, "prompt", *ANY_CARD),
    CLIP: (CLIP, "from", "to", "prompt", *ANY_CARD),
}
YES, NO = ("true", "yes", "on"), ("false", "no", "off")
A_TIME = "seconds such as 2.5, or a timecode such as 1:30, 0:01:30.5 or (with 'fps') 00:01:30:12"


def read_storyboard(path: Path, clip_seconds: Callable[[Path], float]) -> Storyboard:
    """The storyboard in a file; paths in it are relative to it.

    ``clip_seconds`` tells how long the clip in a file is. Raises BadStoryboard, with the line, for all that cannot be
    followed, BadRequest for a file that cannot be read.
    """
    top = table_of(read_yaml(path), path, TOP_KEYS)
    cards = top.entries("cards")
    if not cards:
        raise top.bad("cards", "there are no cards; 'cards:' is a list, each entry with '- text: …', image or clip")
    if len(cards) > MOST_CARDS:
        raise top.bad("cards", f"{len(cards)} cards are too many; allowed: {MOST_CARDS}")
    settings = _settings(top)
    length = _time(top, "seconds", settings.fps) if top.has("seconds") else None
    if length is not None:
        _in_range(top, "seconds", length)
    found = _Timeline(path, settings.fps, length, clip_seconds)
    for node in cards:
        found.add(_card_table(node, path))
    storyboard = Storyboard(path, settings, found.closed(), tuple(found.cards))
    shots(storyboard)  # told nothing, or too short: better said now than after the first shot is made
    return storyboard


class _Timeline:
    """Cards as they come, each placed after the one before."""

    def __init__(
        self, path: Path, fps: int | None, length: float | None, clip_seconds: Callable[[Path], float]
    ) -> None:
        self.path, self.fps, self.length, self.clip_seconds = path, fps, length, clip_seconds
        self.cards: list[Card] = []
        self.open = False  # whether the last card lasts until the next one, whenever that is

    def add(self, table: Table) -> None:
        """Place one more card."""
        kind = _kind(table)
        cut = table.has("cut") and _yes(table, "cut")
        if table.has("seed") and self.cards and not cut:
            raise table.bad(
                "seed", "a seed is for a whole shot; allowed: on the first card and on cards with 'cut: true'"
            )
        file = _file(table, kind) if kind != TEXT else None
        start = self._start(table, kind, cut=cut)
        begins = _time(table, "from", self.fps) if table.has("from") else 0.0
        end = self._end(table, kind, start, begins, file)
        prompt_key = TEXT if kind == TEXT else "prompt"
        card = Card(
            line=table.line,
            kind=kind,
            start=start,
            end=start if end is None else end,
            prompt=table.words(prompt_key) if table.has(prompt_key) else None,
            file=file,
            source_start=begins,
            gap=table.words("gap") if table.has("gap") else None,
            cut=cut,
            seed=int(_number(table, "seed", whole=True)) if table.has("seed") else None,
        )
        self.cards.append(card)
        self.open = end is None

    def closed(self) -> float:
        """The length of the whole; the last card is closed by it."""
        last = self.cards[-1]
        if self.open and self.length is None:
            why = "how long does the last card last? Give it 'for' or 'until', or the storyboard 'seconds'"
            raise BadStoryboard(self.path, last.line, why)
        length = last.end if self.length is None else self.length
        self._close(length)
        self._refuse_useless_gap(length)
        low, high = RANGES["seconds"]
        if not low <= length <= high:
            raise BadStoryboard(self.path, last.line, f"it all lasts {length:g} s; allowed: {low} to {high} s")
        return length

    def _start(self, table: Table, kind: str, *, cut: bool) -> float:
        """When the card begins; the one before it is closed by it."""
        before = self.cards[-1] if self.cards else None
        if not table.has("at"):
            if self.open and before:
                why = (
                    f"when does this begin? Give it 'at', or give the card before (line {before.line}) 'for' or 'until'"
                )
                raise BadStoryboard(self.path, table.line, why)
            start = before.end if before else 0.0
        else:
            start = _time(table, "at", self.fps)
        if before and start < (before.start if self.open else before.end):
            until = f"begins at {before.start:g} s" if self.open else f"lasts until {before.end:g} s"
            raise table.bad("at", f"{start:g} s overlaps the card before (line {before.line}), which {until}")
        if self.length is not None and (start > self.length or (start == self.length and kind != IMAGE)):
            raise table.bad("at", f"this card begins at {start:g} s, beyond the end; 'seconds' is {self.length:g}")
        if before and kind != TEXT and before.kind == IMAGE and start == before.start and not cut:
            raise table.bad("at", f"{start:g} s is the time of the picture before (line {before.line}) already")
        self._close(start)
        self._refuse_useless_gap(start)
        return start

    def _close(self, end: float) -> None:
        """Give the last card, if it is open, its end."""
        if not self.open:
            return
        last = self.cards.pop()
        if end <= last.start:
            raise BadStoryboard(self.path, last.line, f"this card lasts no time: the next one begins at {end:g} s too")
        self.cards.append(replace(last, end=end))
        self.open = False

    def _refuse_useless_gap(self, following: float) -> None:
        last = self.cards[-1] if self.cards else None
        if last and last.gap and last.end >= following:
            why = "'gap' is told between this card and the next, but nothing is; end the card with 'for' or 'until'"
            raise BadStoryboard(self.path, last.line, why)

    def _end(self, table: Table, kind: str, start: float, begins: float, file: Path | None) -> float | None:
        """When the card ends; None for a text that lasts until the next card."""
        given = [key for key in ("for", "until", "to") if table.has(key)]
        if len(given) > 1:
            raise table.bad(given[1], f"'{given[0]}' says already how long it lasts; allowed: one of for, until, to")
        if not given:
            end = start if kind == IMAGE else None
        elif given[0] == "until":
            end = _time(table, "until", self.fps)
        else:
            end = start + _time(table, given[0], self.fps) - (begins if given[0] == "to" else 0.0)
        if kind == CLIP and file:
            end = self._end_of_clip(table, start, begins, end, file)
        end = None if end is None else round(end, 6)
        if end is not None and given and end <= start:
            raise table.bad(given[0], f"this card would last {apart(end, start):g} s; allowed: more than 0")
        if end is not None and self.length is not None and end > self.length:
            key = given[0] if given else kind
            raise table.bad(key, f"this card lasts until {end:g} s, beyond the end; 'seconds' is {self.length:g}")
        return end

    def _end_of_clip(self, table: Table, start: float, begins: float, end: float | None, file: Path) -> float:
        try:
            length = self.clip_seconds(file)
        except BadRequest as error:
            raise table.bad(CLIP, str(error)) from None
        if begins >= length:
            raise table.bad("from", f"{begins:g} s is beyond the end of '{table.words(CLIP)}' ({length:g} s)")
        rest = length - begins
        if end is not None and end - start > rest + 1e-6:
            key = next(key for key in ("for", "until", "to") if table.has(key))
            why = f"'{table.words(CLIP)}' is too short: {rest:g} s of it are left for {apart(end, start):g} s"
            raise table.bad(key, why)
        return start + rest if end is None else end


def _card_table(node: Any, path: Path) -> Table:
    every = tuple(dict.fromkeys(key for keys in CARD_KEYS.values() for key in keys))
    return table_of(node, path, every)


def _kind(table: Table) -> str:
    """What the card is; it must say just one, and nothing that belongs to another kind."""
    kinds = [kind for kind in KINDS if table.has(kind)]
    if not kinds:
        raise BadStoryboard(table.path, table.line, f"what is this card? Give it one of {', '.join(KINDS)}")
    if len(kinds) > 1:
        hint = "; what is told with it is its 'prompt'" if kinds[0] == TEXT else ""
        raise table.bad(kinds[1], f"a card is one of {', '.join(KINDS)}, not {' and '.join(kinds)}{hint}")
    foreign = next((key for key in table.values if key not in CARD_KEYS[kinds[0]]), None)
    if foreign:
        raise table.bad(
            foreign, f"'{foreign}' is not for cards with {kinds[0]}; allowed: {', '.join(CARD_KEYS[kinds[0]])}"
        )
    return kinds[0]


def _settings(top: Table) -> ShotSettings:
    values: dict[str, Any] = {}
    if top.has("model"):
        values["model"] = top.words("model")
    if top.has("negative"):
        values["negative_prompt"] = top.words("negative")
    for name in ("fps", "seed", "steps"):
        if top.has(name):
            values[name] = int(_number(top, name, whole=True))
    if top.has("guidance"):
        values["guidance"] = _number(top, "guidance")
    if top.has("size"):
        try:
            values["size"] = Size.parse(top.words("size"))
        except BadRequest as error:
            raise top.bad("size", str(error)) from None
    return ShotSettings(**values)


def _time(table: Table, key: str, fps: int | None) -> float:
    """Seconds, of a number or a timecode; of the latter the last part may be frames."""
    text = table.words(key)
    if text.startswith("-"):
        raise table.bad(key, f"{key} '{text}' is negative; allowed: {A_TIME}")
    if found := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*s?", text):
        return round(float(found[1]), 6)
    if found := re.fullmatch(r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]?\d(?:\.\d{1,9})?)", text):
        return round(3600 * int(found[1] or 0) + 60 * int(found[2]) + float(found[3]), 6)
    if found := re.fullmatch(r"(\d{1,3}):([0-5]\d):([0-5]\d)[:;](\d{1,3})", text):
        if fps is None:
            raise table.bad(
                key, f"{key} '{text}' counts frames; say at the top how many are a second, such as 'fps: 24'"
            )
        if int(found[4]) >= fps:
            raise table.bad(key, f"{key} '{text}': there is no frame {int(found[4])}; allowed: 0 to {fps - 1}")
        return round(3600 * int(found[1]) + 60 * int(found[2]) + int(found[3]) + int(found[4]) / fps, 6)
    raise table.bad(key, f"{key} '{text}' is no time; allowed: {A_TIME}")


def _number(table: Table, key: str, *, whole: bool = False) -> float:
    text = table.words(key)
    if not re.fullmatch(r"-?\d{1,12}" if whole else r"-?\d{1,12}(\.\d{1,9})?", text):
        low, high = RANGES[key]
        raise table.bad(key, f"{key} '{text}' is not a {'whole ' * whole}number; allowed: {low} to {high}")
    _in_range(table, key, int(text) if whole else float(text))
    return float(text)


def _in_range(table: Table, key: str, value: float) -> None:
    try:
        check_range(key, value, RANGES[key])
    except BadRequest as error:
        raise table.bad(key, str(error)) from None


def _yes(table: Table, key: str) -> bool:
    text = table.words(key).lower()
    if text not in YES + NO:
        raise table.bad(key, f"{key} '{text}' is not understood; allowed: true, false")
    return text in YES


def _file(table: Table, key: str) -> Path:
    name = table.words(key)
    file = table.path.parent / name
    if not os.path.isfile(file):  # Path's own raises where a name is too long
        raise table.bad(key, f"there is no file '{name}'; paths count from the folder of the storyboard")
    return file
