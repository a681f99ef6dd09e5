"""The lexicon of things: every noun with its words in three languages and how its pictures face.

Owns: ``nouns.json`` and the checks on it. Knows nothing of sentences (``caption``) or pixels (``sprites``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from himmel.words import SOMEBODY

DRAWING_STYLES = ("3d", "flat", "line_art", "cartoon", "sticker")
LANGUAGES = ("en", "de", "ja")
FACINGS = ("left", "right", "front")
KINDS = (
    "person",
    "walker",  # animals that go on land
    "flyer",  # animals with wings that fly
    "swimmer",
    "vehicle",  # on wheels
    "boat",
    "aircraft",  # rockets too
    "floater",  # drifts by itself: balloons, clouds, kites
    "plant",
    "food",
    "building",
    "thing",
)


@dataclass(frozen=True)
class Noun:
    """One thing that can be shown.

    ``hex`` is its code point, by which every art set knows it. ``de_oblique`` is the German accusative and
    dative singular without article (it differs from ``de`` for weak nouns only: Elefant, Elefanten).
    ``ja_counter`` counts it (匹, 羽, 頭, 台 …). ``facing`` says, per drawing style, which way the picture
    looks as published: 'left', 'right' or 'front' (no side). ``face_only``: the art shows a head, no body.
    """

    key: str
    hex: str
    en: str
    en_plural: str
    en_article: str
    de: str
    de_gender: str
    de_plural: str
    de_oblique: str
    ja: str
    ja_counter: str
    kind: str
    facing: Mapping[str, str]
    synonyms: Mapping[str, tuple[str, ...]]
    face_only: bool = False

    def __post_init__(self) -> None:
        if not all((self.key, self.en, self.en_plural, self.de, self.de_plural, self.ja, self.ja_counter)):
            raise ValueError(f"noun {self.key}: a word is missing")
        allowed = {
            "en_article": ("a", "an"),
            "de_gender": ("m", "f", "n"),
            "kind": KINDS,
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"noun {self.key}: {name} must be one of {', '.join(values)}")
        if set(self.facing) - set(DRAWING_STYLES) or set(self.facing.values()) - set(FACINGS):
            raise ValueError(f"noun {self.key}: facing must give {', '.join(FACINGS)} per drawing style")
        if set(self.synonyms) - set(LANGUAGES):
            raise ValueError(f"noun {self.key}: synonyms are per language: {', '.join(LANGUAGES)}")

    @property
    def de_dative_plural(self) -> str:
        """The German dative plural: Pinguinen, Autos; of several words the first is declined: Menschen mit Hut."""
        head, *rest = self.de_plural.split(" ")
        return " ".join((head if head.endswith(("n", "s")) else head + "n", *rest))


def load(path: Path) -> dict[str, Noun]:
    """Read a lexicon, by key, in the file's order. Raises ValueError for a row that is wrong or repeated."""
    nouns: dict[str, Noun] = {}
    for row in json.loads(path.read_text(encoding="utf-8")):
        noun = _noun(row)
        if noun.key in nouns:
            raise ValueError(f"noun {noun.key} occurs twice")
        nouns[noun.key] = noun
    return nouns


def _noun(row: dict[str, object]) -> Noun:
    """One row of the file; ``facing`` may be one word for all styles, ``de_oblique`` is left out where it is ``de``."""
    values = dict(row)
    facing = values["facing"]
    values["facing"] = dict.fromkeys(DRAWING_STYLES, facing) if isinstance(facing, str) else facing
    values.setdefault("de_oblique", values["de"])
    synonyms = values.get("synonyms") or {}
    if not isinstance(synonyms, dict):
        raise ValueError(f"noun {row.get('key')}: synonyms are a table per language")
    values["synonyms"] = dict.fromkeys(LANGUAGES, ()) | {language: tuple(words) for language, words in synonyms.items()}
    try:
        return Noun(**values)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"noun {row.get('key')}: {error}") from error


NOUNS: dict[str, Noun] = load(Path(__file__).with_name("nouns.json"))

# Stands for somebody who is shown, not described; ``caption.naming`` takes the articles away, as a name has none.
CHARACTER = Noun(
    key="character",
    hex="",
    en=SOMEBODY,
    en_plural=f"{SOMEBODY}s",
    en_article="a",
    de=SOMEBODY,
    de_gender="m",
    de_plural=f"{SOMEBODY}s",
    de_oblique=SOMEBODY,
    ja=SOMEBODY,
    ja_counter="人",
    kind="person",
    facing={},
    synonyms={},
)
NAMED = NOUNS | {CHARACTER.key: CHARACTER}  # all that sentences can be about
