"""Words in brackets, as other tools know them, in the words that a model has learned: [pan left], [zoom in].

Owns: ``directions.toml`` (which commands there are, in three languages), what a command becomes, and in which language
a prompt is. Works on words alone: knows a model by its word list, and nothing of captions, pixels or files of models.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from himmel.words import JAPANESE, Term, WordList

LANGUAGES = ("en", "de", "ja")
BRACKET = re.compile(r"\[([^\[\]]*)\]|［([^［］]*)］|【([^【】]*)】")
BETWEEN = re.compile(r"[,;+/&|、，；・＋／]|\bthen\b|\band\b|\bdann\b|\bund\b|そして|それから")
# How fast is not among what a camera is taught; people say it all the same.
PACE = re.compile(
    r"\b(?:(?:very|slight|slow|quick|gentle|smooth|rapid|subtle|fast)(?:ly)?|gently|subtly"
    r"|(?:langsam|schnell|sanft|leicht)(?:er)?)\b|ゆっくりと?|素早く|速く|急",
    re.IGNORECASE,
)
LIKENESS = 0.75  # of spelling, from which on a word in brackets counts as a slip of the keyboard
LONGEST_SLIP = 40  # letters; what is longer is no slip, and comparing it takes long
STOPS = ".!?。！？"


@dataclass(frozen=True)
class Directed:
    """A prompt in a model's words, and one line for the user on each thing that is not as it was asked for."""

    prompt: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One camera command: its spellings per language, and keys of what may be done in its place or tried."""

    key: str
    spellings: dict[str, tuple[str, ...]]
    instead: tuple[str, ...] = ()
    near: tuple[str, ...] = ()


def directed(prompt: str, words: WordList, model: str) -> Directed:
    """The prompt with its bracketed commands in the words that ``model`` (a name, for the notes) learned.

    Camera commands become the model's own phrase in the prompt's language and move to its end, where captions have
    them. Other words in brackets that the model knows, such as [jumping], lose the brackets and stay. What the model
    cannot do is done in the nearest way or left out, and what nobody understands stays as typed; each with a note.
    A prompt without brackets comes back as it is.
    """
    reading = _Reading(words, model, language_of(BRACKET.sub(" ", prompt), words, prompt))
    brackets = list(BRACKET.finditer(prompt))
    if not brackets:
        return Directed(prompt, tuple(_unclosed(prompt)))
    ends = [*(bracket.start() for bracket in brackets), len(prompt)]
    text = prompt[: ends[0]]
    for bracket, end in zip(brackets, ends[1:], strict=True):
        kept = reading.left_of(bracket)
        if kept and not text.strip() and kept[0] != "[":
            kept += "、" if reading.language == "ja" else ","
        text = _joined(_joined(text, kept), prompt[bracket.end() : end])
    text = text.rstrip(" ")
    reading.notes += _unclosed(BRACKET.sub("", prompt))
    moves = list(reading.moves.values())
    if len(moves) > 1:
        reading.notes.append(
            f"{model} learned one camera move at a time, so of {', '.join(moves)} it may show only one; "
            "moves one after the other are the cards of a storyboard"
        )
    return Directed(appended(text, moves, reading.language), tuple(dict.fromkeys(reading.notes)))


def appended(prompt: str, phrases: list[str], language: str) -> str:
    """The prompt and phrases after it, as captions of the language have them, before the full stop if it has one."""
    if not phrases:
        return prompt
    comma = "、" if language == "ja" else ", "
    bare = prompt.rstrip()
    stop = bare[-1] if bare and bare[-1] in STOPS else ""
    return comma.join([part for part in (bare.rstrip(STOPS + ",、 "), *phrases) if part]) + stop


def language_of(text: str, words: WordList, more: str = "") -> str:
    """ "en", "de" or "ja": the language of most of a text's words; where there are none, of those of ``more``."""
    if re.search(f"[{JAPANESE}]", text):
        return "ja"
    tokens = re.findall(r"[^\W\d_]+", text.lower())
    known = _single_words(words)
    counts = {language: sum(token in known[language] for token in tokens) for language in ("en", "de")}
    if counts["de"] == counts["en"]:
        if not tokens and more:
            return language_of(more, words)
        return "de" if re.search("[äöüß]", text.lower()) else "en"
    return max(counts, key=lambda language: counts[language])


def said(text: str, kind: str, words: WordList) -> bool:
    """Whether a prompt says something of this kind of term, such as a light, by a word that is of no other kind."""
    others = {form.lower() for term in words.terms if term.kind != kind for form in _forms(term)}
    others |= {word.lower() for several in words.function.values() for word in several}
    own = {form.lower() for term in words.of_kind(kind) for form in _forms(term)} - others
    return any(_holds(text.lower(), form) for form in own)


@cache
def commands() -> dict[str, Command]:
    """Every spelling, in lower case, and the camera command that it stands for."""
    raw = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    found: dict[str, Command] = {}
    for key, row in raw.items():
        spellings = {language: tuple(row[language]) for language in LANGUAGES}
        command = Command(key, spellings, tuple(row.get("instead", ())), tuple(row.get("near", ())))
        found.update((spelling.lower(), command) for several in spellings.values() for spelling in several)
    return found


