"""Weather: rain and snow fall, and do so in closed form of time."""

import pytest
import torch

from himmel.errors import BadRequest
from himmel.world.vocabulary import WEATHERS
from himmel.world.weather import draw_weather


@pytest.mark.parametrize("kind", WEATHERS)
def test_a_layer_has_colour_and_coverage_in_range(kind: str) -> None:
    layer = draw_weather(kind, [0, 1], 3, 32, 48, 8)
    assert layer.shape == (2, 3, 4, 32, 48) and layer.dtype == torch.float32
    assert layer.isfinite().all() and layer.min() >= 0 and layer.max() <= 1 + 1e-6


def test_clear_covers_nothing() -> None:
    assert draw_weather("clear", [0], 2, 16, 16, 8)[:, :, 3].max() == 0


@pytest.mark.parametrize("kind", ["rain", "snowfall"])
def test_a_seed_settles_the_weather_whatever_the_batch(kind: str) -> None:
    both = draw_weather(kind, [7, 8], 2, 32, 32, 8)
    torch.testing.assert_close(draw_weather(kind, [8], 2, 32, 32, 8)[0], both[1], atol=1e-4, rtol=0)
    assert (both[0] - both[1]).abs().max() > 0.3


@pytest.mark.parametrize("kind", ["rain", "snowfall"])
def test_a_later_start_shows_the_same_frames(kind: str) -> None:
    whole = draw_weather(kind, [3], 12, 32, 32, 8)
    torch.testing.assert_close(draw_weather(kind, [3], 4, 32, 32, 8, start=8), whole[:, 8:], atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["rain", "snowfall"])
def test_what_falls_moves_down(kind: str) -> None:
    coverage = draw_weather(kind, [3], 2, 64, 64, 24)[0, :, 3]
    before, after = coverage - coverage.mean((1, 2), keepdim=True)
    match = {shift: (before[8:-8] * after.roll(-shift, 0)[8:-8]).mean() for shift in range(-6, 7)}
    assert max(match, key=lambda shift: float(match[shift])) > 0


def test_something_is_to_be_seen_but_most_of_the_picture_stays() -> None:
    for kind in ("rain", "snowfall"):
        covered = draw_weather(kind, [1], 1, 64, 64, 8)[0, 0, 3] > 0.6
        assert 0.01 < covered.float().mean() < 0.2, kind


def test_unknown_weather_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"'hail'.*rain"):
        draw_weather("hail", [0], 1, 16, 16, 8)
