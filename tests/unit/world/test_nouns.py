"""The lexicon: whole, unambiguous, and covering what vocabularies name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from himmel.world.left_out import left_out
from himmel.world.nouns import DRAWING_STYLES, NOUNS, load
from himmel.world.tiers import LAPTOP_NOUNS

ROW = {
    "key": "cat",
    "hex": "1F408",
    "en": "cat",
    "en_plural": "cats",
    "en_article": "a",
    "de": "Katze",
    "de_gender": "f",
    "de_plural": "Katzen",
    "ja": "猫",
    "ja_counter": "匹",
    "kind": "walker",
    "facing": "left",
    "synonyms": {"en": ["kitty"]},
}


def written(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "nouns.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_the_laptop_nouns_are_there_and_many_more() -> None:
    assert set(LAPTOP_NOUNS) <= set(NOUNS)
    assert len(NOUNS) >= 680


def test_every_noun_faces_somewhere_in_every_drawing_style() -> None:
    assert all(set(noun.facing) == set(DRAWING_STYLES) for noun in NOUNS.values())


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_no_word_means_two_things(language: str) -> None:
    meant: dict[str, str] = {}
    for noun in NOUNS.values():
        own = {"en": {noun.en, noun.en_plural}, "de": {noun.de, noun.de_plural, noun.de_oblique}, "ja": {noun.ja}}
        for word in own[language] | set(noun.synonyms[language]):
            assert meant.setdefault(word.lower(), noun.key) == noun.key, word


def test_no_two_nouns_share_a_picture() -> None:
    assert len({noun.hex for noun in NOUNS.values()}) == len(NOUNS)


def test_articles_follow_the_sound() -> None:
    unlike_spelt = {"unicorn": "a", "ufo": "a", "hourglass": "an", "suv": "an"}
    for key, noun in NOUNS.items():
        assert noun.en_article == unlike_spelt.get(key, "an" if noun.en[0].lower() in "aeiou" else "a"), noun.en


def test_german_nouns_are_capitalised_and_decline() -> None:
    assert all(noun.de[0].isupper() and noun.de_plural[0].isupper() for noun in NOUNS.values())
    assert NOUNS["elephant"].de_oblique == "Elefanten"
    assert NOUNS["cat"].de_oblique == "Katze"
    assert [NOUNS[key].de_dative_plural for key in ("penguin", "car", "cat")] == ["Pinguinen", "Autos", "Katzen"]
    assert replace(NOUNS["cook"], de_plural="Köche mit Hut").de_dative_plural == "Köchen mit Hut"


@pytest.mark.parametrize(("ending", "gender", "plural"), [("ung", "f", "en"), ("chen", "n", ""), ("schine", "f", "n")])
def test_german_endings_settle_gender_and_plural(ending: str, gender: str, plural: str) -> None:
    for noun in NOUNS.values():
        if noun.de.endswith(ending) and not noun.de.lower().endswith(("kuchen", "drachen")):
            assert (noun.de_gender, noun.de_plural) == (gender, noun.de + plural), noun.de


def test_women_end_in_innen() -> None:
    women = [noun for noun in NOUNS.values() if noun.kind == "person" and noun.de.endswith("in")]
    assert len(women) > 30
    assert all((noun.de_gender, noun.de_plural) == ("f", noun.de + "nen") for noun in women)


def test_weak_german_nouns_take_their_ending_in_every_case() -> None:
    """Student, den Studenten: living beings, masculine, with such an ending and a plural in -en."""
    weak = ("ent", "ant", "ist", "ot", "aut", "ard", "nz", "e")
    for noun in NOUNS.values():
        if noun.de_gender == "m" and noun.kind in ("person", "walker") and noun.de.endswith(weak):
            declined = noun.de_plural.endswith("n") and noun.de_plural.startswith(noun.de)
            assert not declined or noun.de_oblique == noun.de_plural, noun.de


def test_counters_are_known_and_fit_the_kind() -> None:
    fitting = {
        "person": {"人", "体"},
        "walker": {"匹", "頭", "羽"},
        "flyer": {"匹", "頭", "羽"},
        "swimmer": {"匹", "頭", "羽", "人"},
        "vehicle": {"台", "両", "足"},
        "boat": {"隻", "艘"},
        "aircraft": {"機", "基"},
    }
    for noun in NOUNS.values():
        assert noun.ja_counter in fitting.get(noun.kind, {noun.ja_counter}), noun.key


def test_few_plurals_are_as_the_singular() -> None:
    alike = "fish moose deer bison sheep jellyfish squid pufferfish dice kadomatsu"
    assert " ".join(noun.en for noun in NOUNS.values() if noun.en == noun.en_plural) == alike


def test_what_is_left_out_is_not_in_and_says_why() -> None:
    absent = left_out()
    assert len(absent) > 300 and len({concept.hex for concept in absent}) == len(absent)
    assert not {concept.hex for concept in absent} & {noun.hex for noun in NOUNS.values()}
    assert all(concept.name and len(concept.why) > 5 for concept in absent)
    assert "weapon or war" in {concept.why for concept in absent}


def test_japanese_is_written_in_japanese() -> None:
    assert all(noun.ja == "UFO" or any(char > "\u3000" for char in noun.ja) for noun in NOUNS.values())


def test_one_facing_for_all_styles_may_be_one_word(tmp_path: Path) -> None:
    cat = load(written(tmp_path, ROW))["cat"]
    assert cat.facing == dict.fromkeys(DRAWING_STYLES, "left")
    assert cat.synonyms == {"en": ("kitty",), "de": (), "ja": ()}
    assert cat.de_oblique == "Katze" and not cat.face_only


@pytest.mark.parametrize(
    "change",
    [
        {"de_gender": "x"},
        {"kind": "gadget"},
        {"facing": "up"},
        {"facing": {"oil": "left"}},
        {"ja": ""},
        {"synonyms": {"fr": ["chat"]}},
        {"colour": "red"},
    ],
)
def test_a_wrong_row_is_refused_by_name(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="noun cat"):
        load(written(tmp_path, ROW | change))


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        load(written(tmp_path, ROW, ROW))
