"""Shots between cuts: what is told and known when, and when a shot is the same as before."""

from dataclasses import replace
from pathlib import Path

import pytest

from himmel.errors import BadStoryboard, UnreadableMedia
from himmel.spec import Size
from himmel.storyboard import Card, Known, ShotSettings, Storyboard, Stretch, shot_key, shots

SETTINGS = ShotSettings(size=Size(256, 144), fps=12, seed=7)


def board(*cards: Card, seconds: float) -> Storyboard:
    return Storyboard(Path("story.yaml"), SETTINGS, seconds, cards)


def told(*cards: Card, seconds: float) -> list[tuple[float, float, str]]:
    (shot,) = shots(board(*cards, seconds=seconds))
    return [(s.start, s.end, s.prompt) for s in shot.stretches]


def test_a_prompt_holds_until_the_next():
    assert told(Card(1, "text", 0, 2, "a"), Card(2, "text", 3, 4, "b"), seconds=6) == [(0, 3, "a"), (3, 6, "b")]


def test_a_gap_may_have_a_prompt_of_its_own():
    cards = Card(1, "text", 0, 2, "a", gap="g"), Card(2, "text", 3, 4, "b")
    assert told(*cards, seconds=4) == [(0, 2, "a"), (2, 3, "g"), (3, 4, "b")]


def test_what_comes_before_the_first_prompt_is_told_it_too():
    cards = Card(1, "image", 1, 1, None, Path("a.png")), Card(2, "text", 2, 4, "b")
    assert told(*cards, seconds=4) == [(0, 4, "b")]


def test_a_picture_changes_the_prompt_only_if_it_has_one():
    silent = Card(2, "image", 2, 2, None, Path("a.png"))
    assert told(Card(1, "text", 0, 2, "a"), silent, seconds=4) == [(0, 4, "a")]
    assert told(Card(1, "text", 0, 2, "a"), replace(silent, prompt="b"), seconds=4) == [(0, 2, "a"), (2, 4, "b")]


def test_a_prompt_of_the_last_frame_alone_is_told_all_along():
    assert told(Card(1, "image", 4, 4, "b", Path("a.png")), seconds=4) == [(0, 4, "b")]


def test_cuts_make_shots_with_times_of_their_own():
    first, second = shots(
        board(
            Card(1, "text", 0, 2, "a"),
            Card(2, "image", 2.2, 2.2, None, Path("end.png")),
            Card(3, "clip", 2.2, 3.2, "b", Path("walk.mp4"), source_start=0.5, cut=True, seed=9),
            seconds=5.3,
        )
    )
    assert (first.number, first.start, first.seconds, first.settings.seed) == (1, 0, 2.2, 7)
    assert first.known == (Known(2.2, 2.2, "image", Path("end.png")),)
    assert (second.number, second.start, second.seconds, second.settings.seed) == (2, 2.2, 3.1, 9)
    assert second.known == (Known(0, 1, "clip", Path("walk.mp4"), 0.5),)
    assert second.stretches == (Stretch(0, 3.1, "b"),)


def test_a_shot_without_words_is_refused_with_its_line():
    cards = Card(1, "text", 0, 2, "a"), Card(5, "image", 2, 2, None, Path("a.png"), cut=True)
    with pytest.raises(BadStoryboard, match=r"story\.yaml line 5: this shot is told nothing"):
        shots(board(*cards, seconds=4))


@pytest.fixture
def story(tmp_path: Path) -> Storyboard:
    (tmp_path / "a.png").write_bytes(b"picture")
    return board(
        Card(1, "text", 0, 2, "a"),
        Card(2, "image", 2, 2, "b", tmp_path / "a.png", cut=True),
        seconds=4,
    )


MAKER = {"weights": "w", "build": "torch 1", "device": "cpu"}


def keys(story: Storyboard, **maker: str) -> list[str]:
    return [shot_key(shot, MAKER | maker) for shot in shots(story)]


def test_only_the_shot_that_changed_has_another_key(story):
    before, changed = keys(story), replace(story, cards=(replace(story.cards[0], prompt="c"), story.cards[1]))
    after = keys(changed)
    assert after[0] != before[0] and after[1] == before[1]


def test_a_shot_that_moves_on_the_timeline_keeps_its_key(story):
    first, second = story.cards
    moved = replace(story, cards=(replace(first, end=2.3), replace(second, line=9, start=2.3, end=2.3)), seconds=4.3)
    before, after = keys(story), keys(moved)
    assert after[0] != before[0] and after[1] == before[1]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"fps": 24},
        {"size": None},
        {"steps": 4},
        {"guidance": 2.0},
        {"model": "x"},
        {"negative_prompt": "x"},
    ],
)
def test_every_setting_is_part_of_the_key(story, change):
    assert not set(keys(story)) & set(keys(replace(story, settings=replace(story.settings, **change))))


def test_maker_and_material_are_part_of_the_key_and_file_names_are_not(story, tmp_path):
    before = keys(story)
    for name in MAKER:
        assert not set(before) & set(keys(story, **{name: "another"}))
    renamed = (tmp_path / "a.png").rename(tmp_path / "b.png")
    story = replace(story, cards=(story.cards[0], replace(story.cards[1], file=renamed)))
    assert keys(story) == before
    renamed.write_bytes(b"another picture")
    after = keys(story)
    assert after[0] == before[0] and after[1] != before[1]
    renamed.unlink()
    with pytest.raises(UnreadableMedia, match="No such file"):
        keys(story)
