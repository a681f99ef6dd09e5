"""Our models as a backend: what was asked for comes out, and the native path keeps its promises."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from himmel.backends import native
from himmel.backends.native import NativeBackend, available
from himmel.engine import streaming
from himmel.errors import BadCheckpoint, BadRequest, DeviceUnavailable, UnreadableMedia
from himmel.spec import Progress, Size, VideoRequest


@pytest.fixture
def backend(weights, monkeypatch):
    monkeypatch.setattr(native, "WEIGHTS", weights)
    return NativeBackend("pebble", "cpu")


def request(**wishes):
    return VideoRequest(**{"prompt": "a cat", "model": "pebble", "seconds": 2, "seed": 3, **wishes})


def frames_of(backend, **wishes):
    return np.concatenate([part for part in backend.generate(request(**wishes)) if isinstance(part, np.ndarray)])


def test_it_is_listed_with_what_its_headers_say(backend):
    [info] = available()
    assert (info.name, info.native_size, info.native_fps, info.default_steps) == ("pebble", Size(32, 32), 8, 2)
    assert (info.parameters, info.scores, len(info.weight_hash)) == (5, {"noun": 0.5}, 16)


def test_native_frames_by_default_four_times_as_large(backend):
    assert frames_of(backend).shape == (16, 128, 128, 3)


@pytest.mark.parametrize(
    ("wishes", "shape"),
    [
        ({"size": Size(48, 32), "fps": 12}, (24, 32, 48, 3)),
        ({"seconds": 0.1}, (1, 128, 128, 3)),
        ({"seconds": 0.7, "fps": 24, "size": Size(32, 32)}, (17, 32, 32, 3)),
    ],
)
def test_size_rate_and_length_are_as_asked(backend, wishes, shape):
    assert frames_of(backend, **wishes).shape == shape


def test_the_same_request_gives_the_same_frames_and_another_seed_others(backend):
    assert np.array_equal(frames_of(backend), frames_of(backend))
    assert not np.array_equal(frames_of(backend), frames_of(backend, seed=4))


def test_frames_come_before_the_end_and_progress_ends_at_the_total(backend):
    kinds = list(backend.generate(request(seconds=4)))
    first = next(i for i, part in enumerate(kinds) if isinstance(part, np.ndarray))
    assert first < len(kinds) - 3
    last = kinds[-1]
    assert isinstance(last, Progress)
    assert last.done == last.total


def test_progress_says_how_much_is_done_and_not_how_often_something_came(backend):
    frames, halfway = 0, []
    for part in backend.generate(request(seconds=8)):
        if isinstance(part, np.ndarray):
            frames += len(part)
        elif 0 < frames <= 32:  # of 64
            halfway.append(part.done / part.total)
    assert halfway == sorted(halfway)
    assert 0.3 < halfway[-1] < 0.8


def test_a_state_goes_on_where_it_was_taken_bit_by_bit(backend, monkeypatch):
    length = 8  # longer than guidance lasts
    parts = list(backend.generate(request(seconds=length)))
    whole = np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    sampled = []
    monkeypatch.setattr(
        streaming, "_sample_block", lambda *given, real=streaming._sample_block: sampled.append(1) or real(*given)
    )

    def again(state, **wishes):
        sampled.clear()
        made = backend.generate(request(**{"seconds": length, **wishes}), state)
        return np.concatenate([part for part in made if isinstance(part, np.ndarray)])

    assert np.array_equal(again(None), whole)
    blocks, running = len(sampled), backend.generate(request(seconds=length))
    states = [part.state() for part in running if isinstance(part, Progress) and part.state]
    assert len(states) >= 3
    left = []
    for state in (states[0], states[len(states) // 2], states[-1]):
        assert np.array_equal(again(state), whole)
        left.append(len(sampled))
        resumed = backend.generate(request(seconds=length), state)
        [offered] = [next(resumed) for _ in range(3)][2:]
        assert np.load(io.BytesIO(offered.state()))["run0"].shape >= np.load(io.BytesIO(state))["run0"].shape
        resumed.close()
    assert left == sorted(left, reverse=True) and left[0] >= blocks - 3 and left[-1] <= 1
    monkeypatch.setattr(backend, "info", replace(backend.info, weight_hash="another"))
    assert np.array_equal(again(states[1]), whole)
    assert len(sampled) == blocks  # a state of other weights is of no use


@pytest.mark.parametrize("size", [Size(32, 32), Size(128, 128), Size(96, 64)])
def test_a_first_frame_is_the_picture_itself_at_any_size(backend, tmp_path, size):
    picture = np.random.default_rng(0).integers(0, 255, (size.height, size.width, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    frames = frames_of(backend, first_frame=str(tmp_path / "picture.png"), size=size)
    assert np.array_equal(frames[0], picture)
    assert not np.array_equal(frames[1], picture)


def test_a_picture_that_is_none_is_refused_at_once(backend, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UnreadableMedia):
        next(iter(backend.generate(request(first_frame=str(tmp_path / "text.png")))))


@pytest.mark.parametrize(("wish", "named"), [("prompt", "the prompt"), ("negative_prompt", "the negative prompt")])
def test_a_prompt_that_cannot_be_read_whole_is_refused(backend, wish, named):
    with pytest.raises(BadRequest, match=f"{named} is too long"):
        next(iter(backend.generate(request(**{wish: "cat " * 500}))))


def test_a_device_that_is_not_there(weights, monkeypatch):
    monkeypatch.setattr(native, "WEIGHTS", weights)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceUnavailable, match="available: auto, cpu"):
        NativeBackend("pebble", "cuda")


def test_damaged_weights_are_refused(weights, monkeypatch, tmp_path):
    copy = tmp_path / "pebble"
    copy.mkdir()
    for file in (weights / "pebble").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    cut = copy / "transformer.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    monkeypatch.setattr(native, "WEIGHTS", tmp_path)
    with pytest.raises(BadCheckpoint, match="damaged"):
        available()


def test_what_is_given_is_shown_whole_in_its_own_proportions(backend, tmp_path):
    picture = np.full((32, 96, 3), 120, np.uint8)
    picture[:, :16], picture[:, -16:] = 250, 10  # would be cut off by a square
    Image.fromarray(picture).save(tmp_path / "wide.png")
    first = frames_of(backend, first_frame=str(tmp_path / "wide.png"), size=Size(96, 32))[0].astype(int)
    assert abs(first[:, 4:10] - 250).mean() < 8 and abs(first[:, -10:-4] - 10).mean() < 8


@pytest.mark.parametrize("able", [False, True])
def test_pictures_are_drawn_in_narrow_numbers_where_the_cpu_has_them(weights, monkeypatch, able):
    monkeypatch.setattr(native, "WEIGHTS", weights)
    monkeypatch.setattr(native, "has_bfloat16", lambda: able)
    backend = NativeBackend("pebble", "cpu")
    model = backend.model
    assert ("bfloat16" in backend.build) == able
    kind = torch.bfloat16 if able else torch.float32
    assert {p.dtype for p in model.autoencoder.decoder.parameters()} == {kind}
    assert {p.dtype for p in model.generator.parameters()} == {torch.float32}
