"""Storyboards on the command line: cards become shots, shots are kept, and only what changed is made again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from himmel.backends.fake import FakeBackend
from himmel.cli.app import main
from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames

BOARD = """\
model: fake
size: 64x48
fps: 10
seed: 3
cards:
  - image: red.png
    for: 0.5
    prompt: a cat
  - text: a cat [zoom in]
    for: 1
  - text: a dog
    for: 1
    cut: true
"""
AT = "\n  - image: red.png\n    at: %g"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIMMEL_CACHE", str(tmp_path / "cache"))
    Image.new("RGB", (64, 48), "red").save("red.png")
    Path("board.yaml").write_text(BOARD)


def run(*arguments):
    return main(["storyboard", "board.yaml", *map(str, arguments)])


def test_shots_follow_one_another_and_a_picture_stands_still(tmp_path, capsys):
    assert run("-o", "clip.mp4", "--lossless") == 0
    frames = read_frames(tmp_path / "clip.mp4")
    assert frames.shape == (25, 48, 64, 3)
    assert (frames[:5] == [255, 0, 0]).all()
    assert not (frames[5] == [255, 0, 0]).all()
    out, err = capsys.readouterr()
    assert out.startswith("clip.mp4  seed 3  model fake ") and out.count("\n") == 1
    assert err.splitlines() == ["shot 1 of 2 (line 6): made", "shot 2 of 2 (line 11): made"]


def test_only_a_changed_shot_is_made_again(tmp_path, capsys):
    run("-o", "first.mp4", "--lossless")
    Path("board.yaml").write_text(BOARD.replace("a dog", "a penguin"))
    capsys.readouterr()
    assert run("-o", "second.mp4", "--lossless") == 0
    assert capsys.readouterr().err.splitlines() == [
        "shot 1 of 2 (line 6): kept from last time",
        "shot 2 of 2 (line 11): made",
    ]
    first, second = read_frames(tmp_path / "first.mp4"), read_frames(tmp_path / "second.mp4")
    assert np.array_equal(first[:15], second[:15]) and not np.array_equal(first[15:], second[15:])


def test_another_picture_of_the_same_name_makes_the_shot_again(capsys):
    run("-o", "first.mp4")
    Image.new("RGB", (64, 48), "blue").save("red.png")
    capsys.readouterr()
    run("-o", "second.mp4")
    assert "shot 1 of 2 (line 6): made" in capsys.readouterr().err


def test_the_recipe_makes_the_same_clip_without_the_storyboard(tmp_path, capsys):
    run("-o", "clip.mp4")
    Path("board.yaml").unlink()
    capsys.readouterr()
    assert main(["generate", "--from", "clip.mp4", "-o", "again.mp4"]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "clip.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    assert [shot["prompt"] for shot in read_recipe(tmp_path / "again.mp4").shots] == ["a cat", "a dog"]
    assert main(["generate", "a bird", "--from", "clip.mp4", "-o", "again.mp4"]) == 2
    assert "each their own prompt" in capsys.readouterr().err


def test_another_build_makes_all_shots_again(monkeypatch, capsys):
    run("-o", "first.mp4")
    monkeypatch.setattr(FakeBackend, "build", "test card 2")
    capsys.readouterr()
    run("-o", "second.mp4")
    assert "kept" not in capsys.readouterr().err


def test_a_shot_streams_while_it_is_made(tmp_path, monkeypatch):
    """When half of the second shot has been asked of the backend, a reader has had frames of it already."""
    taken, there = [], []

    def generate(self, request, state=None, real=FakeBackend.generate):
        for part in real(self, request, state):
            if isinstance(part, np.ndarray):
                taken.append(len(part))
                there.append((tmp_path / "clip.mp4").stat().st_size)
            yield part

    monkeypatch.setattr(FakeBackend, "generate", generate)
    Path("board.yaml").write_text(BOARD.replace("for: 1\n    cut", "for: 9\n    cut"))
    assert run("-o", "clip.mp4", "--stream") == 0
    assert there[-1] > there[3] > there[0] > 0 and sum(taken) == 105
    assert len(read_frames(tmp_path / "clip.mp4")) == 105
    streamed, taken[:] = read_frames(tmp_path / "clip.mp4"), []
    assert run("-o", "clip.mp4", "--stream") == 0
    assert taken == [] and np.array_equal(read_frames(tmp_path / "clip.mp4"), streamed)


def test_a_stream_that_ends_early_leaves_no_half_shot(tmp_path, monkeypatch):
    def generate(self, request, state=None, real=FakeBackend.generate):
        for number, part in enumerate(real(self, request, state)):
            if request.prompt == "a dog" and number > 2:
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(FakeBackend, "generate", generate)
    assert run("-o", "clip.mp4", "--stream") == 130
    assert len(read_frames(tmp_path / "clip.mp4")) > 15
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert [len(read_frames(path)) for path in kept] == [15]


def test_too_many_characters_are_a_line_of_the_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("Rex", "Max", "Eve"):
        assert main(["character", "add", name, "red.png"]) == 0
    Path("board.yaml").write_text(BOARD.replace("a dog", "Rex, Max, Eve"))
    capsys.readouterr()
    assert run("-o", "clip.mp4") == 2
    assert "board.yaml line 11: the model 'fake' cannot show more than one character yet" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_the_command_line_has_the_last_word(tmp_path):
    assert run("-o", "clip.mp4", "--fps", 5, "--seed", 9) == 0
    assert (read_recipe(tmp_path / "clip.mp4").fps, read_recipe(tmp_path / "clip.mp4").seed) == (5, 9)


@pytest.mark.parametrize(
    ("changed", "to", "told"),
    [
        ("text: a dog", "txt: a dog", "line 11"),
        ("for: 1\n    cut", "for: long\n    cut", "line 12"),
        ("red.png", "absent.png", "line 6"),
        ("for: 0.5", f"at: 0{AT % 0.1}{AT % 0.2}", "line 6: 'red.png' stands too near"),
    ],
)
def test_a_line_that_cannot_be_followed_is_named_and_nothing_is_made(tmp_path, capsys, changed, to, told):
    Path("board.yaml").write_text(BOARD.replace(changed, to, 1))
    assert run("-o", "clip.mp4") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "board.yaml" in err and told in err
    assert not (tmp_path / "clip.mp4").exists() and not (tmp_path / "cache").exists()
