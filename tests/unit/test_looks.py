"""Presets: what they put into a prompt, a user's own, and what is said of words that a model never learned."""

from pathlib import Path

import pytest

import himmel
from himmel.backends.fake import WORDS as FAKE
from himmel.directions import LANGUAGES
from himmel.errors import BadRequest
from himmel.looks import BUILT_IN, KINDS, all_looks, look_named, own_looks, read_looks, with_look
from himmel.words import WordList

PAPERCUT = WordList.load(Path(himmel.__path__[0]) / "weights" / "papercut" / "words.json")
LOOKS = read_looks(BUILT_IN)
NOIR = LOOKS["film-noir"]


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_every_look_says_only_what_papercut_learned_in_every_language(look):
    assert look.description.endswith(".")
    for kind, told in look.words.items():
        assert set(told) == set(LANGUAGES)
        for language, phrase in told.items():
            assert PAPERCUT.knows(phrase), phrase
            terms = [t for t in PAPERCUT.of_kind(kind) for f in (*t.words[language], t.names[language]) if f == phrase]
            assert terms, f"{phrase} is no {kind}"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat jumps on the beach.", "a cat jumps on the beach, at night, in the rain, static camera."),
        ("eine Katze am Strand", "eine Katze am Strand, bei Nacht, im Regen, feste Kamera"),
        ("猫が浜辺にいる。", "猫が浜辺にいる、夜に、雨の中、固定カメラ。"),
    ],
)
def test_a_look_stands_at_the_end_in_the_language_of_the_prompt(prompt, expected):
    found = with_look(prompt, NOIR, PAPERCUT, "papercut")
    assert (found.prompt, found.notes) == (expected, ())


def test_the_prompt_has_the_last_word():
    found = with_look("a cat at sunset, zoom in", NOIR, PAPERCUT, "papercut")
    assert found.prompt == "a cat at sunset, zoom in, in the rain"
    assert found.notes == (
        "preset film-noir: the prompt says its own light, so 'at night' is left out",
        "preset film-noir: the prompt says its own camera, so 'static camera' is left out",
    )


def test_words_that_the_model_never_learned_are_named():
    found = with_look("a cat", LOOKS["storm"], FAKE, "fake")
    assert found.prompt == "a cat, at dusk, in heavy rain, pan left"
    assert "preset storm: 'in heavy rain' is put in, but fake never learned 'heavy', 'rain'" in found.notes


def test_names_are_found_however_they_are_typed():
    assert look_named("Film Noir", LOOKS) is look_named("film_noir", LOOKS) is NOIR
    with pytest.raises(BadRequest, match=r"unknown preset 'filmnoir'; did you mean 'film-noir'\? known: archival, "):
        look_named("filmnoir", LOOKS)
    with pytest.raises(BadRequest, match="unknown preset 'xx'; known: "):
        look_named("xx", LOOKS)


def test_a_user_has_looks_too_and_they_win(tmp_path):
    own = tmp_path / "presets.toml"
    own.write_text('[film-noir]\ndescription = "mine."\nlight = "at midnight"\n[Fog]\nweather.de = "im Nebel"\n')
    looks = all_looks(own)
    assert set(looks) == {*LOOKS, "Fog"}
    assert looks["film-noir"].line() == "at midnight"
    assert look_named("fog", looks) is looks["Fog"]
    found = with_look("a cat", looks["Fog"], PAPERCUT, "papercut")
    assert found.prompt == "a cat, im Nebel"
    assert [note.split(": ")[1] for note in found.notes] == [
        "no words for weather in the prompt's language; 'im Nebel' is put in",
        "'im Nebel' is put in, but papercut never learned 'Nebel'",
    ]
    assert all_looks(tmp_path / "none.toml") == LOOKS


def test_a_users_looks_are_where_their_settings_are(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_looks() == tmp_path / "himmel" / "presets.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert own_looks() == Path.home() / ".config" / "himmel" / "presets.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "preset 'x' in '.*': it must be a table"),
        ("[x]\nlihgt = 'a'", "unknown key 'lihgt'; allowed: description, style, light, weather, camera"),
        ("[x]\ndescription = 'a'", f"it says nothing; give it some of {', '.join(KINDS)}"),
        ("[x]\nlight = 1", "light must be a text or a table"),
        ("[x]\nlight.fr = 'nuit'", "light must be a text or a table"),
        ("[x]\nlight.en = ' '", "light must have words"),
        ("[x", "cannot read presets '.*': "),
        ("#" * 100_001, "are too large; allowed: 100000 bytes"),
    ],
)
def test_what_is_no_look_is_one_line(tmp_path, text, expected):
    own = tmp_path / "presets.toml"
    own.write_text(text)
    with pytest.raises(BadRequest, match=expected):
        all_looks(own)
