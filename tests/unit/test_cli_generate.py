import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from himmel.cli.app import main
from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames

SMALL = ["--model", "fake", "--size", "64x48", "--seconds", "0.5"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_a_sentence_becomes_a_clip_and_one_line(tmp_path, capsys):
    assert run("generate", "a cat on the beach", "-o", "clip.mp4", "--seed", 7, *SMALL) == 0
    out, err = capsys.readouterr()
    assert out.startswith("clip.mp4  seed 7  model fake 0000000000000000  ")
    assert out.count("\n") == 1
    assert err == ""
    assert read_frames(tmp_path / "clip.mp4").shape == (6, 48, 64, 3)


def test_without_a_seed_one_is_drawn_and_told(tmp_path, capsys):
    for _ in range(2):
        run("generate", "a cat", *SMALL)
    told = [line.split("seed ")[1].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert told[0] != told[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"a-cat-seed{seed}.mp4" for seed in told)


def test_default_names_never_replace_a_clip(tmp_path):
    for _ in range(3):
        run("generate", "A cat, on the beach!", "--seed", 1, *SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a-cat-on-the-beach-seed1-2.mp4",
        "a-cat-on-the-beach-seed1-3.mp4",
        "a-cat-on-the-beach-seed1.mp4",
    ]


def test_a_folder_takes_clips_under_default_names(tmp_path):
    (tmp_path / "clips").mkdir()
    run("generate", "海辺の猫", "-o", "clips", "--seed", 1, *SMALL)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["海辺の猫-seed1.mp4"]


def test_variations_are_numbered_and_count_the_seed_up(tmp_path):
    run("generate", "a cat", "-o", "clip.mp4", "--seed", 5, "--variations", 3, *SMALL)
    assert {path.name: read_recipe(path).seed for path in tmp_path.iterdir()} == {
        "clip-1.mp4": 5,
        "clip-2.mp4": 6,
        "clip-3.mp4": 7,
    }


def test_unknown_words_are_named_and_it_goes_on(tmp_path, capsys):
    assert run("generate", "a quokka on the beach", "-o", "clip.mp4", *SMALL) == 0
    assert capsys.readouterr().err == "'quokka' is not in fake's vocabulary; nearest: kangaroo, koala\n"
    assert (tmp_path / "clip.mp4").exists()


def test_the_recipe_makes_the_same_clip_again(tmp_path, capsys):
    options = ["--seed", 3, "--steps", 4, "--guidance", 2.5, "--fps", 10, "--negative", "snow"]
    run("generate", "a cat on the beach", "-o", "first.mp4", *options, *SMALL)
    capsys.readouterr()
    assert run("generate", "--from", "first.mp4", "-o", "again.mp4") == 0
    assert capsys.readouterr().err == ""
    assert (read_frames(tmp_path / "first.mp4") == read_frames(tmp_path / "again.mp4")).all()
    assert read_recipe(tmp_path / "again.mp4") == read_recipe(tmp_path / "first.mp4")


def test_options_change_a_recipe(tmp_path):
    run("generate", "a cat", "-o", "first.mp4", "--seed", 3, *SMALL)
    run("generate", "a dog", "--from", "first.mp4", "-o", "other.mp4", "--seed", 4)
    recipe = read_recipe(tmp_path / "other.mp4")
    assert (recipe.prompt, recipe.seed, recipe.size, recipe.seconds) == ("a dog", 4, "64x48", 0.5)


def test_another_build_than_the_recipes_is_told(capsys, monkeypatch):
    monkeypatch.setattr("himmel.backends.fake.FakeBackend.build", "torch 1.0")
    run("generate", "a cat", "-o", "first.mp4", *SMALL)
    monkeypatch.setattr("himmel.backends.fake.FakeBackend.build", "torch 2.0")
    assert run("generate", "--from", "first.mp4", "-o", "again.mp4") == 0
    assert (
        "the frames may differ from 'first.mp4': its build was torch 1.0, here it is torch 2.0"
        in capsys.readouterr().err
    )


def test_a_picture_is_the_first_frame(tmp_path, capsys):
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save("picture.png")
    assert run("generate", "a cat", "--image", "picture.png", "-o", "clip.mp4", *SMALL) == 0
    assert np.abs(read_frames(tmp_path / "clip.mp4")[0].astype(int) - 90).mean() < 3
    assert run("generate", "--from", "clip.mp4", "-o", "again.mp4") == 0
    assert (tmp_path / "clip.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()


def test_a_recipe_whose_picture_is_gone_or_changed_says_so(tmp_path, capsys):
    Image.new("RGB", (64, 48)).save("picture.png")
    run("generate", "a cat", "--image", "picture.png", "-o", "clip.mp4", *SMALL)
    (tmp_path / "picture.png").rename("moved.png")
    capsys.readouterr()
    assert run("generate", "--from", "clip.mp4", "-o", "again.mp4") == 2
    assert "give it with --image" in capsys.readouterr().err
    Image.new("RGB", (64, 48), "red").save("picture.png")
    assert run("generate", "--from", "clip.mp4", "-o", "again.mp4") == 0
    assert "not the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["a cat", "--seconds", "0"], "0.1 to 3600"),
        (["a cat", "--seconds", "long"], "0.1 to 3600"),
        (["a cat", "--seconds", "nan"], "0.1 to 3600"),
        (["a cat", "--size", "huge"], "WIDTHxHEIGHT"),
        (["a cat", "--size", "15x15"], "even numbers from 16 to 4096"),
        (["a cat", "--fps", "2.5"], "1 to 120"),
        (["a cat", "--seed", "-1"], "0 to 2147483647"),
        (["a cat", "--seed", "2147483647", "--variations", "2"], "0 to 2147483647"),
        (["a cat", "--steps", "0"], "1 to 1000"),
        (["a cat", "--guidance", "31"], "0 to 30"),
        (["a cat", "--device", "tpu"], "auto, cpu, cuda, mps"),
        (["a cat", "--variations", "0"], "1 to 1000"),
        (["a cat", "-o", "clip.avi"], ".mp4"),
        (["a cat", "--model", "nosuch"], "fake"),
        (["a cat", "--image", "absent.png"], "absent.png"),
        (["a", "cat"], 'himmel generate "a cat"'),
        (["  "], "for example 'a cat on the beach'"),
        ([], "himmel generate"),
        (["a cat", "--sed", "3"], "--seed"),
        (["a cat", "--seed"], "--seed"),
    ],
)
def test_every_bad_value_is_one_line_that_names_the_allowed_ones(tmp_path, capsys, arguments, allowed):
    status = run("generate", *arguments)
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("himmel: ")
    assert allowed in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", ["nowhere/clip.mp4", "x" * 300 + ".mp4"])
def test_an_unwritable_output_is_refused_before_the_work(capsys, monkeypatch, output):
    monkeypatch.setattr("himmel.backends.fake.FakeBackend.generate", None)  # would be a traceback
    assert run("generate", "a cat", "-o", output, *SMALL) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "cannot write" in err


@pytest.mark.parametrize("clip", ["absent.mp4", "text.mp4", "foreign.png"])
def test_following_no_recipe_says_why(tmp_path, capsys, clip):
    (tmp_path / "text.mp4").write_text("no clip")
    Image.new("RGB", (16, 16)).save(tmp_path / "foreign.png")
    assert run("generate", "--from", clip) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert clip in err


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_leaves_nothing(tmp_path, kill):
    arguments = ["generate", "a cat", "--model", "fake", "--size", "640x480", "--seconds", "3600", "-o", "clip.mp4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "himmel", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Tests that run in the background inherit an interrupt that is ignored.
        preexec_fn=lambda: signal.signal(kill, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not any(path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(kill)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.decode() == "himmel: cancelled; no unfinished file was left behind\n"
    assert out == b""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_in_one_line(tmp_path):
    def fill():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))

    done = subprocess.run(
        [sys.executable, "-m", "himmel", "generate", "a cat", "--model", "fake", "-o", "clip.mp4"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=fill,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot write 'clip.mp4'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_pictures_stand_where_they_were_asked_for(tmp_path):
    for name, level in (("a", 40), ("b", 120), ("c", 200)):
        Image.new("RGB", (64, 48), (level, level, level)).save(f"{name}.png")
    where = ["--image", "a.png", "--keyframe", "1=b.png", "--last-image", "c.png"]
    assert run("generate", "a cat", *where, "--seconds", 2, "-o", "clip.mp4", "--lossless", *SMALL[:4]) == 0
    frames = read_frames(tmp_path / "clip.mp4")
    assert [int(frames[index].mean()) for index in (0, 12, 23)] == [40, 120, 200]


def test_brackets_and_looks_become_words_of_the_model(tmp_path, capsys):
    assert run("generate", "a cat [zoom in] at the beach", "-o", "clip.mp4", *SMALL) == 0
    assert read_recipe(tmp_path / "clip.mp4").prompt == "a cat at the beach, zooms in"
    capsys.readouterr()
    assert run("generate", "a cat", "--preset", "moonlight", "-o", "look.mp4", *SMALL) == 0
    assert "in the moonlight" in read_recipe(tmp_path / "look.mp4").prompt
    assert "preset moonlight" in capsys.readouterr().err


def test_a_streamed_clip_is_standard_output_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "himmel", "generate", "a cat", "--seed", "7", "-o", "-", *SMALL], capture_output=True
    )
    assert done.returncode == 0
    assert done.stderr.decode().startswith("-  seed 7  model fake ")
    (tmp_path / "piped.mp4").write_bytes(done.stdout)
    assert run("generate", "a cat", "--seed", 7, "--stream", "-o", "clip.mp4", *SMALL) == 0
    assert (tmp_path / "clip.mp4").read_bytes() == done.stdout
    assert read_frames(tmp_path / "piped.mp4").shape == (6, 48, 64, 3)
    assert read_recipe(tmp_path / "piped.mp4").seed == 7


def test_a_stream_that_is_interrupted_plays_until_then(tmp_path):
    arguments = ["generate", "a cat", "--model", "fake", "--seconds", "3600", "--stream", "-o", "clip.mp4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "himmel", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not (tmp_path / "clip.mp4").exists() or (tmp_path / "clip.mp4").stat().st_size < 20_000:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.decode() == "himmel: cancelled; what was written to 'clip.mp4' until then plays\n"
    assert len(read_frames(tmp_path / "clip.mp4")) > 10


def test_presets_are_listed(capsys):
    assert run("presets") == 0
    assert "golden-hour" in capsys.readouterr().out
