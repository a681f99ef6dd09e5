"""The autoencoder is causal, streams without a seam, and its latents lie on a sphere."""

import pytest
import torch

from himmel.engine.autoencoder import Autoencoder, reconstruction_loss
from himmel.engine.presets import TINY


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    model = Autoencoder(TINY.autoencoder)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


def clip(frames=9):
    return torch.rand(2, frames, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_shapes_there_and_back(autoencoder):
    latents = autoencoder.encode(clip())
    assert latents.shape == (2, 3, 8, 4, 4)
    assert autoencoder.decode(latents).shape == (2, 9, 3, 32, 32)


def test_a_picture_is_a_clip_of_one_frame(autoencoder):
    assert torch.allclose(autoencoder.encode(clip()[:, :1]), autoencoder.encode(clip())[:, :1], atol=1e-5)


def test_no_latent_sees_a_later_frame(autoencoder):
    changed = clip()
    changed[:, 5:] = 0
    assert torch.allclose(autoencoder.encode(changed)[:, :2], autoencoder.encode(clip())[:, :2], atol=1e-5)
    assert not torch.allclose(autoencoder.encode(changed)[:, 2], autoencoder.encode(clip())[:, 2], atol=1e-3)


@pytest.mark.parametrize("chunks", [[1, 1, 1], [1, 2], [2, 1], [3]])
def test_streamed_decoding_is_the_same(autoencoder, chunks):
    latents = autoencoder.encode(clip())
    whole = autoencoder.decode(latents).clamp(0, 1)
    streamed = torch.cat(list(autoencoder.decode_stream(latents.split(chunks, 1))), 1)
    assert torch.allclose(streamed, whole, atol=1e-5)


def test_latents_have_rms_one(autoencoder):
    assert torch.allclose(autoencoder.encode(clip()).square().mean(2), torch.ones(2, 3, 4, 4), atol=1e-3)


def test_the_loss_is_zero_for_the_same_and_falls_towards_it():
    assert reconstruction_loss(clip(), clip()) == 0
    grey = torch.full_like(clip(), 0.5)
    assert reconstruction_loss((clip() + grey) / 2, clip()) < reconstruction_loss(grey, clip())


def test_the_same_missing_motion_costs_more_in_one_step_than_in_four():
    truth = torch.zeros(1, 5, 3, 8, 8)
    at_once, spread = torch.zeros_like(truth), torch.zeros_like(truth)
    at_once[:, 1:] = 0.2
    spread[:] = torch.linspace(0, 0.2, 5)[:, None, None, None]
    steps = [error.diff(dim=1).abs().sum() for error in (at_once, spread)]
    assert torch.isclose(*steps)
    pixels = (at_once - spread).abs().mean() * 2  # what spreading saves or costs in pixels alone is less
    assert reconstruction_loss(at_once, truth) > reconstruction_loss(spread, truth) + pixels


def test_what_moves_to_a_wrong_place_costs_less_than_what_does_not_move():
    truth, elsewhere, standing = (torch.zeros(1, 5, 3, 8, 8) for _ in range(3))
    for made, column in ((truth, 6), (elsewhere, 4), (standing, 2)):
        made[:, 0, :, 3, 2] = made[:, 1:, :, 3, column] = 1
    assert torch.isclose((elsewhere - truth).abs().sum(), (standing - truth).abs().sum())
    assert reconstruction_loss(elsewhere, truth) < reconstruction_loss(standing, truth)
