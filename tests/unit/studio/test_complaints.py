"""Errors on pages: translated where they are known, whole with their values; marked as English where they are not."""

import ast
import re
from pathlib import Path

import pytest
from markupsafe import Markup

import himmel
from himmel.errors import ApiError, ForeignForm
from himmel.spec import MAX_SEED
from himmel.studio.complaints import OF_FIELDS, SENTENCES, as_told, complaint
from himmel.studio.passwords import WRONG
from himmel.studio.schemas import CreateVideo, validated
from himmel.studio.timelines import seconds_of

GAP = re.compile(r"%\((\w+)\)s")
STARTS = ("", "seconds: ", "size: ", "video: ")  # what an API's client is told, too
SOURCE = Path(himmel.__file__).parent


def raised():
    """Every text of the package: its letters, and a pattern that has anything in place of its values."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        if path.name == "complaints.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add((letters(node.value), re.escape(node.value)))
            elif isinstance(node, ast.JoinedStr):
                said = [one.value if isinstance(one, ast.Constant) else None for one in node.values]
                pattern = "".join(".+" if one is None else re.escape(one) for one in said)
                found.add((letters("".join(filter(None, said))), pattern))
    return [(many, re.compile(pattern)) for many, pattern in found]


def letters(text):
    return len(re.findall("[A-Za-z]", text))


def test_each_sentence_is_one_that_an_error_says():
    texts = raised()
    for sentence in SENTENCES:
        told, least = GAP.sub("7", sentence), letters(GAP.sub("", sentence)) / 2  # where values are words, too
        found = [one for said, one in texts if said >= least]
        assert any(one.fullmatch(start + told) for one in found for start in STARTS), sentence


def test_each_sentence_is_known_again_with_its_values():
    for sentence in SENTENCES + OF_FIELDS:
        told = GAP.sub(lambda gap: f"<{gap[1]}>", sentence)
        german = complaint(told, "de")
        assert "<" not in german.replace('<span lang="en">', "").replace("</span>", ""), "a value is not escaped"
        for name in GAP.findall(sentence):
            assert Markup.escape(f"<{name}>") in german
        assert as_told(told, "de")["lang"] == "de" and as_told(told, "ja")["message"] != told


@pytest.mark.parametrize(
    ("text", "german"),
    [
        (WRONG, "Der Name oder das Passwort stimmt nicht."),
        ("seconds: Value error, seconds must be between 0.1 and 60.0", "Die Länge muss zwischen 0.1 und 60.0 Sek"),
        ("card 2: choose a clip", "Karte 2: Wähle einen Clip."),
        ("card 2: it is <odd>", 'Karte 2: <span lang="en">it is &lt;odd&gt;</span>'),
        ("nobody translated <this>", '<span lang="en">nobody translated &lt;this&gt;</span>'),
    ],
)
def test_what_a_german_page_says(text, german):
    assert str(complaint(text, "de")).startswith(german)
    assert complaint(text, "en") == Markup.escape(text.replace("seconds: Value error, ", ""))


@pytest.mark.parametrize(
    ("field", "value", "english", "german"),
    [
        ("prompt", " ", "the prompt is empty", "Der Prompt ist leer."),
        (
            "seed",
            MAX_SEED + 1,
            f"Seed: Input should be less than or equal to {MAX_SEED}",
            f"Seed: höchstens {MAX_SEED}",
        ),
        ("steps", 0, "Steps: Input should be greater than or equal to 1", "Schritte: mindestens 1"),
        ("fps", "x", "Frames a second: Input should be a valid integer", "Bilder je Sekunde: es muss eine ganze Zahl"),
        ("guidance", "x", "Guidance: Input should be a valid number", "Führung: es muss eine Zahl"),
        ("prompt", "", "What the clip shows: String should have at least 1 char", "Was der Clip zeigt: mindestens 1 Z"),
        (
            "prompt",
            "a" * 32001,
            "What the clip shows: String should have at most",
            "Was der Clip zeigt: höchstens 32000 Z",
        ),
    ],
)
def test_what_is_wrong_with_a_field_is_said_in_words(field, value, english, german):
    with pytest.raises(ApiError) as caught:
        validated(CreateVideo, {"prompt": "a cat", field: value})
    assert complaint(str(caught.value), "en").startswith(english)
    assert complaint(str(caught.value), "de").startswith(german)
    assert as_told(str(caught.value), "ja")["lang"] == "ja"


def test_of_what_nobody_translated_a_page_shows_the_sentence_alone():
    assert complaint("size: Value error, odd", "en") == "odd"


def test_what_a_script_is_told():
    assert as_told("nobody said <this>", "ja") == {"message": "nobody said <this>", "lang": "en"}
    assert as_told(str(ForeignForm()), "ja")["lang"] == "ja" and as_told("x", "en")["lang"] == "en"
    with pytest.raises(Exception, match="no such number") as caught:
        seconds_of("viele", "seconds")
    assert as_told(str(caught.value), "de")["message"].startswith("„viele“ ist keine")
