"""A sitting of the interpolator: it learns from frames that were left out, and keeps its state."""

import torch

from himmel.engine.interpolator import InterpolatorConfig
from himmel.training.loop import Recipe
from himmel.training.train_interpolator import InterpolatorTraining, train_interpolator

CPU = torch.device("cpu")


def test_a_sitting_keeps_its_state_and_goes_on(vocabulary, atlas, tmp_path):
    training = InterpolatorTraining(vocabulary, atlas, 16, 16, 8, clips=2, pool=8)
    config = InterpolatorConfig(fine=8, coarse=8, depth=1)
    first = train_interpolator(config, training, Recipe(tmp_path, minutes=0.02, warmup_steps=1), CPU)
    assert "psnr" in first.log.read_text()
    again = train_interpolator(config, training, Recipe(tmp_path, minutes=1e-6), CPU)
    assert again.step >= first.step
