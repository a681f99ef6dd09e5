"""Light: what day, sunset and night do to a picture."""

import pytest
import torch

from himmel.errors import BadRequest
from himmel.world.light import apply_light
from himmel.world.vocabulary import LIGHTS

GREY = torch.full((1, 3, 8, 8), 0.6)


def test_day_changes_nothing() -> None:
    assert torch.equal(apply_light(GREY, ["day"]), GREY)
    mixed = apply_light(GREY.repeat(2, 1, 1, 1), ["day", "night"])
    torch.testing.assert_close(mixed[:1], GREY)


def test_sunset_is_warm_and_warmest_at_the_top() -> None:
    warmth = apply_light(GREY, ["sunset"])[0]
    redness = (warmth[0] - warmth[2]).mean(-1)
    assert redness.min() > 0.1 and redness[0] > redness[-1]


def test_night_is_dark_and_blue() -> None:
    night = apply_light(GREY, ["night"])[0].mean((1, 2))
    assert night.mean() < 0.35 and night[2] > night[0] + 0.1


def test_strength_goes_from_nothing_to_all() -> None:
    change = [float((apply_light(GREY, ["night"], strength=s) - GREY).abs().mean()) for s in (0.0, 0.5, 1.0)]
    assert change[0] == 0 and change[1] == pytest.approx(change[2] / 2, rel=1e-4)


def test_lit_windows_stay_bright_in_the_city_at_night_only() -> None:
    lamp = torch.tensor([1.0, 0.87, 0.48]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    city, meadow = (apply_light(lamp, ["night"], settings=[s]).mean() for s in ("city", "meadow"))
    assert city > meadow + 0.2


def test_photographs_take_less_of_a_light_than_painted_sets() -> None:
    photograph, painted = (
        (apply_light(GREY, ["night"], settings=[setting]) - GREY).abs().mean() for setting in ("park", "meadow")
    )
    assert 0.5 * painted < photograph < 0.9 * painted


def test_every_light_keeps_the_range_and_an_unknown_one_is_refused() -> None:
    noise = torch.rand(len(LIGHTS), 3, 8, 8)
    graded = apply_light(noise, LIGHTS)
    assert graded.min() >= 0 and graded.max() <= 1
    with pytest.raises(BadRequest, match=r"'dusk'.*day"):
        apply_light(GREY, ["dusk"])
