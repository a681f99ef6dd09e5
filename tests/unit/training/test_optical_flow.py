import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from himmel.training.optical_flow import FLOW, optical_flow


def seen_by(moves: list[tuple[float, float, float]]) -> Tensor:
    """A smooth random picture seen by a camera at (x, y, zoom), as one clip (1, T, 3, 64, 64)."""
    torch.manual_seed(3)
    picture = F.interpolate(torch.rand(1, 3, 12, 12), size=(128, 128), mode="bicubic")
    theta = torch.tensor([[[0.5 / z, 0, x], [0, 0.5 / z, y]] for x, y, z in moves])
    grid = F.affine_grid(theta, [len(moves), 3, 64, 64], False)
    return F.grid_sample(picture.expand(len(moves), -1, -1, -1), grid, align_corners=False)[None]


def test_stillness_is_zero() -> None:
    flow = optical_flow(seen_by([(0, 0, 1)] * 3))
    assert flow.shape == (1, 3, FLOW)
    assert flow.abs().max() < 1e-3


@pytest.mark.parametrize(("x", "y"), [(0.02, 0.0), (0.0, -0.02), (0.02, 0.02)])
def test_a_pan_shifts_the_whole_picture_the_other_way(x: float, y: float) -> None:
    flow = optical_flow(seen_by([(0, 0, 1), (x, y, 1)]))[0, 1]
    # 0.02 of a canvas that is twice the frame are 0.64 pixels of 32.
    assert flow[0] == pytest.approx(-32 * x, abs=0.12)
    assert flow[3] == pytest.approx(-32 * y, abs=0.12)
    assert flow[6:22].mean() == pytest.approx(-32 * x, abs=0.2)
    assert flow[22:].mean() == pytest.approx(-32 * y, abs=0.2)


def test_a_zoom_moves_outwards() -> None:
    flow = optical_flow(seen_by([(0, 0, 1), (0, 0, 1.04)]))[0, 1]
    assert flow[1] == pytest.approx(0.64, abs=0.2)  # 4 % of 16 pixels
    assert flow[5] == pytest.approx(0.64, abs=0.2)
    assert flow[0].abs() < 0.15


def test_an_actor_is_not_the_camera() -> None:
    clip = seen_by([(0, 0, 1)] * 2)
    clip[0, 0, :, 24:40, 20:36] = 1
    clip[0, 1, :, 24:40, 22:38] = 1
    flow = optical_flow(clip)[0, 1]
    assert flow[:6].abs().max() < 0.1
    assert flow[6:22].max() > 0.3
