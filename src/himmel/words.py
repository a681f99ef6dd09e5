"""The words that a model knows: which of a prompt it never learned, and what it knows that is near.

Owns: the word list that lies beside a model's weights, reading and writing it, and looking words up.
Standard library only; knows nothing of torch, of captions, or of where the list came from.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from himmel.errors import BadCheckpoint

VERSION = 1
KINDS = ("noun", "motion", "setting", "light", "weather", "camera", "colour", "size", "relation", "style", "count")
SOMEBODY = "Character"  # what models learn to read, in every language, for whoever a picture shows and words do not
MOST_NEIGHBOURS = 3
LIKENESS = 0.8  # of spelling, from which on a word counts as a slip of the keyboard
SHORTEST_SLIP = {"en": 5, "ja": 4}  # letters; of shorter words only swapped letters count
JAPANESE = "\u3005\u3041-\u309f\u30a0-\u30ff\u3400-\u9fff"
TOKEN = re.compile(rf"[{JAPANESE}]+|(?:(?![{JAPANESE}])\w)+(?:[-'’.]+(?:(?![{JAPANESE}])\w)+)*")
STOP = re.compile(r"[,;:!?()\[\]|]|(?<=\w\w)\.(?!\w)")
# Per language: what to cut off, and what to put instead.
ENDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {"'s": ("",), "’s": ("",), "ies": ("y",), "es": ("", "e"), "s": ("",), "ing": ("", "e"), "ed": ("", "e")},
    "de": {"ern": ("er",), "er": ("", "e"), "es": ("",), "em": ("",), "en": ("", "e"), "e": ("", "en"), "n": ("",),
           "s": ("",), "st": ("en", "n"), "t": ("en", "n")},
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One thing that a model can show: a noun, a motion, a setting and so on.

    ``names`` is the usual name per language ("en", "de", "ja"), ``words`` every form that captions use.
    """

    key: str
    kind: str
    names: Mapping[str, str]
    words: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class UnknownWord:
    """A word of a prompt that the model never learned, as typed.

    ``nearest`` are known words of like meaning or spelling, the nearest first; where there are none,
    ``examples`` are a few words that the model does know.
    """

    word: str
    nearest: tuple[str, ...]
    examples: tuple[str, ...] = ()

    def line(self, model: str) -> str:
        """One line for the user."""
        start = f"'{self.word}' is not in {model}'s vocabulary; "
        if self.nearest:
            return start + "nearest: " + ", ".join(self.nearest)
        return start + "it knows nothing near; examples of what it knows: " + ", ".join(self.examples)


