"""What the upsampler learns from: large and small lie over each other, and the past is sometimes missing."""

import pytest
import torch
import torch.nn.functional as F

from himmel.engine.autoencoder import Autoencoder
from himmel.engine.presets import TINY
from himmel.engine.upsampler import Upsampler, UpsamplerConfig
from himmel.training.loop import Recipe
from himmel.training.train_upsampler import (
    FRAMES,
    UpsamplerTraining,
    _cropped,
    _Maker,
    _parted,
    _past,
    enlarging_loss,
    train_upsampler,
)
from himmel.world.scene import sample_scene

CPU = torch.device("cpu")


@pytest.fixture
def training(vocabulary, atlas):
    torch.manual_seed(0)
    autoencoder = Autoencoder(TINY.autoencoder).eval().requires_grad_(False)
    return UpsamplerTraining(vocabulary, atlas, autoencoder, 32, 32, 8, clips=2, crop=16, pool=8)


@pytest.fixture
def examples(training, vocabulary):
    return _Maker(training, CPU).examples([sample_scene(vocabulary, seed) for seed in range(3)])


def test_the_small_picture_is_the_large_one_made_small(examples):
    small, large = _parted(examples, spoiled=False)
    assert small.shape == (3, FRAMES, 3, 32, 32)
    assert large.shape == (3, FRAMES, 3, 128, 128)
    assert torch.allclose(F.avg_pool2d(large.flatten(0, 1), 4), small.flatten(0, 1), atol=1 / 255)


def test_a_cut_goes_through_both(examples):
    small, large = _parted(_cropped(examples, 16, torch.Generator().manual_seed(0)), spoiled=False)
    assert small.shape == (3, 3, 3, 16, 16)
    assert torch.allclose(F.avg_pool2d(large.flatten(0, 1), 4), small.flatten(0, 1), atol=1 / 255)


def test_spoiled_pictures_have_been_through_the_autoencoder(examples):
    assert (_parted(examples, spoiled=True)[0] - _parted(examples, spoiled=False)[0]).abs().mean() > 0.01


def test_some_clips_begin_and_some_were_cut():
    small = torch.arange(400.0).view(400, 1, 1, 1, 1) + torch.tensor([0.0, 0.25, 0.5]).view(1, 3, 1, 1, 1)
    before = _past(small, torch.Generator().manual_seed(0)).squeeze()
    own, begun = before[:, 0] == small[:, 0].squeeze(), before[:, 0] == small[:, 1].squeeze()
    assert (before[:, 1] == small[:, 1].squeeze()).all()
    assert 0.75 < own.float().mean() < 0.95
    assert 0.02 < begun.float().mean() < 0.15
    assert 0.02 < (~own & ~begun).float().mean() < 0.15


def test_the_loss_counts_flicker_beyond_its_size():
    true = torch.zeros(1, 2, 3, 8, 8)
    steady, flickering = true + 0.1, true + torch.tensor([0.1, -0.1]).view(1, 2, 1, 1, 1)
    assert enlarging_loss(true, true) == 0
    assert enlarging_loss(flickering, true) > 2 * enlarging_loss(steady, true) > 0


def test_a_sitting_learns_keeps_its_state_and_goes_on(training, tmp_path):
    recipe = Recipe(tmp_path, minutes=0.02, warmup_steps=1)
    config = UpsamplerConfig(width=8, depth=1, fine=8)
    first = train_upsampler(config, training, recipe, CPU)
    assert (tmp_path / "state.safetensors").exists()
    assert "psnr_spoiled" in first.log.read_text()
    again = train_upsampler(config, training, Recipe(tmp_path, minutes=1e-6), CPU)
    assert again.step >= first.step
    assert isinstance(again.model, Upsampler)
