"""Whose art the training world is made of: one credit for every picture, with its licence and what we did to it.

Owns: reading the manifest ``credits.json``, the checks on it, and how a credit reads as a line of text.
Knows nothing of archives and pixels; ``manifest`` writes the file. Licence texts lie in ``licences/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from himmel.errors import BadRequest
from himmel.world.nouns import DRAWING_STYLES, NOUNS
from himmel.world.panoramas import PANORAMAS
from himmel.world.restyle import RESTYLED

MANIFEST = Path(__file__).with_name("credits.json")
LICENCES = Path(__file__).with_name("licences")
TIERS = ("permissive", "attribution")


@dataclass(frozen=True)
class Credit:
    """One picture: where it comes from, whose it is, on what terms, and what was changed.

    ``file_sha256`` is of the file, or, where many pictures share one file, of the drawing's own bytes in it; of a
    walk cycle it is of its files in order.
    ``excluded_reason`` is empty for everything that is used; an excluded picture has an empty ``used_for``.
    """

    asset_id: str
    source_package: str
    registry: str
    version: str
    archive_sha256: str
    path_in_archive: str
    file_sha256: str
    upstream_url: str
    title: str
    concept: str
    names: Mapping[str, str]
    style: str
    authors: tuple[str, ...]
    copyright_notice: str
    license_spdx: str
    license_text: str
    license_evidence: str
    tier: str
    changes_made: str
    facing: str
    used_for: str
    excluded_reason: str

    def __post_init__(self) -> None:
        empty = {"used_for"} if self.excluded_reason else {"excluded_reason"}
        for field in fields(self):
            if bool(getattr(self, field.name)) == (field.name in empty):
                raise ValueError(
                    f"credit {self.asset_id}: {field.name} is {'given' if field.name in empty else 'missing'}"
                )
        if self.tier not in TIERS:
            raise ValueError(f"credit {self.asset_id}: tier must be one of {', '.join(TIERS)}, not {self.tier}")
        if set(self.names) != {"en", "de", "ja"}:
            raise ValueError(f"credit {self.asset_id}: names are needed in en, de and ja")

    def __str__(self) -> str:
        """One line: name, style, author, licence, origin, changes."""
        line = (
            f"{self.names['en']} ({self.style}): {', '.join(self.authors)}; {self.license_spdx}; "
            f"{self.upstream_url}; from {self.source_package} {self.version}, {self.title}; {self.changes_made}"
        )
        return f"{line}; not used: {self.excluded_reason}" if self.excluded_reason else line


def load(path: Path = MANIFEST) -> list[Credit]:
    """Every credit, used and excluded, in the manifest's order. Raises ValueError for a missing or wrong field."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return [_credit(manifest["sources"][row["source"]], row) for row in manifest["assets"]]


def for_nouns(nouns: Iterable[str], styles: Iterable[str]) -> list[Credit]:
    """The credits of exactly these nouns in these styles; a style that is made from another credits that one.

    Raises BadRequest where the manifest has no such picture.
    """
    known = _by_concept()
    drawn = dict.fromkeys(RESTYLED[style][0] if style in RESTYLED else style for style in styles)
    wanted = [(noun, style) for noun in nouns for style in drawn]
    for noun, style in wanted:
        if (noun, style) not in known:
            raise BadRequest(
                f"no picture of '{noun}' in style '{style}' is credited; styles: {', '.join(DRAWING_STYLES)}"
            )
    return [known[pair] for pair in wanted]


def for_panoramas(keys: Iterable[str]) -> list[Credit]:
    """The credits of these panoramas. Raises BadRequest for one that the manifest does not hold."""
    return [credit for key in keys for credit in for_nouns([key], ["panorama"])]


def credit_lines() -> list[str]:
    """What ``himmel credits`` prints: how the licences stand, then one line per picture that is used."""
    used = [credit for credit in load() if not credit.excluded_reason]
    notices = dict.fromkeys(
        f"{credit.copyright_notice} {credit.license_spdx}, {credit.license_text}" for credit in used
    )
    return [f"{len(used)} pictures.", *notices, "", *map(str, used)]


@cache
def _by_concept() -> dict[tuple[str, str], Credit]:
    return {(credit.concept, credit.style): credit for credit in load() if not credit.excluded_reason}


def _credit(source: Mapping[str, Any], row: Mapping[str, Any]) -> Credit:
    """One row joined with what holds for its whole source, and with the lexicon's names and facings."""
    concept, style = str(row.get("concept", "")), str(source.get("style", ""))
    noun, panorama = NOUNS.get(concept), PANORAMAS.get(concept)
    named = panorama if style == "panorama" else noun
    told = {**source, **{name: value for name, value in row.items() if name != "source"}}
    told.setdefault("names", {language: getattr(named, language) for language in ("en", "de", "ja")} if named else {})
    told.setdefault("facing", noun.facing[style] if noun and style != "panorama" else "front")
    told.setdefault("excluded_reason", "")
    told["asset_id"] = f"{style}/{concept}"
    told["authors"] = tuple(told.get("authors", ()))
    absent = [field.name for field in fields(Credit) if field.name not in told]
    if absent:
        raise ValueError(f"credit {told['asset_id']}: {', '.join(absent)} is missing")
    told["used_for"] = "" if told["excluded_reason"] else told["used_for"]
    return Credit(**told)
