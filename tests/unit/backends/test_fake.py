import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from himmel.backends.fake import FakeBackend
from himmel.backends.protocol import Backend
from himmel.errors import UnreadableMedia
from himmel.media.video_io import read_frames, write_video
from himmel.spec import Clip, Gap, Picture, Progress, Remix, Size, VideoRequest

REQUEST = VideoRequest("a cat on the beach", model="fake", seconds=1.5, size=Size(64, 48), fps=8)


def events(request=REQUEST):
    backend: Backend = FakeBackend()
    return list(backend.generate(request))


def frames(request=REQUEST):
    return np.concatenate([event for event in events(request) if isinstance(event, np.ndarray)])


def test_the_clip_has_the_asked_size_and_length():
    made = frames()
    assert made.shape == (12, 48, 64, 3)
    assert made.dtype == np.uint8


def test_what_is_left_open_is_the_models_default():
    made = frames(VideoRequest("a cat", seconds=1.0))
    assert made.shape == (12, 256, 256, 3)


def test_the_same_request_gives_the_same_frames():
    assert (frames() == frames()).all()


@pytest.mark.parametrize(
    "change", [{"prompt": "a dog"}, {"seed": 1}, {"steps": 2}, {"guidance": 2.0}, {"negative_prompt": "rain"}]
)
def test_every_setting_shows(change):
    assert (frames() != frames(replace(REQUEST, **change))).any()


def test_something_moves_in_every_frame():
    made = frames()
    assert all((before != after).any() for before, after in pairwise(made))


def test_progress_counts_up_to_its_total():
    steps = [event for event in events() if isinstance(event, Progress)]
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total


def test_frames_come_while_others_are_still_to_be_made():
    with closing(FakeBackend().generate(replace(REQUEST, seconds=3600))) as stream:
        assert any(isinstance(event, np.ndarray) for _, event in zip(range(3), stream, strict=False))


def test_the_clip_starts_from_the_given_picture(tmp_path):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 32:] = 200
    Image.fromarray(picture).save(tmp_path / "picture.png")
    made = frames(replace(REQUEST, first_frame=str(tmp_path / "picture.png")))
    assert (made[0] == picture).all()
    assert (made[1:] == frames()[1:]).all()


def test_a_picture_that_cannot_be_read_is_refused_at_once():
    with pytest.raises(UnreadableMedia, match=r"absent\.png"):
        next(FakeBackend().generate(replace(REQUEST, first_frame="absent.png")))


def test_unknown_words_are_told_apart():
    assert [word.word for word in FakeBackend.words.unknown("a quokka and a cat on the beach")] == ["quokka"]


@pytest.fixture
def clip(tmp_path):
    """Ten frames at 8 a second, each of another grey."""
    grey = [np.full((1, 48, 64, 3), 20 * n + 20, np.uint8) for n in range(10)]
    write_video(tmp_path / "clip.mp4", grey, size=Size(64, 48), fps=8, lossless=True)
    return tmp_path / "clip.mp4"


def test_a_timeline_shows_its_clips_and_pictures_as_they_are(clip, tmp_path):
    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    parts = (Clip(str(clip), 0.5, 1.25), Gap(0.5, "a dog"), Picture(str(tmp_path / "red.png")), Gap(0.5))
    made = frames(replace(REQUEST, seconds=1.75, timeline=parts))
    assert made.shape == (14, 48, 64, 3)
    assert (made[:6] == read_frames(clip)[4:]).all()
    assert [index for index, frame in enumerate(made) if (frame == (255, 0, 0)).all()] == [10]
    assert (made[7] != made[12]).any()  # another prompt


def test_a_loop_ends_as_it_begins():
    made = frames(replace(REQUEST, loop=True, seconds=1, fps=48)).astype(int)
    steps = [np.abs(after - before).mean() for before, after in pairwise([*made, made[0]])]
    assert steps[-1] <= 1.5 * max(steps[:-1])
    open_ends = frames(replace(REQUEST, seconds=1, fps=48)).astype(int)
    assert np.abs(open_ends[0] - open_ends[-1]).mean() > 2 * steps[-1]


def test_a_remix_is_as_far_from_its_clip_as_is_asked_and_a_mask_keeps_the_rest(clip):
    there = read_frames(clip).astype(int)

    def remixed(**wishes):
        return frames(replace(REQUEST, seconds=1.25, remix=Remix(str(clip), **wishes))).astype(int)

    faint, strong, whole = (np.abs(remixed(strength=strength) - there).mean() for strength in (0.1, 0.6, 1.0))
    assert 0 < faint < strong < whole
    assert (remixed() == frames(replace(REQUEST, seconds=1.25))).all()
    assert (remixed(strength=0.5) == remixed(strength=0.5)).all()
    masked = remixed(strength=0.5, mask="32,0,32,48")
    assert (masked[:, :, :32] == there[:, :, :32]).all()
    assert (masked[:, :, 32:] != there[:, :, 32:]).any()


def test_it_needs_no_torch():
    told = "import sys, himmel.backends.fake; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told]).returncode == 0
