import pytest
import torch

from himmel.engine.guidance import guide


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 2.0), (1.0, 5.0), (3.0, 11.0)])
def test_guide_extrapolates_from_the_unconditional(scale: float, expected: float) -> None:
    assert guide(torch.tensor(5.0), torch.tensor(2.0), scale) == expected
