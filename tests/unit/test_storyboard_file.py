"""Storyboards read from files: where cards stand, and errors that name the line."""

import random
import re
from pathlib import Path

import pytest
import yaml

from himmel import storyboard_yaml
from himmel.errors import BadRequest, BadStoryboard, UnreadableMedia
from himmel.spec import Size
from himmel.storyboard import Card, ShotSettings, Storyboard, shots
from himmel.storyboard_file import CARD_KEYS, TOP_KEYS, read_storyboard

EXAMPLE = """\
size: 256x144
fps: 12
seed: 7
seconds: 14.5
cards:
  - text: a penguin stands in the snow
    for: 2
    gap: a penguin turns around
  - at: 4
    image: penguin.png
    prompt: a penguin jumps in the snow
  - at: 0:06
    clip: walk.mp4
    from: 0.5
    to: 2
  - text: "the penguin is gone: snow"
  - at: 00:00:10:06
    cut: true
    seed: 8
    text: >
      an owl at
      night
    until: 12
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "penguin.png").write_bytes(b"picture")
    (tmp_path / "walk.mp4").write_bytes(b"clip")
    return tmp_path


def read(folder: Path, text: str | bytes) -> Storyboard:
    path = folder / "story.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_storyboard(path, lambda file: 3.0)


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        read(folder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/")


def cards(folder: Path, *lines: str, top: str = "") -> list[tuple[float, float]]:
    text = "\n".join([*([top] if top else []), "cards:", *(f"  - {{{line}}}" for line in lines)])
    return [(card.start, card.end) for card in read(folder, text).cards]


def test_an_example_with_every_key(folder):
    found = read(folder, EXAMPLE)
    assert found.settings == ShotSettings(size=Size(256, 144), fps=12, seed=7)
    assert found.seconds == 14.5
    assert found.cards == (
        Card(6, "text", 0, 2, "a penguin stands in the snow", gap="a penguin turns around"),
        Card(9, "image", 4, 4, "a penguin jumps in the snow", folder / "penguin.png"),
        Card(12, "clip", 6, 7.5, None, folder / "walk.mp4", 0.5),
        Card(16, "text", 7.5, 10.5, "the penguin is gone: snow"),
        Card(17, "text", 10.5, 12, "an owl at night", cut=True, seed=8),
    )


def test_cards_follow_one_another_and_last_until_the_next(folder):
    assert cards(folder, "text: a, for: 2", "text: b, for: 1.5") == [(0, 2), (2, 3.5)]
    assert cards(folder, "text: a", "text: b, at: 3", top="seconds: 5") == [(0, 3), (3, 5)]
    assert cards(folder, "text: a, for: 2", "text: b, at: 3, until: 4") == [(0, 2), (3, 4)]
    assert cards(folder, "clip: walk.mp4, from: 1", "text: a, for: 1") == [(0, 2), (2, 3)]
    assert cards(folder, "image: penguin.png", "text: a, for: 1", "image: penguin.png") == [(0, 0), (0, 1), (1, 1)]
    assert cards(folder, "image: penguin.png, for: 2, prompt: a", "text: b, for: 1") == [(0, 2), (2, 3)]


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("2", 2), ("2.5", 2.5), (".5", 0.5), ("2s", 2), ("1:30", 90), ('"1:30"', 90), ("0:01:02.5", 62.5),
     ("00:00:02:06", 2.25), ("00:00:02;06", 2.25), ("0.1", 0.1), ("1_0", None), ("1:75", None), ("00:00:02:24", None),
     ("two", None), ("-1", None), ("1e3", None), (".inf", None), ("[1]", None), ("", None), ("9" * 40, None)],
)  # fmt: skip
def test_times_are_seconds_or_timecodes(folder, typed, seconds):
    text = f"fps: 24\ncards:\n  - text: a\n    for: {typed}\n"
    if seconds is None:
        assert complaint(folder, text).startswith("story.yaml line 4: ")
    else:
        assert read(folder, text).seconds == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cards:\n  - txet: a", "story.yaml line 2: unknown key 'txet'; did you mean 'text'?"),
        ("sise: 1\ncards: []", "story.yaml line 1: unknown key 'sise'; did you mean 'size'?"),
        ("qqq: 1", "line 1: unknown key 'qqq'; allowed: model, size"),
        ("fps: 12\nfps: 24", "line 2: 'fps' is said twice, on line 1 too"),
        ("cards:\n  - text: a\n    text: b", "line 3: 'text' is said twice, on line 2 too"),
        ("cards:\n  - text: a\n\tfor: 2", "line 3: a tab; indent with spaces"),
        ("cards:\n  - text: a cat: the film", "line 2: a ':' where none may be"),
        (
            "cards:\n  - text: [pan left] a cat\n    for: 2",
            "line 2: a text that begins with a bracket belongs in quotes",
        ),
        ("cards:\n  - text: [pan left]\n    for: 2", "line 2: 'text' takes one value"),
        ("cards:\n  - text: 'a", "line 2: not understood"),
        ("", "line 1: the storyboard is empty"),
        ("# nothing", "line 1: the storyboard is empty"),
        ("fps: 12", "line 1: there are no cards"),
        ("fps: 12\ncards: []", "line 2: there are no cards"),
        ("- text: a", "line 1: lines such as 'key: value' belong here"),
        ("cards:\n  - a", "line 2: lines such as 'key: value' belong here"),
        ("cards:\n  - for: 2", "line 2: what is this card? Give it one of text, image, clip"),
        ("cards:\n  - text: a\n    image: b", "line 3: a card is one of text, image, clip, not text and image"),
        ("cards:\n  - text: a\n    prompt: b", "line 3: 'prompt' is not for cards with text; allowed: text, at"),
        ("cards:\n  - text: a\n    from: 1", "line 3: 'from' is not for cards with text"),
        ("cards:\n  - text:\n    for: 2", "line 2: 'text' is empty"),
        ('cards:\n  - text: "\\ud800"\n    for: 2', "line 2: "),
        ("cards:\n  - image: no.png", "line 2: there is no file 'no.png'"),
        (f"cards:\n  - image: {'a' * 300}", "line 2: there is no file"),
        ('cards:\n  - image: "\\0"', "line 2: there is no file"),
        ("cards:\n  - text: a\n    for: 2\n    until: 3", "line 4: 'for' says already how long it lasts"),
        ("cards:\n  - text: a\n    for: 0", "line 3: this card would last 0 s; allowed: more than 0"),
        ("cards:\n  - {text: a, at: 2, until: 1}", "line 2: this card would last -1 s"),
        ("cards:\n  - {text: a, at: -2}", "line 2: at '-2' is negative"),
        ("cards:\n  - text: a", "line 2: how long does the last card last?"),
        ("cards:\n  - text: a\n  - text: b\n    for: 1", "line 3: when does this begin? Give it 'at'"),
        (
            "cards:\n  - {text: a, for: 4}\n  - {text: b, at: 3, for: 3}",
            "line 3: 3 s overlaps the card before (line 2)",
        ),
        ("cards:\n  - {text: a, at: 3}\n  - {text: b, at: 2, for: 3}", "line 3: 2 s overlaps the card before (line 2)"),
        ("cards:\n  - {text: a, at: 3}\n  - {text: b, at: 3, for: 3}", "line 2: this card lasts no time"),
        (
            "seconds: 4\ncards:\n  - {text: a, for: 5}",
            "line 3: this card lasts until 5 s, beyond the end; 'seconds' is 4",
        ),
        ("seconds: 4\ncards:\n  - {text: a}\n  - {text: b, at: 4}", "line 4: this card begins at 4 s, beyond the end"),
        ("cards:\n  - {text: a, for: 2, gap: b}\n  - {text: c, for: 2}", "line 2: 'gap' is told between"),
        ("cards:\n  - {text: a, for: 2}\n  - {text: c, for: 2, seed: 1}", "line 3: a seed is for a whole shot"),
        (
            "cards:\n  - {text: a, for: 2, cut: perhaps}",
            "line 2: cut 'perhaps' is not understood; allowed: true, false",
        ),
        ("cards:\n  - {text: a, for: 2}\n  - {text: c, for: 0.05, cut: true}", "line 3: this shot lasts 0.05 s"),
        ("cards:\n  - {image: penguin.png, for: 2}", "line 2: this shot is told nothing"),
        ("cards:\n  - {image: penguin.png, prompt: a}", "line 2: it all lasts 0 s"),
        ("cards:\n  - {image: penguin.png}\n  - {image: penguin.png, prompt: a, for: 1}", "line 3: 0 s is the time of"),
        ("cards:\n  - {clip: walk.mp4, from: 3, prompt: a}", "line 2: 3 s is beyond the end of 'walk.mp4' (3 s)"),
        ("cards:\n  - {clip: walk.mp4, from: 1, to: 4, prompt: a}", "line 2: 'walk.mp4' is too short: 2 s of it"),
        ("cards:\n  - {clip: walk.mp4, from: 2, to: 1, prompt: a}", "line 2: this card would last -1 s"),
        ("size: big\ncards:\n  - {text: a, for: 1}", "line 1: size 'big' is not understood; allowed: WIDTHxHEIGHT"),
        ("fps: 1.5\ncards:\n  - {text: a, for: 1}", "line 1: fps '1.5' is not a whole number; allowed: 1 to 120"),
        ("seed: -1\ncards:\n  - {text: a, for: 1}", "line 1: seed -1 is out of range; allowed: 0 to"),
        ("seconds: 9000\ncards:\n  - {text: a, for: 1}", "line 1: seconds 9000.0 is out of range"),
        ("cards:\n  - {text: a, for: 00:00:01:02}", "line 2: for '00:00:01:02' counts frames"),
        ("a: &a [b]\nb: *a", "line 1: anchors and aliases"),
        ("cards: !!python/object:os.system x", "line 1: tags (!) are not for storyboards"),
        ("cards:\n  - [[[[[1]]]]]", "line 2: lists and tables are nested too deep"),
        ("[" * 50, "line 1: lists and tables are nested too deep"),
        ("cards:\n  - {text: a, for: 1}\n---\nb: 1", "line 3: a second storyboard begins here"),
        (b"cards:\n  - text: \xff", "line 2: bytes that are no text; allowed: UTF-8"),
        ("cards:\n  - text: \x07", "line 2: a character that no text has (U+0007)"),
        ("? [a]\n: 1", "line 1: unknown key 'a list or table'"),
        ("a" * 200_001, "is too large; allowed: 200000 bytes"),
    ],
)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, storyboard_yaml.LOADER])
def test_what_cannot_be_followed_is_said_with_its_line(folder, text, expected, loader, monkeypatch):
    monkeypatch.setattr(storyboard_yaml, "LOADER", loader)
    assert expected in complaint(folder, text)


def test_bombs_are_refused_before_they_are_built(folder):
    assert "line 1: 1001 cards are too many; allowed: 1000" in complaint(folder, "cards:\n" + "  - a\n" * 1001)
    assert "line 1: lists and tables are nested too deep" in complaint(folder, "[" * 100_000)


def test_a_clip_that_cannot_be_decoded_is_said_with_its_line(folder):
    def broken(path: Path) -> float:
        raise UnreadableMedia(path, "no video")

    (folder / "story.yaml").write_text("cards:\n  - text: a\n    for: 1\n  - clip: walk.mp4\n")
    with pytest.raises(BadStoryboard, match="line 4: cannot read .*walk.mp4': no video"):
        read_storyboard(folder / "story.yaml", broken)


def test_a_missing_storyboard_is_one_line(tmp_path):
    with pytest.raises(BadRequest, match="cannot read storyboard .*: No such file"):
        read_storyboard(tmp_path / "none.yaml", lambda file: 1.0)


def test_however_a_storyboard_is_damaged_the_answer_is_a_storyboard_or_a_line_of_it(folder):
    rng, told = random.Random(0), []
    for _ in range(40):
        letters = list(EXAMPLE)
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(letters))
            letters[place : place + rng.randint(0, 4)] = rng.choice(
                ["", "\t", ":", "- ", "[", "{", "'", "\n", "9", "é", "&a "]
            )
        try:
            read(folder, "".join(letters))
        except BadStoryboard as error:
            told.append(str(error))
    assert len(told) > 10 and all(re.search(r"line \d+: .", line) for line in told)


PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "storyboard.md").read_text(encoding="utf-8")


def test_the_storyboard_of_the_documentation_can_be_read(folder):
    found = read(folder, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    assert [(card.kind, card.start, card.end) for card in found.cards] == [
        ("text", 0, 2), ("text", 2, 5), ("image", 6, 6), ("text", 9, 12)
    ]  # fmt: skip
    assert [(shot.seconds, shot.settings.seed) for shot in shots(found)] == [(9, 7), (3, 8)]


def test_the_documentation_knows_every_key_and_no_other():
    tables = [
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| ((?:`\w+` )+)\|", part, re.M))) for part in PAGE.split("## ")
    ]
    assert set(tables[1]) == set(TOP_KEYS)
    assert set(tables[2]) == {key for keys in CARD_KEYS.values() for key in keys}


def test_the_errors_of_the_documentation_are_those_that_come(folder):
    rows = re.findall(r"^\| `(.*)` \| `(story.yaml .*)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for typed, answer in rows:
        assert complaint(folder, f"cards:\n  - {typed}\n    {'text: a' if 'at:' in typed else 'for: 1'}\n") == answer
