import pytest
import torch
from torch import Tensor

from himmel.engine.guidance import guide, guided

X, LEVEL = torch.arange(6.0).reshape(2, 3), torch.tensor(0.5)


def with_prompt(x: Tensor, level: Tensor) -> Tensor:
    return x * level + 1


def without(x: Tensor, level: Tensor) -> Tensor:
    return x * 2


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 2.0), (1.0, 5.0), (3.0, 11.0)])
def test_guide_extrapolates_from_the_unconditional(scale: float, expected: float) -> None:
    assert guide(torch.tensor(5.0), torch.tensor(2.0), scale) == expected


def both(x: Tensor, level: Tensor) -> Tensor:
    first, second = x.chunk(2)
    return torch.cat([with_prompt(first, level), without(second, level)])


def test_the_batch_is_doubled_and_its_halves_are_joined() -> None:
    found = guided(both, 4.0)(X, LEVEL)
    assert found.shape == X.shape
    torch.testing.assert_close(found, guide(with_prompt(X, LEVEL), without(X, LEVEL), 4.0))


def test_at_scale_one_nothing_is_asked_twice() -> None:
    torch.testing.assert_close(guided(with_prompt, 1.0)(X, LEVEL), with_prompt(X, LEVEL))
