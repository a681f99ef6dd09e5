import math

import pytest
import torch
from torch import Tensor

from himmel.engine.samplers import (
    SAMPLERS,
    Sampler,
    euler,
    heun,
    multistep,
    sampler_named,
    schedule,
)
from himmel.errors import BadRequest


def curved(x: Tensor, level: Tensor, following: Tensor) -> Tensor:
    """dx/dl = x cos(l), solved by x = x1 exp(sin l - sin 1)."""
    return x * torch.cos(level)


def error_of(sampler: Sampler, steps: int, shift: float = 1.0) -> float:
    start = torch.tensor([1.0, -2.0], dtype=torch.float64)
    levels = schedule(steps, shift).double()
    return float((sampler(curved, start, levels) - start * math.exp(-math.sin(1))).abs().max())


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_straight_flow_is_exact_in_any_number_of_steps(sampler: Sampler, steps: int) -> None:
    noise, clean = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    result = sampler(lambda x, level, following: noise - clean, noise, schedule(steps, shift=3.0))
    torch.testing.assert_close(result, clean, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (heun, 2), (multistep, 2)])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_the_error_falls_with_the_order(sampler: Sampler, order: int, shift: float) -> None:
    measured = math.log2(error_of(sampler, 64, shift) / error_of(sampler, 128, shift))
    assert measured == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("steps", [1, 5])
def test_a_model_is_asked_as_often_as_said_and_never_at_level_zero(sampler: Sampler, steps: int) -> None:
    seen: list[float] = []

    def velocity(x: Tensor, level: Tensor, following: Tensor) -> Tensor:
        seen.append(float(level))
        return x

    sampler(velocity, torch.ones(1), schedule(steps))
    assert len(seen) == (2 * steps - 1 if sampler is heun else steps)
    assert min(seen) > 0


def test_the_schedule_runs_from_noise_to_clean_and_shift_stays_longer_in_noise() -> None:
    even, shifted = schedule(8), schedule(8, shift=3.0)
    for levels in (even, shifted):
        assert levels[0] == 1
        assert levels[-1] == 0
        assert (levels.diff() < 0).all()
    torch.testing.assert_close(even, torch.linspace(1, 0, 9))
    assert shifted[4] == pytest.approx(0.75)  # 3 * 0.5 / (1 + 2 * 0.5)


@pytest.mark.parametrize(("steps", "shift"), [(0, 1.0), (4, 0.0)])
def test_impossible_schedules_are_refused(steps: int, shift: float) -> None:
    with pytest.raises(BadRequest, match="allowed"):
        schedule(steps, shift)


def test_an_unknown_sampler_names_the_known_ones() -> None:
    assert sampler_named("heun") is heun
    with pytest.raises(BadRequest, match="euler, heun, multistep"):
        sampler_named("magic")
