"""Clips that are kept, on clips that are not ours: what is given comes back bit by bit, the rest as long as asked."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from himmel.cli.app import main
from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames

FAKE = ["--model", "fake", "--seed", "1"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIMMEL_CACHE", str(tmp_path / "cache"))


def run(*arguments):
    return main([str(argument) for argument in arguments])


def shot(name, *, width=64, height=48, rate=12, frames=24, codec="mjpeg", pixels="yuvj444p", seed=0):
    """A clip of somebody else's: noise in large blocks, another in every frame."""
    rng = np.random.default_rng(seed)
    with av.open(name, "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for _ in range(frames):
            blocks = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
            picture = np.kron(blocks, np.ones((8, 8, 1), np.uint8))[:height, :width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return read_frames(Path(name))


def made(tmp_path, name="new.mp4"):
    return read_frames(tmp_path / name)


@pytest.mark.parametrize("before", [False, True])
def test_an_extended_clip_is_the_clip_and_more(tmp_path, before):
    given = shot("given.avi")
    where = ["--before"] if before else []
    assert run("extend", "given.avi", "a cat", "--seconds", 1, *where, "--lossless", "-o", "new.mp4", *FAKE) == 0
    new = made(tmp_path)
    assert new.shape == (36, 48, 64, 3)
    assert np.array_equal(new[-24:] if before else new[:24], given)


def test_a_recut_part_is_bit_exact(tmp_path):
    given = shot("given.avi")
    around = ["--extend-before", 0.5, "--extend-after", 1]
    assert (
        run("recut", "given.avi", "a cat", "--in", 0.51, "--out", 1.5, *around, "--lossless", "-o", "new.mp4", *FAKE)
        == 0
    )
    new = made(tmp_path)
    assert len(new) == 6 + 12 + 12
    assert np.array_equal(new[6:18], given[6:18])


def test_a_recut_without_new_seconds_needs_no_prompt(tmp_path):
    given = shot("given.avi")
    assert run("recut", "given.avi", "--in", 1, "--lossless", "-o", "new.mp4", *FAKE) == 0
    assert np.array_equal(made(tmp_path), given[12:])


def test_a_loop_keeps_the_clip_and_leads_back(tmp_path):
    given = shot("given.avi")
    assert run("loop", "given.avi", "a cat", "--seconds", 0.5, "--lossless", "-o", "new.mp4", *FAKE) == 0
    assert len(made(tmp_path)) == 30
    assert np.array_equal(made(tmp_path)[:24], given)
    assert read_recipe(tmp_path / "new.mp4").loop


def test_a_blend_is_as_long_as_both_less_what_overlaps(tmp_path):
    one, other = shot("a.avi"), shot("b.avi", seed=1)
    assert run("blend", "a.avi", "b.avi", "a cat", "--overlap", 0.5, "--lossless", "-o", "new.mp4", *FAKE) == 0
    new = made(tmp_path)
    assert len(new) == 24 + 24 - 6
    assert np.array_equal(new[:18], one[:18])
    assert np.array_equal(new[24:], other[6:])


def test_a_blend_of_clips_that_differ_is_as_the_first_and_says_what_becomes_of_the_other(tmp_path, capsys):
    one = shot("a.avi")
    shot("b.avi", width=96, height=96, rate=Fraction(10), frames=20, seed=1)
    assert run("blend", "a.avi", "b.avi", "a cat", "--overlap", 0.5, "--lossless", "-o", "new.mp4", *FAKE) == 0
    new, told = made(tmp_path), capsys.readouterr().err.splitlines()
    assert new.shape == (24 + 24 - 6, 48, 64, 3) and np.array_equal(new[:18], one[:18])
    assert told == [
        "'b.avi' is 96x96; it is scaled and cropped to 64x48",
        "'b.avi' has 10.000 frames a second; the new clip has 12, re-timed",
    ]


def test_a_clip_of_an_impossible_size_is_extended_at_another(tmp_path):
    shot("tiny.avi", width=8, height=8)
    assert run("extend", "tiny.avi", "a cat", "--seconds", 1, "--size", "32x32", "-o", "new.mp4", *FAKE) == 0
    assert made(tmp_path).shape == (36, 32, 32, 3)


def test_a_blend_is_told_what_both_clips_were(tmp_path):
    for name in ("cat", "dog"):
        run("generate", f"a {name}", "--seconds", 1, "--size", "64x48", "-o", f"{name}.mp4", *FAKE)
    assert run("blend", "cat.mp4", "dog.mp4", "--overlap", 0.4, "-o", "new.mp4", *FAKE) == 0
    told = [part["prompt"] for part in read_recipe(tmp_path / "new.mp4").timeline if "prompt" in part]
    assert told == ["a cat", "a dog"]


def test_the_prompt_is_the_clips_own(tmp_path, capsys):
    run("generate", "a cat jumping", "--seconds", 1, "--size", "64x48", "-o", "cat.mp4", *FAKE)
    assert run("extend", "cat.mp4", "--seconds", 1, *FAKE) == 0
    assert read_recipe(tmp_path / "cat-extended-seed1.mp4").prompt == "a cat jumping"


def test_odd_sides_and_crooked_rates_become_what_a_file_can_have_and_are_told(tmp_path, capsys):
    shot("odd.avi", width=65, height=47, rate=Fraction(25, 2))
    assert run("extend", "odd.avi", "a cat", "--seconds", 1, "-o", "new.mp4", *FAKE) == 0
    recipe, err = read_recipe(tmp_path / "new.mp4"), capsys.readouterr().err
    assert (recipe.size, recipe.fps) == ("64x46", 12)
    assert "65x47" in err and "12.500" in err and err.count("\n") == 2


def test_what_is_not_masked_stays_bit_by_bit(tmp_path):
    given = shot("given.avi")
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save("mask.png")
    for number, where in enumerate(["mask.png", "32,0,32,48", "50%,0,50%,100%"]):
        assert run("edit", "given.avi", "a cat", "--mask", where, "--lossless", "-o", f"{number}.mp4", *FAKE) == 0
        new = made(tmp_path, f"{number}.mp4")
        assert np.array_equal(new[:, :, :32], given[:, :, :32])
        assert not np.array_equal(new[:, :, 32:], given[:, :, 32:])


@pytest.mark.parametrize(("word", "strength"), [("subtle", 0.4), ("strong", 0.8), ("0.5", 0.5)])
def test_a_remix_is_as_strong_as_it_is_called(tmp_path, word, strength):
    shot("given.avi", frames=6)
    assert run("remix", "given.avi", "a cat", "--strength", word, "-o", "new.mp4", *FAKE) == 0
    assert read_recipe(tmp_path / "new.mp4").remix == {"path": "given.avi", "strength": strength, "mask": None}


@pytest.mark.parametrize(
    "arguments",
    [
        ["extend", "given.avi", "a cat", "--seconds", 1],
        ["blend", "given.avi", "b.avi", "a cat", "--overlap", 0.5],
        ["edit", "given.avi", "a cat", "--mask", "mask.png"],
        ["loop", "given.avi", "a cat"],
        ["generate", "a cat", "--seconds", 2, "--keyframe", "1=picture.png", "--last-image", "picture.png"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_recipe_of_every_command_makes_the_same_clip_again(tmp_path, capsys, arguments):
    shot("given.avi")
    shot("b.avi", seed=1)
    Image.new("RGB", (64, 48), "white").save("mask.png")
    Image.new("RGB", (64, 48), "red").save("picture.png")
    assert run(*arguments, "-o", "new.mp4", *FAKE) == 0
    capsys.readouterr()
    assert run("generate", "--from", "new.mp4", "-o", "again.mp4") == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "new.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    (tmp_path / "given.avi").unlink()
    if arguments[0] != "generate":
        assert run("generate", "--from", "new.mp4", "-o", "again.mp4") == 2
        assert "there is no 'given.avi', which 'new.mp4' is made of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["extend", "absent.mp4", "a cat"], "cannot read 'absent.mp4'"),
        (["extend", "given.avi"], "say what it shows"),
        (["extend", "given.avi", "a cat", "--seconds", 0], "0.1 to 3600"),
        (["extend", "picture.png", "a cat"], "is a picture"),
        (["extend", "text.mp4", "a cat"], "text.mp4"),
        (["extend", "short.avi", "a cat"], "clips of 0.1 to 3600 s"),
        (["extend", "long.avi", "a cat"], "'long.avi' lasts 4000 s; allowed: clips of 0.1 to 3600 s"),
        (["extend", "tiny.avi", "a cat"], "'tiny.avi' is 8x8, which a new clip cannot be; give it --size"),
        (["extend", "wide.avi", "a cat"], "'wide.avi' is 4100x16, which a new clip cannot be; give it --size"),
        (["extend", "given.avi", "a", "cat"], 'himmel extend given.avi "a cat"'),
        (["blend", "given.avi", "given.avi", "a cat", "--overlap", 2], "it must be longer"),
        (["blend", "given.avi", "given.avi"], "say what it shows"),
        (["recut", "given.avi", "a cat", "--in", 1, "--out", 0.5], "in this order"),
        (["recut", "given.avi", "a cat", "--out", 9], "0 to 2 s"),
        (["recut", "given.avi", "a cat", "--in", 1, "--out", 1.01], "no whole frame"),
        (["remix", "given.avi", "a cat", "--strength", "huge"], "subtle, mild, strong, or 0.01 to 1"),
        (["remix", "given.avi", "a cat", "--strength", 0], "0.01 to 1"),
        (["remix", "given.avi"], "PROMPT"),
        (["edit", "given.avi", "a cat", "--mask", "tall.png"], "the clip's size, or its proportions"),
        (["edit", "given.avi", "a cat", "--mask", "1,2,3"], "box"),
        (["edit", "given.avi", "a cat", "--mask", "60,0,10,10"], "64x48"),
        (["generate", "a cat", "--seconds", 2, "--keyframe", "3=picture.png"], "allowed: 0 to 2 s"),
        (["generate", "a cat", "--keyframe", "picture.png"], "2.5=cat.png"),
        (["generate", "a cat", "--keyframe", "1=absent.png"], "absent.png"),
        (["generate", "a cat", "--keyframe", "1=picture.png", "--keyframe", "1.05=picture.png"], "too near"),
        (["generate", "a cat", "--seconds", 2, "--keyframe", "1.95=picture.png"], "too near to the end"),
        (["generate", "a cat", "--loop", "--last-image", "picture.png"], "one of --loop and --last-image"),
        (["generate", "a cat", "--preset", "golden"], "did you mean 'golden-hour'"),
        (["generate", "a cat", "--turbo"], "take the full model"),
        (["generate", "a cat", "--stream", "--lossless"], "one of --stream and --lossless"),
        (["generate", "a cat", "-o", "-", "--variations", 2], "--variations 1"),
    ],
)
def test_every_refusal_is_one_line_that_names_what_is_allowed(tmp_path, capsys, arguments, allowed):
    shot("given.avi")
    shot("short.avi", frames=1)
    shot("long.avi", rate=Fraction(1, 2000), frames=2)
    shot("tiny.avi", width=8, height=8)
    shot("wide.avi", width=4100, height=16, frames=2)
    Image.new("RGB", (64, 48), "red").save("picture.png")
    Image.new("L", (48, 64), 255).save("tall.png")
    (tmp_path / "text.mp4").write_text("no clip")
    there = sorted(tmp_path.iterdir())
    assert run(*arguments, *FAKE) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1), err
    assert allowed in err
    assert sorted(tmp_path.iterdir()) == there
