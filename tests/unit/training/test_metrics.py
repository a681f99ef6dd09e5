import math

import pytest
import torch

from himmel.training.metrics import Proportion, agreement, flicker, psnr, seam, shuffled_agreement, spread


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (1, 2, 0.0945, 0.9055)],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert Proportion(hits, of).interval == pytest.approx((low, high), abs=1e-4)


def test_no_clips_prove_nothing() -> None:
    assert math.isnan(Proportion(0, 0).value)
    assert Proportion(0, 0).interval == (0.0, 1.0)


def test_agreement_and_its_shuffled_control() -> None:
    true = ["cat", "car", "owl", "cat"]
    assert agreement(true, true) == Proportion(4, 4)
    # Of twelve pairs of different clips only the two cats agree, both ways.
    assert shuffled_agreement(true, true) == pytest.approx(2 / 12)
    # Whoever always says the same scores the same with any truth.
    always = ["cat"] * 4
    assert agreement(always, true).value == shuffled_agreement(always, true) == 0.5


def test_psnr_of_a_known_error() -> None:
    reference = torch.zeros(2, 3, 3, 8, 8)
    clips = torch.stack([reference[0] + 0.1, reference[1] + 0.01])
    torch.testing.assert_close(psnr(clips, reference), torch.tensor([20.0, 40.0]))


def test_spread_tells_seeds_from_prompts() -> None:
    # Two prompts 10 apart, their two seeds 2 apart.
    points = torch.tensor([[[0.0, 0.0], [0.0, 2.0]], [[10.0, 0.0], [10.0, 2.0]]])
    seeds, prompts = spread(points)
    assert seeds == pytest.approx(2)
    assert prompts == pytest.approx((10 + math.hypot(10, 2)) / 2)


def test_flicker_sees_the_background_only() -> None:
    clip = torch.zeros(4, 3, 16, 16)
    clip[1::2, :, 4:12, 4:12] = 1  # the middle blinks
    assert flicker(clip, 0.0, 0.0, 0.55) == 0
    assert flicker(clip, 0.0, 0.0, 0.2) > 10
    clip[1::2] += 1 / 255
    assert flicker(clip, 0.0, 0.0, 0.55) == pytest.approx(1, rel=1e-3)


def test_a_seam_is_a_jump_at_the_border_of_blocks() -> None:
    steady = torch.arange(9.0)[:, None, None, None].expand(9, 3, 4, 4) / 100
    assert seam(steady, 4) == pytest.approx(1)
    jumpy = steady.clone()
    jumpy[1:] += 0.02  # from the first frame to the first block
    jumpy[5:] += 0.02  # and from block to block
    assert seam(jumpy, 4) == pytest.approx(3, rel=1e-3)
