"""Every way to make a clip on the command line by the engine itself: what has learned nothing keeps promises too."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from himmel.backends import native
from himmel.cli.app import main
from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames, write_video
from himmel.spec import Size

PEBBLE = ["--model", "pebble", "--seed", "1", "--device", "cpu", "--lossless"]
NATIVE = ["--size", "32x32", "--fps", "8"]


@pytest.fixture(autouse=True)
def _folder(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "WEIGHTS", weights)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIMMEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def made(*arguments, name="new.mp4"):
    """The frames that a command makes, as numbers that can be subtracted."""
    assert main([*map(str, arguments), "-o", name, *PEBBLE]) == 0
    return read_frames(Path(name)).astype(int)


def given(name, *, width=48, height=32, fps=12, frames=24, seed=0):
    """A clip of another size and rate than the model's: large blocks, which wander."""
    blocks = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    still = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    clip = np.stack([np.roll(still, number, 1) for number in range(frames)])
    write_video(Path(name), [clip], size=Size(width, height), fps=fps, lossless=True)
    return clip


def picture(name, seed, side=32):
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(name)
    return pixels


def test_given_pictures_are_the_frames_at_their_times():
    first, middle, last = (picture(f"{number}.png", number) for number in range(3))
    told = ["generate", "a cat", "--seconds", 2, *NATIVE]
    new = made(*told, "--image", "0.png", "--keyframe", "1=1.png")
    assert np.array_equal(new[0], first) and np.array_equal(new[8], middle)
    assert not np.array_equal(new[7], middle) and not np.array_equal(new[9], middle)
    new = made(*told, "--image", "0.png", "--last-image", "2.png")
    assert len(new) == 16 and np.array_equal(new[0], first) and np.array_equal(new[-1], last)


def test_given_pictures_are_exact_at_other_sizes_and_rates_too():
    first, middle, last = (picture(f"{number}.png", number, side=80) for number in range(3))
    told = ["generate", "a cat", "--seconds", 2, "--size", "80x80", "--fps", 15, "--image", "0.png"]
    new = made(*told, "--keyframe", "1=1.png", "--last-image", "2.png")
    assert len(new) == 30 and np.array_equal(new[0], first) and np.array_equal(new[-1], last)
    assert any(np.array_equal(frame, middle) for frame in new[14:17])


def test_what_goes_on_from_a_sharp_clip_begins_as_sharp():
    """The model draws softer; to its first frames the clip lends its detail."""

    def detail(frame):
        return (frame - frame.reshape(20, 4, 20, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1)).ravel()

    sharp = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    still = np.broadcast_to(sharp, (24, 80, 80, 3))
    write_video(Path("still.mp4"), [still], size=Size(80, 80), fps=12, lossless=True)
    new = made("extend", "still.mp4", "a cat", "--seconds", 1)
    alike = [np.corrcoef(detail(frame), detail(sharp))[0, 1] for frame in new[24:]]
    assert len(alike) == 12 and alike[0] > 0.7 > alike[3] > alike[-1]


def test_a_loops_end_comes_to_its_beginning():
    told = ["generate", "a cat", "--seconds", 2, *NATIVE]
    plain, loop = made(*told), made(*told, "--loop")
    assert len(loop) == len(plain) == 16
    assert abs(loop[-1] - loop[0]).mean() < abs(plain[-1] - plain[0]).mean()


@pytest.mark.parametrize("before", [False, True])
def test_an_extended_clip_is_the_clip_and_more(before):
    clip = given("given.mp4")
    new = made("extend", "given.mp4", "a cat", "--seconds", 1, *(["--before"] if before else []))
    assert new.shape == (36, 32, 48, 3)
    assert np.array_equal(new[-24:] if before else new[:24], clip)


