"""Credits: complete for everything the vocabulary can show, and refused where a field is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from himmel.errors import BadRequest
from himmel.world.archives import ARCHIVES
from himmel.world.credits import LICENCES, MANIFEST, TIERS, credit_lines, for_nouns, for_panoramas, load
from himmel.world.manifest import EXCLUDED
from himmel.world.nouns import DRAWING_STYLES, NOUNS
from himmel.world.panoramas import PANORAMAS
from himmel.world.vocabulary import STYLES

CREDITS = load()
USED = [credit for credit in CREDITS if not credit.excluded_reason]


def test_everything_that_can_be_shown_has_exactly_one_credit() -> None:
    wanted = {(noun, style) for noun in NOUNS for style in DRAWING_STYLES} | {(key, "panorama") for key in PANORAMAS}
    assert len(USED) == len(wanted)
    assert {(credit.concept, credit.style) for credit in USED} == wanted
    assert len({credit.asset_id for credit in CREDITS}) == len(CREDITS)


def test_no_picture_is_of_another_tier_and_attribution_names_its_licence() -> None:
    assert {credit.tier for credit in CREDITS} == set(TIERS)
    for credit in CREDITS:
        assert (credit.tier == "attribution") == credit.license_spdx.startswith("CC-BY"), credit.asset_id
        assert "SA" not in credit.license_spdx and "GPL" not in credit.license_spdx and "NC" not in credit.license_spdx


def test_every_licence_text_is_shipped() -> None:
    texts = {credit.license_text for credit in CREDITS}
    assert {Path(text).name for text in texts} == {path.name for path in LICENCES.iterdir()}
    assert "Permission is hereby granted" in (LICENCES / "MIT-Microsoft.txt").read_text()
    assert "Microsoft Corporation" in (LICENCES / "MIT-Microsoft.txt").read_text()


def test_pins_in_the_manifest_are_the_pins_that_are_fetched() -> None:
    pinned = {(archive.package, archive.version, archive.sha256) for archive in ARCHIVES.values()}
    assert {(credit.source_package, credit.version, credit.archive_sha256) for credit in CREDITS} == pinned


def test_names_and_facings_are_the_lexicon_s() -> None:
    cat = for_nouns(["cat"], ["flat"])[0]
    assert cat.names == {"en": "cat", "de": "Katze", "ja": "猫"}
    assert cat.facing == "left" and len(cat.file_sha256) == 64
    assert for_panoramas(["quay"])[0].facing == "front"


def test_what_was_left_out_says_why_and_is_used_for_nothing() -> None:
    left_out = [credit for credit in CREDITS if credit.excluded_reason]
    assert len(left_out) == len(EXCLUDED) and not any(credit.used_for for credit in left_out)
    assert not {credit.concept for credit in left_out} & set(NOUNS)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_word_leads_to_a_credit(style: str) -> None:
    (credit,) = for_nouns(["penguin"], [style])
    assert credit.concept == "penguin"
    if credit.style != style:
        assert style.replace("_", " ") in credit.changes_made


def test_made_styles_are_credited_once_with_what_they_are_made_from() -> None:
    assert [credit.asset_id for credit in for_nouns(["cat"], ["3d", "sketch", "silhouette"])] == ["3d/cat"]


def test_the_uncredited_is_refused() -> None:
    for request in (lambda: for_nouns(["quokka"], ["3d"]), lambda: for_nouns(["cat"], ["oil"])):
        with pytest.raises(BadRequest, match="credited"):
            request()


def test_a_line_names_author_licence_origin_and_changes() -> None:
    line = str(for_nouns(["cat"], ["sticker"])[0])
    for part in (
        "cat",
        "Twitter",
        "CC-BY-4.0",
        "https://github.com/jdecked/twemoji",
        "1.2.5",
        "mirrored",
        "recoloured",
    ):
        assert part in line
    assert len(credit_lines()) > len(USED)


@pytest.fixture
def manifest() -> dict[str, Any]:
    """The real manifest cut down to its first row."""
    whole: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return {"sources": whole["sources"], "assets": whole["assets"][:1]}


def written(folder: Path, manifest: dict[str, Any]) -> Path:
    path = folder / "credits.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "field", ["file_sha256", "path_in_archive", "title", "authors", "license_spdx", "license_evidence", "changes_made"]
)
def test_a_missing_or_empty_field_is_refused_by_name(tmp_path: Path, manifest: dict[str, Any], field: str) -> None:
    holder = manifest["assets"][0] if field in manifest["assets"][0] else manifest["sources"]["3d"]
    holder[field] = [] if field == "authors" else ""
    with pytest.raises(ValueError, match=field):
        load(written(tmp_path, manifest))
    del holder[field]
    with pytest.raises(ValueError, match=field):
        load(written(tmp_path, manifest))


def test_another_tier_is_refused(tmp_path: Path, manifest: dict[str, Any]) -> None:
    manifest["sources"]["3d"]["tier"] = "share-alike"
    with pytest.raises(ValueError, match="tier"):
        load(written(tmp_path, manifest))


def test_a_picture_that_the_lexicon_does_not_know_needs_names(tmp_path: Path, manifest: dict[str, Any]) -> None:
    manifest["assets"][0]["concept"] = "quokka"
    with pytest.raises(ValueError, match="names"):
        load(written(tmp_path, manifest))
