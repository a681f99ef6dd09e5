"""Backdrops: every setting, alike for like seeds, unlike one another."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from himmel.errors import BadRequest
from himmel.world.sets import draw_backdrops, ground_line
from himmel.world.vocabulary import PANORAMAS, SETTINGS


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_backdrop_fills_its_shape_with_colours_in_range(setting: str) -> None:
    picture = draw_backdrops(setting, [3, 4], 40, 70)
    assert picture.shape == (2, 3, 40, 70) and picture.dtype == torch.float32
    assert picture.isfinite().all() and picture.min() >= 0 and picture.max() <= 1
    assert picture.flatten(2).std(-1).mean() > 0.02  # not one flat colour


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_seed_settles_the_picture_whatever_the_batch(setting: str) -> None:
    batch = draw_backdrops(setting, [1, 2, 3], 32, 56)
    torch.testing.assert_close(draw_backdrops(setting, [2], 32, 56)[0], batch[1], atol=1e-4, rtol=0)
    assert (batch[0] - batch[1]).abs().mean() > 0.005


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_larger_sheet_shows_the_same_picture(setting: str) -> None:
    small, large = draw_backdrops(setting, [5], 32, 56), draw_backdrops(setting, [5], 128, 224)
    assert (F.avg_pool2d(large, 4) - small).abs().mean() < 0.02


def test_nearest_mean_picture_names_the_setting_of_any_square_window() -> None:
    size = 16
    references, queries = [], []
    for setting in SETTINGS:
        small = F.avg_pool2d(draw_backdrops(setting, range(12), 2 * size, round(3.5 * size)), 2)
        references.append(small[:8].mean(3).mean(0))  # the mean colour of every row: 3 × H
        queries.append(torch.stack([small[8 + i, :, :, 4 * i : 4 * i + size].mean(2) for i in range(4)]))
    distance = torch.cdist(torch.cat(queries).flatten(1), torch.stack(references).flatten(1))
    right = distance.argmin(1) == torch.arange(len(SETTINGS)).repeat_interleave(4)
    assert right.float().mean() > 0.9


def test_no_two_settings_look_alike_on_the_whole() -> None:
    means = {s: draw_backdrops(s, range(4), 24, 42).mean((0, 3)) for s in SETTINGS}
    for one, other in itertools.combinations(SETTINGS, 2):
        assert (means[one] - means[other]).abs().mean() > 0.02, (one, other)


def test_things_float_where_there_is_no_ground() -> None:
    assert {s for s in SETTINGS if ground_line(s) is None} == {"sky", "night_sky", "space", "underwater"}
    assert all(0.6 < y < 0.95 for s in SETTINGS if (y := ground_line(s)) is not None)


def test_photographs_have_ground_below_their_horizon() -> None:
    assert all(0.6 < (ground_line(panorama) or 0) < 0.95 for panorama in PANORAMAS)


def test_no_seeds_no_pictures() -> None:
    assert draw_backdrops("meadow", [], 16, 28).shape == (0, 3, 16, 28)


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"'moon'.*beach.*garden"):
        draw_backdrops("moon", [0], 16, 16)
