"""Word lists: which words of a prompt a model never learned, and what is near them."""

import json
from dataclasses import replace

import pytest

from himmel.errors import BadCheckpoint
from himmel.words import Term, UnknownWord, WordList

WORDS = WordList(
    terms=(
        Term(
            "penguin",
            "noun",
            {"en": "penguin", "de": "Pinguin", "ja": "ペンギン"},
            {"en": ("penguin", "penguins"), "de": ("Pinguin", "Pinguine"), "ja": ("ペンギン",)},
        ),
        Term(
            "turtle",
            "noun",
            {"en": "turtle", "de": "Schildkröte", "ja": "亀"},
            {"en": ("turtle", "turtles"), "de": ("Schildkröte", "Schildkröten"), "ja": ("亀",)},
        ),
        Term(
            "hot_dog",
            "noun",
            {"en": "hot dog", "de": "Hotdog", "ja": "ホットドッグ"},
            {"en": ("hot dog", "hot dogs"), "de": ("Hotdog",), "ja": ("ホットドッグ",)},
        ),
        Term(
            "jump",
            "motion",
            {"en": "jumps", "de": "springt", "ja": "ジャンプする"},
            {"en": ("jumps", "jump", "hop"), "de": ("springt", "springend"), "ja": ("ジャンプする", "ジャンプ")},
        ),
        Term("snow", "setting", {"en": "snow", "de": "Schnee", "ja": "雪"}, {"en": ("snow",), "ja": ("雪", "雪の中")}),
        Term(
            "red", "colour", {"en": "red", "de": "rot", "ja": "赤い"}, {"en": ("red",), "de": ("rot",), "ja": ("赤い",)}
        ),
        Term("zoom_in", "camera", {"en": "zoom in"}, {"en": ("zoom",)}),
    ),
    function={"en": ("a", "the", "in"), "de": ("ein", "im"), "ja": ("が", "で", "の")},
    neighbours={"quokka": ("kangaroo", "koala"), "polar bear": ("bear",), "クオッカ": ("コアラ",)},
)


def words(prompt: str) -> list[str]:
    return [unknown.word for unknown in WORDS.unknown(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        "A PENGUIN jumps in the snow!",
        "penguins, jumping; hopped, hopping.",
        "[zoom in] 3 penguins' snow",
        "Ein roter Pinguin, springender",
        "schildkroeten im SCHNEE".replace("SCHNEE", "snow"),
        "雪の中でペンギンがジャンプする。",
        "赤い亀、ジャンプ",
        "a hot dog",
        "penguin-turtle 16:9 24",
    ],
)
def test_known_prompts(prompt):
    assert words(prompt) == []


def test_unknown_words_once_each_in_order_as_typed():
    assert words("Quokka and a QUOKKA, a zebra") == ["Quokka", "and", "QUOKKA", "zebra"]
    assert words("zebra zebra") == ["zebra"]


def test_parts_of_a_known_name_are_not_known_alone():
    assert words("a dog") == ["dog"]


def test_unknown_names_of_two_words_stay_together():
    assert words("a polar bear jumps") == ["polar bear"]


def test_japanese_unknown_words_are_cut_at_known_ones():
    assert words("雪の中でクオッカがジャンプする") == ["クオッカ"]


def test_nearest_by_meaning_and_the_line():
    (quokka,) = WORDS.unknown("a quokka jumps")
    assert quokka.line("papercut") == "'quokka' is not in papercut's vocabulary; nearest: kangaroo, koala"
    (inflected,) = WORDS.unknown("quokkas")
    assert inflected.nearest == ("kangaroo", "koala")


def test_nearest_by_spelling():
    (slip,) = WORDS.unknown("pengiun")
    assert slip.nearest == ("penguin",)
    (german,) = WORDS.unknown("Schildkrötte")
    assert german.nearest == ("Schildkröte",)


def test_nothing_near_gives_examples():
    (word,) = WORDS.unknown("xylograph")
    assert word == UnknownWord("xylograph", (), ("penguin", "turtle", "hot dog"))
    assert word.line("papercut") == (
        "'xylograph' is not in papercut's vocabulary; it knows nothing near; "
        "examples of what it knows: penguin, turtle, hot dog"
    )


def test_length_kinds_and_search():
    assert len(WORDS) == 7
    assert [term.key for term in WORDS.of_kind("noun")] == ["penguin", "turtle", "hot_dog"]
    assert [term.key for term in WORDS.search("PENGUIN")] == ["penguin"]
    assert [term.key for term in WORDS.search("ジャンプ")] == ["jump"]
    assert [term.key for term in WORDS.search("hot")] == ["hot_dog"]
    assert WORDS.search("quokka") == ()
    with pytest.raises(ValueError, match="unknown kind"):
        WORDS.of_kind("verb")


def test_round_trip(tmp_path):
    WORDS.save(tmp_path / "words.json")
    assert WordList.load(tmp_path / "words.json") == WORDS


@pytest.mark.parametrize("change", [{"version": 99}, {"more": 1}, {"terms": [{"key": "cat"}]}, {"function": 3}])
def test_damaged_files_are_refused(tmp_path, change):
    path = tmp_path / "words.json"
    replace(WORDS, neighbours={}).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadCheckpoint, match=r"words\.json"):
        WordList.load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "words.json").write_text("not json")
    with pytest.raises(BadCheckpoint):
        WordList.load(tmp_path / "words.json")
    with pytest.raises(BadCheckpoint):
        WordList.load(tmp_path / "missing.json")
