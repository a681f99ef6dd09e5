import pytest
import torch
from torch import Tensor

from himmel.engine.guidance import guide, guided, guided_in_one_batch

X, LEVEL = torch.arange(6.0).reshape(2, 3), torch.tensor(0.5)


def with_prompt(x: Tensor, level: Tensor) -> Tensor:
    return x * level + 1


def without(x: Tensor, level: Tensor) -> Tensor:
    return x * 2


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 2.0), (1.0, 5.0), (3.0, 11.0)])
def test_guide_extrapolates_from_the_unconditional(scale: float, expected: float) -> None:
    assert guide(torch.tensor(5.0), torch.tensor(2.0), scale) == expected


def test_guided_at_scale_one_never_asks_the_unconditional() -> None:
    def never(x: Tensor, level: Tensor) -> Tensor:
        raise AssertionError("called")

    torch.testing.assert_close(guided(with_prompt, never, 1.0)(X, LEVEL), with_prompt(X, LEVEL))


def test_two_calls_and_one_batch_agree() -> None:
    def both(x: Tensor, level: Tensor) -> Tensor:
        first, second = x.chunk(2)
        return torch.cat([with_prompt(first, level), without(second, level)])

    apart = guided(with_prompt, without, 4.0)(X, LEVEL)
    assert apart.shape == X.shape
    torch.testing.assert_close(guided_in_one_batch(both, 4.0)(X, LEVEL), apart)
