"""Plain YAML as tables of values that know their lines.

Owns: what of YAML a storyboard may use, and saying what is wrong in words for people who do not know YAML. The text is
only composed into nodes, never constructed: no tags, no aliases, no objects. Knows nothing of what the keys mean.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from himmel.errors import BadRequest, BadStoryboard

LARGEST_FILE = 200_000  # bytes
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, 10 times as fast, where it was built
DEEPEST = 4  # nested brackets: the file, its cards, a card, and one to complain of
TOO_DEEP = "lists and tables are nested too deep; a storyboard is settings and one list of cards"


@dataclass(frozen=True)
class Value:
    """A value as typed, and its line."""

    node: Any
    line: int


@dataclass(frozen=True)
class Table:
    """Keys and values of one part of the file."""

    path: Path
    line: int
    values: dict[str, Value]

    def has(self, key: str) -> bool:
        return key in self.values

    def bad(self, key: str, why: str) -> BadStoryboard:
        """The error for the value of a key, or for the whole part if it has no such key."""
        return BadStoryboard(self.path, self.values[key].line if key in self.values else self.line, why)

    def words(self, key: str) -> str:
        """A plain value in one line. Raises BadStoryboard for lists, tables, nothing at all, and what is no text."""
        node = self.values[key].node
        if not isinstance(node, yaml.ScalarNode):
            raise self.bad(key, f"'{key}' takes one value, not a list or a table; put a text with brackets in quotes")
        text = " ".join(node.value.split())
        if not text or (node.style is None and text in ("~", "null")):
            raise self.bad(key, f"'{key}' is empty; say something, or leave it out")
        if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
            raise self.bad(key, f"'{key}' holds what is no text; allowed: UTF-8")
        return text

    def entries(self, key: str) -> list[Any]:
        """The nodes of a list; none where there is no such key, or no list."""
        node = self.values[key].node if self.has(key) else None
        return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def table_of(node: Any, path: Path, allowed: tuple[str, ...]) -> Table:
    """The keys and values of a part of the file, each key once and known."""
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise BadStoryboard(path, line, f"lines such as 'key: value' belong here; allowed keys: {', '.join(allowed)}")
    values: dict[str, Value] = {}
    for key_node, value_node in node.value:
        key, line_of_key = str(key_node.value), key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key not in allowed:
            shown = key if isinstance(key_node, yaml.ScalarNode) else "a list or table"
            alike = difflib.get_close_matches(key.lower(), allowed, 1, 0.6)
            offer = f"did you mean '{alike[0]}'?" if alike else f"allowed: {', '.join(allowed)}"
            raise BadStoryboard(path, line_of_key, f"unknown key '{shown}'; {offer}")
        if key in values:
            raise BadStoryboard(path, line_of_key, f"'{key}' is said twice, on line {values[key].line} too")
        values[key] = Value(value_node, line_of_key)
    return Table(path, line, values)


def read_yaml(path: Path) -> Any:
    """The file as a tree of nodes with their lines. Raises BadStoryboard for what is not plain YAML."""
    text = _content(path)
    if odd := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text[: odd.start()].count("\n") + 1
        raise BadStoryboard(path, line, f"a character that no text has (U+{ord(odd[0]):04X})")
    try:
        for why, line in _unwelcome(text):
            raise BadStoryboard(path, line, why)
        root = yaml.compose(text, LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines = text.splitlines() or [""]
        line = min(mark.line, len(lines) - 1) if mark else 0
        raise BadStoryboard(path, line + 1, _explained(str(error.problem), lines[line])) from None
    if root is None:
        raise BadStoryboard(path, 1, "the storyboard is empty; it has settings and 'cards:'")
    return root


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadRequest(f"cannot read storyboard '{path}': {error.strerror or error}") from None
    if len(raw) > LARGEST_FILE:
        raise BadRequest(f"storyboard '{path}' is too large; allowed: {LARGEST_FILE} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BadStoryboard(path, line, "bytes that are no text; allowed: UTF-8") from None


def _unwelcome(text: str) -> Iterator[tuple[str, int]]:
    """What YAML has and a storyboard does not, found before anything of it is built: why, and the line."""
    depth = documents = 0
    for event in yaml.parse(text, LOADER):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            yield "anchors and aliases (& and *) are not for storyboards; put a text that begins so in quotes", line
        if getattr(event, "tag", None):
            yield "tags (!) are not for storyboards; put a text that begins so in quotes", line
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            yield TOO_DEEP, line
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            yield "a second storyboard begins here ('---'); allowed: one in a file", line


def _explained(problem: str, typed: str) -> str:
    """What is wrong, in words for people who do not know YAML."""
    if "\t" in typed and ("token" in problem or "tab" in problem):
        return "a tab; indent with spaces"
    if re.search(r":\s+\[", typed):
        return 'a text that begins with a bracket belongs in quotes: text: "[pan left] a cat"'
    if "nesting depth" in problem:  # newer parsers have a limit of their own
        return TOO_DEEP
    if "mapping values" in problem:
        return "a ':' where none may be; put a text with ': ' in quotes, and indent all keys of a card alike"
    return f"not understood ({problem}); indent alike what belongs together, and put texts with special signs in quotes"
