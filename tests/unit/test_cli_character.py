"""Somebody is kept once, and then every prompt can call them."""

import numpy as np
import pytest
from PIL import Image

from himmel.cli.app import main
from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames, write_video
from himmel.spec import Size

SMALL = ["--model", "fake", "--size", "64x64", "--seconds", "0.5", "--seed", "3"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def rex(tmp_path):
    """A clip that is red in its first second and green in its second."""
    colours = [(250, 0, 0)] * 10 + [(0, 250, 0)] * 10
    frames = [np.full((1, 32, 48, 3), colour, np.uint8) for colour in colours]
    write_video(tmp_path / "rex.mp4", frames, size=Size(48, 32), fps=10, lossless=True)
    return tmp_path / "rex.mp4"


def test_the_frame_that_was_pointed_at_is_kept(rex, capsys):
    assert run("character", "add", "Rex", rex, "--at", "1.5") == 0
    place = capsys.readouterr().out.strip()
    picture = np.asarray(Image.open(place)).astype(int)
    assert picture.shape == (32, 48, 3) and np.abs(picture - (0, 250, 0)).max() < 8
    assert run("character", "list") == 0
    assert capsys.readouterr().out == f"Rex  {place}\n"


def test_a_prompt_that_calls_them_shows_them_and_the_recipe_knows(rex, capsys):
    run("character", "add", "Rex", rex)
    assert run("generate", "Rex spins", "-o", "with.mp4", *SMALL) == 0
    assert run("generate", "Max spins", "-o", "without.mp4", *SMALL) == 0
    told = capsys.readouterr().err
    assert "'Max' is not in" in told and "'Rex' is not in" not in told
    made = read_frames("with.mp4").astype(int)
    red = (made[..., 0] > 180) & (made[..., 1:].max(-1) < 70) & (np.arange(64)[:, None] < 50)
    assert red.any((1, 2)).all()
    assert [each["name"] for each in read_recipe("with.mp4").characters] == ["Rex"]
    assert read_recipe("without.mp4").characters == []
    assert run("generate", "--from", "with.mp4", "-o", "again.mp4") == 0
    assert (read_frames("again.mp4") == read_frames("with.mp4")).all()


def test_a_storyboard_makes_a_shot_anew_when_its_character_looks_otherwise(rex, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HIMMEL_CACHE", str(tmp_path / "cache"))
    cards = "model: fake\nsize: 64x64\nseed: 1\ncards:\n  - {text: Rex spins, for: 0.5}\n"
    cards += "  - {text: a cat spins, for: 0.5, cut: true}\n"
    (tmp_path / "cards.yaml").write_text(cards)
    run("character", "add", "Rex", rex)
    run("storyboard", "cards.yaml", "-o", "first.mp4")
    run("character", "remove", "Rex")
    run("character", "add", "Rex", rex, "--at", "1.5")
    capsys.readouterr()
    assert run("storyboard", "cards.yaml", "-o", "second.mp4") == 0
    told = [line.split(": ")[-1] for line in capsys.readouterr().err.splitlines() if "shot" in line]
    assert told == ["made", "kept from last time"]


def test_a_storyboards_recipe_shows_everybody_in_their_own_shots_alone(rex, tmp_path, monkeypatch):
    monkeypatch.setenv("HIMMEL_CACHE", str(tmp_path / "cache"))
    cards = "model: fake\nsize: 64x64\nseed: 1\ncards:\n  - {text: Rex spins, for: 0.5}\n"
    cards += "".join(f"  - {{text: {who} spins, for: 0.5, cut: true}}\n" for who in ("a cat", "Max", "Eve"))
    (tmp_path / "cards.yaml").write_text(cards)
    for name in ("Rex", "Max", "Eve"):  # together more than the model shows in one clip
        run("character", "add", name, rex)
    run("storyboard", "cards.yaml", "-o", "first.mp4")
    shots = read_recipe("first.mp4").requests()
    assert [[each.name for each in shot.characters] for shot in shots] == [["Rex"], [], ["Max"], ["Eve"]]
    assert run("generate", "--from", "first.mp4", "-o", "again.mp4") == 0
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "first.mp4").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "Rex", "rex.mp4", "--at", "3"), "has no second 3; allowed: 0 to 2"),
        (("add", "Rex", "nothing.png"), "cannot read 'nothing.png'"),
        (("add", "a/b", "rex.mp4"), "is no name for a character"),
        (("remove", "Rex"), "there is no character 'Rex'; known: none yet"),
    ],
)
def test_what_cannot_be_is_one_line(rex, capsys, arguments, told):
    assert run("character", *arguments) == 2 or "cannot read" in told
    assert told in capsys.readouterr().err


def test_a_picture_larger_than_any_clip_is_made_smaller(capsys):
    Image.new("RGB", (6000, 40), (250, 0, 0)).save("wide.png")
    assert run("character", "add", "Rex", "wide.png") == 0
    assert Image.open(capsys.readouterr().out.strip()).size == (4096, 26)


def test_a_place_where_nothing_can_be_kept_is_one_line(rex, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    assert run("character", "add", "Rex", rex) == 1
    told = capsys.readouterr().err
    assert told.startswith("himmel: '") and "file" in told and told.count("\n") == 1


def test_a_name_is_given_once(rex, capsys):
    run("character", "add", "Rex", rex)
    assert run("character", "add", "Rex", rex) == 2
    assert "remove it first" in capsys.readouterr().err
    run("character", "remove", "Rex")
    assert run("character", "add", "Rex", rex) == 0


def test_a_clip_shows_no_more_than_the_model_can(rex, capsys):
    for name in ("Rex", "Mia", "Tom"):
        run("character", "add", name, rex)
    capsys.readouterr()
    assert run("generate", "Rex, Mia and Tom", *SMALL) != 0
    assert "cannot show more than one" in capsys.readouterr().err