@dataclass(frozen=True)
class WordList:
    """All words of one model.

    ``terms`` in the order of the vocabulary; ``function`` the small words per language that stand for no
    term; ``neighbours`` known names near to common words that the model does not know, lower case.
    """

    terms: tuple[Term, ...]
    function: Mapping[str, tuple[str, ...]]
    neighbours: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        """Number of terms, the concepts that the model claims; its words for them are many more."""
        return len(self.terms)

    def of_kind(self, kind: str) -> tuple[Term, ...]:
        """The terms of one of ``KINDS``. Raises ValueError for another kind."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind '{kind}'; known: {', '.join(KINDS)}")
        return tuple(term for term in self.terms if term.kind == kind)

    def search(self, text: str) -> tuple[Term, ...]:
        """Terms with a word or key that contains the text, whole matches first; case does not matter."""
        sought = text.strip().lower()

        def rank(term: Term) -> int:
            forms = [term.key.lower(), *(form.lower() for forms in term.words.values() for form in forms)]
            return 0 if sought in forms else 1 if any(form.startswith(sought) for form in forms) else 2

        found = [term for term in self.terms if any(sought in form.lower() for form in (term.key, *_forms(term)))]
        return tuple(sorted(found, key=rank))

    def unknown(self, prompt: str) -> list[UnknownWord]:
        """The words of a prompt that the model never learned, each once, in the order of the prompt.

        Case, punctuation, brackets, figures and simple English and German endings do not matter; Japanese
        is cut into words by longest match, and particles are passed over.
        """
        missing = dict.fromkeys(word for word in self._strange(prompt))
        return [self._explained(word) for word in missing]

    def knows(self, text: str) -> bool:
        """Whether the model learned every word of the text."""
        return not any(self._strange(text))

    def save(self, path: Path) -> None:
        """Write the list as JSON."""
        terms = [{"key": t.key, "kind": t.kind, "names": t.names, "words": t.words} for t in self.terms]
        content = {"version": VERSION, "terms": terms, "function": self.function, "neighbours": self.neighbours}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1, default=dict), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> WordList:
        """Read what :meth:`save` wrote. Raises BadCheckpoint for a file that is damaged or of another version."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("version") != VERSION:
                raise BadCheckpoint(path, f"word list of version {content.get('version')}; this Himmel reads {VERSION}")
            if set(content) != {"version", "terms", "function", "neighbours"}:
                raise BadCheckpoint(path, f"word list with the keys {', '.join(sorted(content))}")
            terms = tuple(Term(**{**row, "words": _tuples(row["words"])}) for row in content["terms"])
            return cls(terms, _tuples(content["function"]), _tuples(content["neighbours"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadCheckpoint(path, f"not a word list ({error})") from error

    def _strange(self, prompt: str) -> Iterator[str]:
        """Unknown words as typed; no name goes on across a comma."""
        for part in STOP.split(prompt):
            yield from self._strange_part(TOKEN.findall(part))

    def _strange_part(self, tokens: list[str]) -> Iterator[str]:
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if _japanese(token):
                yield from self._strange_japanese(token)
                place += 1
                continue
            length = self._longest(tokens, place)
            strange = next((n for n in (3, 2) if " ".join(tokens[place : place + n]).lower() in self.neighbours), 1)
            if strange > max(1, length) or not (length or self._passes(token)):
                yield " ".join(tokens[place : place + strange])
            place += max(1, strange, length)

    def _longest(self, tokens: list[str], place: int) -> int:
        """How many tokens from here on make one known name, such as 'fire engine'; 0 if none."""
        most = self._lengths.get(tokens[place].lower(), 1)
        for length in range(min(most, len(tokens) - place), 0, -1):
            *front, last = (token.lower() for token in tokens[place : place + length])
            for language, known in self._known.items():
                if any(" ".join((*front, form)) in known for form in _stems(last, language)):
                    return length
        return 0

    def _passes(self, token: str) -> bool:
        """Figures pass, with a unit too (4k, 24fps), and compounds with a hyphen whose parts are known."""
        if re.fullmatch(r"[\d.,:]+[a-zA-Z]{0,3}", token):
            return True
        parts = re.split(r"[-'’.]+", token)
        return len(parts) > 1 and all(self._longest([part], 0) or part.isdigit() for part in parts)

    def _strange_japanese(self, text: str) -> Iterator[str]:
        """Cut by longest match; what is left over and more than a stray syllable is unknown."""
        rest, place = "", 0
        while place <= len(text):
            size = next((n for n in range(len(text) - place, 0, -1) if text[place : place + n] in self._japanese), 0)
            if size or place == len(text):
                if re.search(r"[\u30a1-\u30fa\u3400-\u9fff]", rest) or len(rest) > 2:
                    yield rest
                rest = ""
            else:
                rest += text[place]
            place += max(1, size)

    def _explained(self, word: str) -> UnknownWord:
        for form in self._inflected(word.lower()):
            if form in self.neighbours:
                nearest = self.neighbours[form][:MOST_NEIGHBOURS]
                return UnknownWord(word, nearest, () if nearest else self._examples(word))
        alike = self._alike(word.lower(), self._spellings)
        if alike:
            return UnknownWord(word, tuple(dict.fromkeys(self._spellings[form] for form in alike))[:MOST_NEIGHBOURS])
        strangers = self._alike(word.lower(), self.neighbours)
        if strangers and self.neighbours[strangers[0]]:
            return UnknownWord(word, self.neighbours[strangers[0]][:MOST_NEIGHBOURS])
        return UnknownWord(word, (), self._examples(word))

    def _inflected(self, word: str) -> Iterator[str]:
        """What may stand in the table of neighbours for a word: its stems, or in Japanese the same root."""
        yield from (*_stems(word, "en"), *_stems(word, "de"))
        root = re.match(r"[\u3400-\u9fff]+(?=[\u3041-\u309f])", word)
        if root:  # 遊ん(でいる) and 遊ぶ
            yield from (other for other in self.neighbours if re.fullmatch(rf"{root[0]}[\u3041-\u309f]+", other))

    def _alike(self, word: str, others: Iterable[str]) -> list[str]:
        """Those spelt nearly like the word, the best and what is hardly worse."""
        if len(word) < SHORTEST_SLIP["ja" if _japanese(word) else "en"]:
            return [other for other in others if sorted(other) == sorted(word)]
        found = difflib.get_close_matches(word, others, 2 * MOST_NEIGHBOURS, LIKENESS)
        likeness = [difflib.SequenceMatcher(None, word, other).ratio() for other in found]
        return [other for other, like in zip(found, likeness, strict=True) if like > likeness[0] - 0.1]

    def _examples(self, word: str) -> tuple[str, ...]:
        """A few nouns from all over the vocabulary, in the script of the word."""
        language = "ja" if _japanese(word) else "en"
        names = [term.names[language] for term in self.of_kind("noun")]
        return tuple(names[:: max(1, len(names) // 5)][:5])

    @cached_property
    def _known(self) -> dict[str, frozenset[str]]:
        """English and German forms, lower case, with umlauts and without."""
        known = {}
        for language in ("en", "de"):
            forms = [form for term in self.terms for form in term.words.get(language, ())]
            # ASCII in Japanese words, as in Tシャツ, comes as a token of its own.
            forms += [part for term in self.terms for form in term.words.get("ja", ()) for part in TOKEN.findall(form)]
            lower = [" ".join(TOKEN.findall(form.lower())) for form in (*forms, *self.function.get(language, ()))]
            known[language] = frozenset((*lower, *map(_plain, lower)))
        return known

    @cached_property
    def _lengths(self) -> dict[str, int]:
        """First token of a known name → how many tokens the longest such name has."""
        lengths: dict[str, int] = {}
        for form in (form for forms in self._known.values() for form in forms):
            first, *others = form.split(" ")
            lengths[first] = max(lengths.get(first, 1), 1 + len(others))
        return lengths

    @cached_property
    def _japanese(self) -> frozenset[str]:
        """The Japanese stretches of all Japanese forms and particles."""
        forms = [form for term in self.terms for form in term.words.get("ja", ())] + list(self.function.get("ja", ()))
        return frozenset(part for form in forms for part in re.findall(f"[{JAPANESE}]+", form))

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """Every form, lower case → what is shown for it: the term's name, or of motions the form itself."""
        return {
            form.lower(): form if term.kind == "motion" else term.names[language]
            for term in reversed(self.terms)
            for language, forms in term.words.items()
            for form in forms
        }


def _forms(term: Term) -> Iterator[str]:
    for forms in term.words.values():
        yield from forms


@lru_cache(maxsize=10_000)
def _stems(word: str, language: str) -> tuple[str, ...]:
    """The word, and what it may be an inflection of."""
    stems = []
    for spelt in dict.fromkeys((word, _plain(word))):
        stems.append(spelt)
        for ending, others in ENDINGS[language].items():
            stem = spelt.removesuffix(ending)
            if spelt == stem or (len(stem) < 3 and ending[0].isalpha()):
                continue
            stems += [stem + other for other in others]
            if language == "en" and stem[-1] == stem[-2]:  # hopp(ing)
                stems.append(stem[:-1])
    return tuple(dict.fromkeys(stems))


def _japanese(word: str) -> bool:
    return bool(re.match(f"[{JAPANESE}]", word))


def _plain(word: str) -> str:
    """Without umlauts, as people type on other keyboards: schildkroete."""
    return word.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")


def _tuples(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(words) for key, words in table.items()}
