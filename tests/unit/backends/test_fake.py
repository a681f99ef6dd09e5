from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from himmel.backends.fake import FakeBackend
from himmel.backends.protocol import Backend
from himmel.errors import UnreadableMedia
from himmel.spec import Progress, Size, VideoRequest

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
