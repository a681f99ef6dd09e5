"""Characters are kept by name and found in prompts as words of their own."""

import pytest

from himmel.cast import as_learned, cast_folder, kept_as, kept_characters, mentioned, place_of, without_names
from himmel.errors import BadRequest
from himmel.spec import Character

REX = Character("Rex", "rex.png")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.mark.parametrize("prompt", ["Rex jumps", "see Rex.", "Rex's ball", "a dog, Rex", "砂浜でRexが跳ぶ", "[Rex]"])
def test_a_name_is_found(prompt):
    assert mentioned(prompt, [REX]) == {"Rex"}


@pytest.mark.parametrize("prompt", ["Rexona", "T-Rexes", "rex jumps", "a dog", "Überex", "Rex_1"])
def test_a_part_of_a_word_is_no_name(prompt):
    assert mentioned(prompt, [REX]) == set()


def test_a_name_within_a_longer_one_is_not_called():
    anna, both, maria = (Character(name, f"{name}.png") for name in ("Anna", "Anna Maria", "Anna-Maria"))
    everybody = [anna, both, maria]
    assert mentioned("Anna-Maria jumps", everybody) == {"Anna-Maria"}
    assert as_learned("Anna Maria jumps", everybody) == "Character jumps"
    assert mentioned("Anna meets Anna Maria", everybody) == {"Anna", "Anna Maria"}
    assert mentioned("Anna jumps", []) == set()


def test_a_japanese_name_stands_between_other_words():
    taro = Character("太郎", "taro.png")
    assert as_learned("海辺で太郎が跳ぶ", [taro]) == "海辺でCharacterが跳ぶ"


def test_names_become_the_word_that_was_learned_or_nothing():
    assert as_learned("Rex meets Rex", [REX]) == "Character meets Character"
    assert without_names("Rex jumps", [REX]) == " jumps"
    assert as_learned("a (b) jumps", [Character("(b)", "b.png")]) == "a Character jumps"


def test_what_is_kept_is_listed_by_name(tmp_path):
    assert kept_characters() == []
    cast_folder().mkdir(parents=True)
    for name in ("Zoe", "Rex"):
        place_of(name).write_bytes(b"")
    assert [each.name for each in kept_characters()] == ["Rex", "Zoe"]
    assert kept_as("Zoe") == tmp_path / "himmel" / "characters" / "Zoe.png"
    with pytest.raises(BadRequest, match="known: Rex, Zoe"):
        kept_as("Bob")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "x" * 81, "a\nb", "-x"])
def test_what_is_no_file_name_is_no_name(name):
    with pytest.raises(BadRequest, match="allowed"):
        place_of(name)
