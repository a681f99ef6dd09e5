"""Commands in brackets, in the words of a model: what they become, and what is said when they cannot."""

from pathlib import Path

import pytest

import himmel
from himmel.backends.fake import WORDS as FAKE
from himmel.directions import LANGUAGES, Directed, appended, commands, directed, language_of, said
from himmel.words import Term, WordList

PAPERCUT = WordList.load(Path(himmel.__path__[0]) / "weights" / "papercut" / "words.json")


def result(prompt: str, words: WordList = PAPERCUT) -> str:
    return directed(prompt, words, "papercut").prompt


def notes(prompt: str, words: WordList = PAPERCUT) -> tuple[str, ...]:
    return directed(prompt, words, "papercut").notes


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat jumps on the beach [pan left]", "a cat jumps on the beach, pan left"),
        ("[Pan right] A cat jumps on the beach.", "A cat jumps on the beach, pan right."),
        ("[Push in] a cat", "a cat, zoom in"),
        ("a cat [pull out] on the beach", "a cat on the beach, zoom out"),
        ("a cat, [zoom in], on the beach", "a cat, on the beach, zoom in"),
        ("a cat [static]", "a cat, static camera"),
        ("a cat [Static shot]", "a cat, static camera"),
        ("a cat [STATIC_SHOT]", "a cat, static camera"),
        ("a cat [the camera pans left]", "a cat, pan left"),
        ("a cat [slow zoom in]", "a cat, slow zoom in"),
        ("[zoom in]", "zoom in"),
        ("[zoom in] a cat [zoom in]", "a cat, zoom in"),
        ("eine Katze am Strand [zoom in]", "eine Katze am Strand, Kamera zoomt heran"),
        ("Eine Katze springt. [Schwenk nach links]", "Eine Katze springt, Kamera schwenkt nach links."),
        ("[Zoom heran]", "Kamera zoomt heran"),
        ("a cat [Schwenk links]", "a cat, pan left"),
        ("猫が浜辺でジャンプする。[zoom in]", "猫が浜辺でジャンプする、ズームイン。"),
        ("【ズームイン】猫が浜辺でジャンプする", "猫が浜辺でジャンプする、ズームイン"),
        ("猫が浜辺にいる［左にパン］", "猫が浜辺にいる、左にパン"),
        ("a cat [右パン]", "a cat, pan right"),
        ("a penguin [jumping] in the snow", "a penguin jumping in the snow"),
        ("[night] a cat on the beach", "night, a cat on the beach"),
        ("a cat [jumping], [pan left]!", "a cat jumping, pan left!"),
    ],
)
def test_what_the_model_can_is_said_in_its_words_without_a_note(prompt, expected):
    assert directed(prompt, PAPERCUT, "papercut").prompt == expected
    assert notes(prompt) == ()


@pytest.mark.parametrize("prompt", ["a cat", "", "  two  spaces ", "a cat, on the beach .", "猫"])
def test_a_prompt_without_brackets_comes_back_as_it_is(prompt):
    assert directed(prompt, PAPERCUT, "papercut").prompt == prompt
    assert notes(prompt) == ()


@pytest.mark.parametrize(
    "prompt", ["a cat [pan left, zoom in]", "eine Katze [wackeln].", "【ズームイン】猫", "a [jumping] cat"]
)
def test_what_is_directed_once_is_directed_for_good(prompt):
    assert directed(result(prompt), PAPERCUT, "papercut") == Directed(result(prompt))


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat [Pan left, Zoom in]",
        "[pan left] a cat [zoom in]",
        "a cat [pan left + zoom in]",
        "a cat [pan left then zoom in]",
        "a cat [pan left、zoom in] [slow zoom in]",
    ],
)
def test_several_moves_are_all_said_and_the_doubt_too(prompt):
    assert result(prompt) == "a cat, pan left, zoom in"
    (note,) = notes(prompt)
    assert "one camera move at a time" in note and "storyboard" in note


