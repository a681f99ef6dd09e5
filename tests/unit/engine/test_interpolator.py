"""Between two frames: ends exact, flow fetched from the right side, and what a change of rate asks for."""

import numpy as np
import pytest
import torch

from himmel.engine.interpolator import Interpolator, InterpolatorConfig, load_interpolator, save_interpolator, warp

SMALL = InterpolatorConfig(fine=8, coarse=8, depth=1)


@pytest.fixture
def interpolator():
    torch.manual_seed(0)
    interpolator = Interpolator(SMALL).eval().requires_grad_(False)
    for parameter in interpolator.parameters():
        if parameter.ndim == 2:
            parameter.normal_(std=parameter.shape[1] ** -0.5)
    return interpolator


def pair():
    return torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("moment", [0.25, 0.5])
def test_untrained_it_blends(moment):
    before, after = pair()[:1], pair()[1:]
    made = Interpolator(SMALL)(before, after, torch.tensor([moment]))
    assert torch.allclose(made, (1 - moment) * before + moment * after, atol=1e-5)


def test_the_ends_are_the_frames_themselves(interpolator):
    before, after = pair()[:1], pair()[1:]
    assert torch.allclose(interpolator(before, after, torch.tensor([0.0])), before, atol=1e-3)
    assert torch.allclose(interpolator(before, after, torch.tensor([1.0])), after, atol=1e-3)


def test_a_flow_says_where_pixels_come_from():
    picture = pair()[:1]
    flow = torch.zeros(1, 2, 16, 24)
    flow[:, 0], flow[:, 1] = 3, -2
    assert torch.allclose(warp(picture, flow)[..., 2:, :-3], picture[..., :-2, 3:], atol=1e-4)


def test_pixels_are_moved_and_never_made(interpolator):
    before, after = pair()[:1], pair()[1:]
    made = interpolator(before, after, torch.tensor([0.4]))
    assert made.min() >= 0 and made.max() <= 1
    assert torch.allclose(
        interpolator(0 * before + 0.7, 0 * after + 0.7, torch.tensor([0.4])), torch.tensor(0.7), atol=1e-5
    )


def test_it_does_as_what_a_change_of_rate_asks(interpolator):
    frames = (pair().permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    made = interpolator.between(*frames, 0.4)
    assert made.shape == (16, 24, 3) and made.dtype == np.uint8
    whole = interpolator(*(torch.from_numpy(f).permute(2, 0, 1)[None] / 255 for f in frames), torch.tensor([0.4]))
    assert np.abs(made - whole[0].permute(1, 2, 0).numpy() * 255).max() <= 0.51


def test_a_file_gives_the_same_network(interpolator, tmp_path):
    path = tmp_path / "interpolator.safetensors"
    save_interpolator(path, interpolator, "Apache-2.0", {})
    before, after = pair()[:1], pair()[1:]
    moment = torch.tensor([0.5])
    assert torch.allclose(
        load_interpolator(path)(before, after, moment), interpolator(before, after, moment), atol=5e-2
    )