def test_a_blend_keeps_what_does_not_overlap_and_reads_both_prompts():
    """The first clip is so long that all that is made comes in one block."""
    for name, prompt in (("a", "a cat"), ("b", "a dog")):
        made("generate", prompt, "--seconds", 7, *NATIVE, name=f"{name}.mp4")
    one, other = read_frames(Path("a.mp4")), read_frames(Path("b.mp4"))
    both = made("blend", "a.mp4", "b.mp4", "--overlap", 1.5)
    assert len(both) == 100 and np.array_equal(both[:44], one[:44]) and np.array_equal(both[56:], other[12:])
    first_alone = made("blend", "a.mp4", "b.mp4", "a cat", "--overlap", 1.5)
    assert not np.array_equal(both[44:56], first_alone[44:56])


def test_what_is_not_masked_stays_bit_by_bit_at_the_clips_own_size():
    clip = given("given.mp4")
    new = made("edit", "given.mp4", "a cat", "--mask", "50%,0,50%,100%")
    assert new.shape == clip.shape and np.array_equal(new[:, :, :24], clip[:, :, :24])
    assert abs(new[:, :, 40:] - clip[:, :, 40:]).mean() > 1


@pytest.mark.parametrize("box", ["8,8,12,12", "0,10,48,7", "20,0,3,32"])
def test_a_small_mask_changes_what_is_in_it_too(box):
    clip = given("given.mp4")
    new = made("edit", "given.mp4", "a cat", "--strength", "1", "--mask", box)
    left, top, width, height = map(int, box.split(","))
    inside = abs(new - clip)[:, top : top + height, left : left + width]
    assert inside.mean() > 10 and inside.mean() * inside.size == pytest.approx(abs(new - clip).sum())


def test_a_remix_is_the_further_off_the_stronger_it_is():
    clip = given("given.mp4")
    near, far = (made("remix", "given.mp4", "a cat", "--strength", strength) for strength in (0.1, 1))
    assert near.shape == clip.shape and abs(near - far).mean() > 1


def test_somebody_who_is_called_by_name_is_seen():
    picture("rex.png", 3)
    told = ["generate", "Rex jumps", "--seconds", 1, *NATIVE]
    unknown = made(*told)
    assert main(["character", "add", "Rex", "rex.png"]) == 0
    assert not np.array_equal(made(*told), unknown)
    assert [each["name"] for each in read_recipe(Path("new.mp4")).characters] == ["Rex"]


BOARD = """\
model: pebble
size: 32x32
fps: 8
cards:
  - text: a cat
    for: 2
  - text: a dog
    for: 0.5
  - text: a cat
    for: 2
  - text: a fish
    for: 1
    cut: true
"""


def test_every_card_of_a_storyboard_is_read():
    def told(board):
        Path("board.yaml").write_text(board)
        assert main(["storyboard", "board.yaml", "-o", "new.mp4", "--device", "cpu", "--lossless"]) == 0
        return read_frames(Path("new.mp4"))

    three, one = told(BOARD), told(BOARD.replace("a dog", "a cat"))
    assert len(three) == len(one) == 44
    assert not np.array_equal(three[:36], one[:36]) and np.array_equal(three[36:], one[36:])


def test_a_prompt_too_long_for_the_model_is_a_line_of_the_file_and_nothing_is_made(tmp_path, capsys):
    Path("board.yaml").write_text(BOARD.replace("a fish", "fish " * 500))
    assert main(["storyboard", "board.yaml", "-o", "new.mp4", "--device", "cpu"]) == 2
    assert "board.yaml line 11: the prompt is too long" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["extend", "given.mp4", "a cat", "--before", "--seconds", 1],
        ["blend", "given.mp4", "other.mp4", "a cat", "--overlap", 0.5],
        ["edit", "given.mp4", "a cat", "--mask", "50%,0,50%,100%"],
        ["loop", "given.mp4", "a cat"],
        ["generate", "Rex spins", "--seconds", 2, "--keyframe", "1=0.png", "--last-image", "0.png"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_recipe_of_every_command_makes_the_same_frames_again(arguments):
    given("given.mp4")
    given("other.mp4", seed=1)
    picture("0.png", 0)
    assert main(["character", "add", "Rex", "0.png"]) == 0
    new = made(*arguments)
    assert main(["generate", "--from", "new.mp4", "-o", "again.mp4", "--lossless"]) == 0
    assert np.array_equal(read_frames(Path("again.mp4")), new)