@pytest.mark.parametrize(
    ("prompt", "expected", "note"),
    [
        (
            "[truck left] a cat",
            "a cat, pan left",
            "[truck left]: papercut never learned it; the nearest is done: pan left",
        ),
        ("eine Katze [Fahrt nach rechts]", "eine Katze, Kamera schwenkt nach rechts", "Kamera schwenkt nach rechts"),
        ("a cat [tilt up]", "a cat", "[tilt up]: papercut never learned it, and it was left out; papercut can: static"),
        ("a cat [shake]", "a cat", "left out; papercut can: static camera, zoom in, zoom out, pan left, pan right"),
        ("a cat [tracking shot] runs", "a cat runs", "left out; nearest: pan left, pan right"),
        ("猫[手持ち]が走る", "猫が走る", "papercut can: 固定カメラ, ズームイン"),
        ("a cat [slowly zoom in]", "a cat, zoom in", "never learned how fast a camera moves"),
        ("a cat [zom in]", "a cat [zom in]", "[zom in] is not understood and stays as typed; did you mean [zoom in]?"),
        ("a cat [dramatic music]", "a cat [dramatic music]", "[dramatic music] is no camera or motion command"),
        ("a cat []", "a cat", "'[]' is empty"),
        ("a cat [pan left", "a cat [pan left", "the bracket '[' has no partner"),
        ("[zoom in] a cat]", "a cat], zoom in", "the bracket ']' has no partner"),
    ],
)
def test_what_the_model_cannot_is_never_dropped_in_silence(prompt, expected, note):
    assert result(prompt) == expected
    assert len(notes(prompt)) == 1 and note in notes(prompt)[0]


def test_a_prompt_of_another_tool_keeps_its_sentence():
    prompt = "A cat jumps [Pedestal up], then begins spinning [Static shot]."
    assert result(prompt) == "A cat jumps, then begins spinning, static camera."
    assert len(notes(prompt)) == 1


def test_a_model_that_learned_to_tilt_is_told_to():
    tilt = Term("tilt_up", "camera", {"en": "tilt up", "de": "Schwenk nach oben", "ja": "上"}, {"en": ("tilt up",)})
    words = WordList((*PAPERCUT.terms, tilt), PAPERCUT.function, {})
    assert result("a cat [Tilt Up]", words) == "a cat, tilt up"
    assert result("a cat [pedestal up]", words) == "a cat, tilt up"
    assert "nearest is done: tilt up" in notes("a cat [pedestal up]", words)[0]


def test_a_model_is_known_by_its_own_keys():
    assert result("a cat [zoom in]", FAKE) == "a cat, zooms in"
    assert "fake can: zooms in" in directed("a cat [pan left]", FAKE, "fake").notes[0]


def test_a_model_without_a_camera_says_so():
    assert "it was left out; x knows no camera" in directed("a cat [pan left]", WordList((), {}, {}), "x").notes[0]


def test_no_spelling_stands_for_two_commands():
    """Every spelling leads back to the command that lists it, and every command is spelt in every language."""
    every = {command.key: command for command in commands().values()}
    for command in every.values():
        for language in LANGUAGES:
            assert command.spellings[language]
            assert {commands()[spelling.lower()].key for spelling in command.spellings[language]} == {command.key}
        assert set(command.instead) | set(command.near) <= set(every)


def test_the_language_is_that_of_most_words():
    assert language_of("a cat in the snow", PAPERCUT) == "en"
    assert language_of("Katze im Schnee", PAPERCUT) == "de"
    assert language_of("Tシャツの猫", PAPERCUT) == "ja"
    assert language_of("Mädchen", PAPERCUT) == "de"
    assert language_of("", PAPERCUT, "nachts") == "de"
    assert language_of("xyz", PAPERCUT) == "en"


def test_phrases_come_before_the_full_stop():
    assert appended("a cat.", ["x", "y"], "en") == "a cat, x, y."
    assert appended("a cat, ", ["x"], "en") == "a cat, x"
    assert appended("猫。", ["x"], "ja") == "猫、x。"
    assert appended("a cat. ", [], "en") == "a cat. "


@pytest.mark.parametrize(
    ("prompt", "kinds"),
    [
        ("a cat at sunset", ["light"]),
        ("a cat in the snow", []),
        ("Katze nachts im Regen", ["light", "weather"]),
        ("夕暮れに猫", ["light"]),
        ("the camera zooms in on a cat", ["camera"]),
        ("a nightingale falls", []),
    ],
)
def test_what_a_prompt_says_itself_is_seen(prompt, kinds):
    assert [kind for kind in ("light", "weather", "camera") if said(prompt, kind, PAPERCUT)] == kinds
