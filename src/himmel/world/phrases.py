"""The wordings of one language, and what a caption decides to say.

Owns: reading ``phrases_<language>.toml`` and choosing among wordings. Knows nothing of grammar: the
``caption_<language>`` modules build sentences of what they find here.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from himmel.world.nouns import NOUNS

P_USUAL = 0.3  # how often the first wording, the usual one, is taken without drawing


@dataclass(frozen=True)
class Extras:
    """The keys of style, light, weather and camera that a caption says; None is left unsaid."""

    style: str | None = None
    light: str | None = None
    weather: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Phrases:
    """All wordings of one language: kind of term → key → form → wordings.

    Forms differ by language and kind: ``full`` fits into a sentence, ``bare`` is a keyword; motions have
    ``any`` and, where a kind of noun has its own words, that kind.
    """

    tables: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]]

    def of(self, table: str, key: str, form: str) -> tuple[str, ...]:
        """The wordings of a term in one form; empty where the table has none."""
        return self.tables[table].get(key, {}).get(form, ())

    def every(self) -> Iterator[tuple[str, str, str, str]]:
        """All (table, key, form, wording)."""
        for table, terms in self.tables.items():
            for key, forms in terms.items():
                for form, wordings in forms.items():
                    for wording in wordings:
                        yield table, key, form, wording


@cache
def phrases(language: str) -> Phrases:
    """The wordings of ``"en"``, ``"de"`` or ``"ja"``."""
    raw = tomllib.loads(Path(__file__).with_name(f"phrases_{language}.toml").read_text(encoding="utf-8"))
    return Phrases(
        {
            table: {key: {form: tuple(words) for form, words in forms.items()} for key, forms in terms.items()}
            for table, terms in raw.items()
        }
    )


def pick(rng: random.Random, wordings: Sequence[str]) -> str:
    """One wording, the first more often than the others."""
    return wordings[0] if rng.random() < P_USUAL else rng.choice(wordings)


def cut(rng: random.Random, pieces: Sequence[str]) -> list[str]:
    """The pieces in random order, the first mostly kept in front."""
    rest = list(pieces[1:])
    rng.shuffle(rest)
    if rest and rng.random() < 0.15:
        place = rng.randint(1, len(rest))
        return [*rest[:place], pieces[0], *rest[place:]]
    return [pieces[0], *rest]


@cache
def synonyms(language: str) -> dict[str, tuple[str, ...]]:
    """Other names per noun, without those that a second noun has too."""
    names = [noun.synonyms.get(language, ()) for noun in NOUNS.values()]
    taken = [getattr(noun, language) for noun in NOUNS.values()] + [name for several in names for name in several]
    return {key: tuple(n for n in own if taken.count(n) == 1) for key, own in zip(NOUNS, names, strict=True)}
