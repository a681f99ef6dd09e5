"""What stands near to a word that a model does not know, by meaning.

Owns: ``thesaurus.toml`` (groups of nouns in a tree, words near to other terms) and the search for the
nearest known names. Knows nothing of captions.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from himmel.words import MOST_NEIGHBOURS, Term, WordList
from himmel.world.nouns import NOUNS

LANGUAGES = ("en", "de", "ja")
# Where a noun stands that no group names, by its kind.
GROUP_OF_KIND = {
    "person": "person",
    "walker": "mammal",
    "flyer": "bird_any",
    "swimmer": "sea_animal",
    "vehicle": "road_vehicle",
    "boat": "boat",
    "aircraft": "aircraft",
    "floater": "sky_thing",
    "plant": "plant",
    "food": "food",
    "building": "building",
    "thing": "object",
}


@dataclass(frozen=True)
class Group:
    """Nouns of one kind: those that can be shown, by key, and other words per language."""

    name: str
    up: str | None
    nouns: tuple[str, ...]
    words: dict[str, tuple[str, ...]]


def neighbours(known: WordList, others: Iterable[Term]) -> dict[str, tuple[str, ...]]:
    """For every word of the thesaurus that the list does not know, lower case: names of the nearest terms.

    ``others`` are terms of the world that the list leaves out; their words have neighbours too. Where
    nothing is near, the names are empty: the word is no slip of the keyboard.
    """
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for language, word, terms in (*_near_nouns(known), *_near_terms(known), *_near_others(known, others)):
        # A word of two languages, such as Quokka, is answered in the first.
        spoken, names = found.setdefault(word.lower(), (language, {}))
        if spoken == language:
            names.update((term.names[language], None) for term in terms)
    return {word: tuple(names)[:MOST_NEIGHBOURS] for word, (_, names) in found.items() if not known.knows(word)}


def _near_nouns(known: WordList) -> Iterator[tuple[str, str, list[Term]]]:
    """(language, word, nearest nouns) for every word of every group."""
    shown = {term.key: term for term in known.of_kind("noun")}
    for group in groups().values():
        nearest = _nearest(group, shown)
        for language in LANGUAGES:
            names = [name for key in group.nouns for name in (_name(key, language), *NOUNS[key].synonyms[language])]
            for word in (*names, *group.words[language]):
                yield language, word, nearest


def _near_terms(known: WordList) -> Iterator[tuple[str, str, list[Term]]]:
    """(language, word, nearest terms) for every word near to a motion, setting, colour and so on."""
    for kind, terms in _file().items():
        if kind in ("noun", "instead"):
            continue
        for key, words in terms.items():
            nearest = _instead(known, kind, key)
            yield from ((lang, word, nearest) for lang in LANGUAGES for word in _list(words.get(lang, "")))


def _near_others(known: WordList, others: Iterable[Term]) -> Iterator[tuple[str, str, list[Term]]]:
    """(language, word, what there is instead) for every word of the terms that are left out."""
    for term in others:
        nearest = _instead(known, term.kind, term.key)
        yield from ((language, word, nearest) for language in LANGUAGES for word in term.words[language])


def _instead(known: WordList, kind: str, key: str) -> list[Term]:
    """The term itself, or what there is in its place."""
    shown = {term.key: term for term in known.terms if term.kind == kind}
    keys = (key,) if key in shown else _file()["instead"].get(kind, {}).get(key, ())
    return [shown[other] for other in keys if other in shown]


def _nearest(group: Group, shown: dict[str, Term]) -> list[Term]:
    """The group's own nouns; where there are fewer than two, those of wider and wider groups around it too."""
    found: dict[str, Term] = {}
    around: Group | None = group
    while around and len(found) < 2:
        found.update({key: shown[key] for key in _inside(around) if key in shown})
        around = groups()[around.up] if around.up else None
    return list(found.values())[:MOST_NEIGHBOURS]


def _inside(group: Group) -> Iterator[str]:
    yield from group.nouns
    for other in groups().values():
        if other.up == group.name:
            yield from _inside(other)


@cache
def groups() -> dict[str, Group]:
    """All groups of nouns by name, every noun in at least one of them."""
    rows = _file()["noun"]
    placed = {key for row in rows.values() for key in row.get("nouns", ())}
    more: dict[str, list[str]] = {}
    for noun in NOUNS.values():
        if noun.key not in placed:
            more.setdefault(GROUP_OF_KIND[noun.kind], []).append(noun.key)
    return {
        name: Group(
            name,
            row.get("up"),
            tuple(key for key in (*row.get("nouns", ()), *more.get(name, ())) if key in NOUNS),
            {language: _list(row.get(language, "")) for language in LANGUAGES},
        )
        for name, row in rows.items()
    }


def _name(key: str, language: str) -> str:
    noun = NOUNS[key]
    return {"en": noun.en, "de": noun.de, "ja": noun.ja}[language]


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


@cache
def _file() -> dict[str, dict[str, dict]]:
    return tomllib.loads(Path(__file__).with_name("thesaurus.toml").read_text(encoding="utf-8"))