class _Reading:
    """The brackets of one prompt: camera phrases and notes as they are found."""

    def __init__(self, words: WordList, model: str, language: str) -> None:
        self.words, self.model, self.language = words, model, language
        self.cameras = {term.key: term for term in words.of_kind("camera")}
        self.moves: dict[str, str] = {}  # key of a camera → the phrase for it
        self.notes: list[str] = []

    def left_of(self, bracket: re.Match[str]) -> str:
        """What stays in the prompt where the bracket stood; camera phrases and notes are put down."""
        content = next(group for group in bracket.groups() if group is not None)
        parts = self._parts(content)
        if not parts:
            self.notes.append(f"'[]' is empty and was left out; for example [{self._examples()[0]}]")
        return ", ".join(kept for part in parts if (kept := self._kept(part)))

    def _parts(self, content: str) -> list[str]:
        """The commands of one bracket; what is known as a whole is not taken apart."""
        if self._command(content):
            return [content.strip()]
        return [part.strip() for part in BETWEEN.split(content) if part.strip()]

    def _kept(self, part: str) -> str:
        command = self._command(part)
        if command:
            self._move(command, part)
        elif own := self._own(part):
            self.moves.setdefault(*own)
        elif (plain := PACE.sub("", part).strip()) != part and (command := self._command(plain)):
            self._move(command, part)
            self.notes.append(
                f"[{_shown(part)}]: {self.model} never learned how fast a camera moves, only that it does"
            )
        elif self.words.knows(part):
            return part
        else:
            self.notes.append(self._stranger(part))
            return f"[{part}]"
        return ""

    def _command(self, part: str) -> Command | None:
        spelt = re.sub(r"[\s_]+", " ", part.lower()).strip(" .!")
        return commands().get(re.sub(r"^the |^die ", "", spelt))

    def _own(self, part: str) -> tuple[str, str] | None:
        """The camera's key and the phrase, for a wording of several words that the model learned of just one camera."""
        having = [t for t in self.cameras.values() if part.lower() in (form.lower() for form in _forms(t))]
        if len(having) != 1 or (" " not in part and not re.match(f"[{JAPANESE}]", part)):
            return None
        learned = [form.lower() for form in having[0].words.get(self.language, ())]
        return having[0].key, part if part.lower() in learned else self._name(having[0])

    def _move(self, command: Command, part: str) -> None:
        """Put down the phrase of a command, or of what there is in its place."""
        if term := self._term(command.key):
            self.moves.setdefault(term.key, self._name(term))
            return
        if own := self._own(part):
            self.moves.setdefault(*own)
            return
        instead = next((term for key in command.instead if (term := self._term(key))), None)
        if instead:
            self.moves.setdefault(instead.key, self._name(instead))
            self.notes.append(
                f"[{_shown(part)}]: {self.model} never learned it; the nearest is done: {self._name(instead)}"
            )
            return
        near = [self._name(term) for key in command.near if (term := self._term(key))]
        offer = f"nearest: {', '.join(near)}" if near else self._can()
        self.notes.append(f"[{_shown(part)}]: {self.model} never learned it, and it was left out; {offer}")

    def _term(self, key: str) -> Term | None:
        """The model's camera of this key; where the list has other keys, the one with a spelling of the command."""
        if key in self.cameras:
            return self.cameras[key]
        spelt = {spelling for spelling, command in commands().items() if command.key == key}
        return next((term for term in self.cameras.values() if spelt & {n.lower() for n in term.names.values()}), None)

    def _stranger(self, part: str) -> str:
        alike = difflib.get_close_matches(part.lower(), commands(), 1, LIKENESS) if len(part) < LONGEST_SLIP else []
        if alike:
            return f"[{_shown(part)}] is not understood and stays as typed; did you mean [{alike[0]}]?"
        return f"[{_shown(part)}] is no camera or motion command and stays as typed; {self._can()}"

    def _can(self) -> str:
        return f"{self.model} can: {', '.join(self._examples())}" if self.cameras else f"{self.model} knows no camera"

    def _examples(self) -> list[str]:
        return [self._name(term) for term in self.cameras.values()] or ["zoom in"]

    def _name(self, term: Term) -> str:
        return term.names.get(self.language) or term.names["en"]


def _shown(part: str) -> str:
    """What stood in a bracket, fit for one line."""
    line = " ".join(part.split())
    return line if len(line) < LONGEST_SLIP else line[:LONGEST_SLIP] + "…"


def _joined(left: str, right: str) -> str:
    """Two stretches of a prompt between which a bracket stood: one space, and no comma twice."""
    if not left.strip():
        return right.lstrip(" ,、")
    if not right.strip():
        return left
    if re.match(r"\s*[,.;:!?、。！？]", right):
        return left.rstrip(" ,、") + right.lstrip()
    tight = re.match(f"[{JAPANESE}]", right) and not left.endswith(" ")
    return left.rstrip(" ") + ("" if tight else " ") + right.lstrip(" ")


def _unclosed(text: str) -> Iterator[str]:
    if found := re.search(r"[\[\]［］【】]", text):
        yield f"the bracket '{found[0]}' has no partner and stays as typed; commands look so: [zoom in]"


def _forms(term: Term) -> Iterator[str]:
    for forms in term.words.values():
        yield from forms


def _holds(text: str, form: str) -> bool:
    """Whether a text has the form in it, in languages with spaces as whole words."""
    if re.search(f"[{JAPANESE}]", form):
        return form in text
    return bool(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text))


def _single_words(words: WordList) -> dict[str, frozenset[str]]:
    """Per language, the words of its names and of its grammar, lower case, without those that both have."""
    found = {
        language: {
            token
            for forms in (words.function.get(language, ()), *(term.words.get(language, ()) for term in words.terms))
            for form in forms
            for token in re.findall(r"[^\W\d_]+", form.lower())
        }
        for language in ("en", "de")
    }
    both = found["en"] & found["de"]
    return {language: frozenset(several - both) for language, several in found.items()}
