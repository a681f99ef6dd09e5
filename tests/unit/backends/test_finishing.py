"""From native frames to the size, rate and number that were asked for."""

import numpy as np
import pytest
import torch

from himmel.backends.finishing import Finishing
from himmel.engine.interpolator import Interpolator, InterpolatorConfig
from himmel.engine.upsampler import Upsampler, UpsamplerConfig
from himmel.media.scaling import crop_to, stretch_to
from himmel.spec import Size


@pytest.fixture
def upsampler():
    """Untrained: bicubic scaling, which is near enough to Lanczos to be compared with it."""
    return Upsampler(UpsamplerConfig(width=8, depth=1, fine=8)).eval()


def enlarged(frames, size, upsampler, **how):
    return np.stack(list(Finishing(upsampler).sized(frames, size, **how)))


def resize_frames(frames, size):
    return np.stack([crop_to(frame, size) for frame in frames])


def ramp(count, height=32, width=32):
    """Soft clips: a slope over the picture that moves on."""
    rows, columns = np.mgrid[:height, :width]
    slope = (2 * rows + 3 * columns)[None] + 5 * np.arange(count)[:, None, None]
    return np.repeat(slope[..., None], 3, axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    "size", [Size(128, 128), Size(64, 64), Size(96, 54), Size(54, 96), Size(320, 180), Size(64, 16), Size(128, 126)]
)
def test_every_size_shows_what_plain_scaling_shows(upsampler, size):
    clip = ramp(3)
    made = enlarged(clip, size, upsampler)
    plain = resize_frames(clip, size)
    assert made.shape == plain.shape
    assert np.abs(made.astype(int) - plain).mean() < 1.5


@pytest.mark.parametrize("size", [Size(32, 32), Size(16, 16), Size(32, 18)])
def test_what_does_not_grow_never_meets_the_network(upsampler, size):
    clip = ramp(2)
    upsampler.body = None
    assert (enlarged(clip, size, upsampler) == resize_frames(clip, size)).all()


def test_what_is_cut_off_is_not_enlarged(upsampler):
    seen = []
    upsampler.body.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[-2:])))
    enlarged(ramp(1, 32, 32), Size(128, 72), upsampler)
    assert seen == [(18, 32)]


def test_frames_come_as_they_are_asked_for(upsampler):
    asked = []

    def frames():
        for number in range(100):
            asked.append(number)
            yield float(number), ramp(1)[0]

    finishing = Finishing(upsampler)
    stream = finishing.sized(finishing.timed(frames(), (index / 2 for index in range(20))), Size(64, 64))
    next(stream)
    assert len(asked) <= 2
    assert 1 + len(list(stream)) == 20


def test_the_interpolator_is_asked_only_between_frames():
    asked = []

    class Asked(Interpolator):
        def between(self, before, after, moment):
            asked.append(moment)
            return before

    finishing = Finishing(interpolator=Asked(InterpolatorConfig(8, 8, 1)).eval())
    clip = ramp(3)
    made = np.stack(list(finishing.timed(((float(i), f) for i, f in enumerate(clip)), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5])))
    assert asked == [0.5, 0.5]
    assert (made[::2] == clip).all() and (made[5] == clip[2]).all()


def test_what_was_stretched_is_stretched_back(upsampler):
    clip = ramp(2)
    made = enlarged(clip, Size(128, 72), upsampler, stretched=True)
    plain = np.stack([stretch_to(frame, Size(128, 72)) for frame in clip])
    assert np.abs(made.astype(int) - plain).mean() < 1.5


def test_nothing_comes_of_nothing(upsampler):
    assert list(Finishing(upsampler).sized([], Size(64, 64))) == []


def test_a_still_clip_stays_still(upsampler):
    torch.manual_seed(0)
    for parameter in upsampler.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.1)
    clip = np.repeat(ramp(1), 4, axis=0)
    made = enlarged(clip, Size(128, 128), upsampler)
    assert (made == made[:1]).all()
