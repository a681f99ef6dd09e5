"""The interpolator: the frame at any moment between two others.

Owns: the network and its file. Knows no frame rates: whoever re-times a clip asks it for a moment.

A network on half and quarter of the picture says for every pixel where it comes from in the frame before and in the
one after, and which of the two to trust (backward warping and a mask, as RIFE, Huang et al. 2022, but in one small
step). It moves pixels and makes none, so what is between two frames is as sharp as they are.

Shape legend: N pairs · H × W pixels, multiples of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from himmel.engine.layers import ChannelNorm, Conv, ResBlock
from himmel.engine.model import load_part, save_part

PIXELS = 8.0  # what the network's 1 means in a flow


@dataclass(frozen=True)
class InterpolatorConfig:
    """Widths at a half and a quarter of the picture's size, and the number of blocks at the quarter."""

    fine: int = 32
    coarse: int = 64
    depth: int = 3


class Interpolator(nn.Module):
    """Frames before and after (N, 3, H, W) in 0 … 1 and moments (N,) in 0 … 1 to the frames between, (N, 3, H, W).

    The moment 0 gives the frame before, 1 the one after; untrained, it blends the two.
    """

    def __init__(self, config: InterpolatorConfig) -> None:
        super().__init__()
        self.config = config
        self.look = nn.Sequential(nn.PixelUnshuffle(2), Conv(28, config.fine), ResBlock(config.fine))
        self.move = nn.Sequential(
            nn.PixelUnshuffle(2),
            Conv(4 * config.fine, config.coarse, 1),
            *(ResBlock(config.coarse) for _ in range(config.depth)),
            Conv(config.coarse, 4 * config.fine, 1),
            nn.PixelShuffle(2),
        )
        self.tell = nn.Sequential(
            ResBlock(config.fine), ChannelNorm(config.fine), Conv(config.fine, 20, zero=True), nn.PixelShuffle(2)
        )

    def forward(self, before: Tensor, after: Tensor, moment: Tensor) -> Tensor:
        moment = moment[:, None, None, None]
        plane = (moment * 2 - 1).expand(-1, 1, *before.shape[-2:])
        x = self.look(torch.cat([before * 2 - 1, after * 2 - 1, plane], 1))
        told = self.tell(x + self.move(x)).float()
        back, ahead, trust = PIXELS * told[:, :2], PIXELS * told[:, 2:4], told[:, 4:]
        after_counts = moment * (4 * trust).clamp(-8, 8).exp()
        share = after_counts / (after_counts + 1 - moment)
        return warp(before, moment * back) * (1 - share) + warp(after, (1 - moment) * ahead) * share

    @torch.inference_mode()
    def between(self, before: np.ndarray, after: np.ndarray, moment: float) -> np.ndarray:
        """One frame, uint8 (H, W, 3), between two of them, ``moment`` 0 … 1 on the way from the first."""
        device = next(self.parameters()).device
        pair = torch.from_numpy(np.stack([before, after])).to(device).permute(0, 3, 1, 2).float() / 255
        made = self(pair[:1], pair[1:], torch.tensor([moment], device=device))[0]
        return np.asarray((made * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy())


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    """Every pixel of (N, 3, H, W) fetched from where ``flow`` (N, 2, H, W), in pixels right and down, points."""
    height, width = pictures.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)[None]
    x = (columns + flow[:, 0] + 0.5) * (2 / width) - 1
    y = (rows + flow[:, 1] + 0.5) * (2 / height) - 1
    return F.grid_sample(pictures, torch.stack([x, y], -1), padding_mode="border", align_corners=False)


def load_interpolator(path: Path) -> Interpolator:
    """Read an interpolator, ready for use on the CPU. Raises BadCheckpoint."""
    return load_part(path, "interpolator", Interpolator, InterpolatorConfig).eval().requires_grad_(False)


def save_interpolator(path: Path, interpolator: Interpolator, licence: str, training: Mapping[str, Any]) -> None:
    """Write an interpolator at half precision, with what it learned from in the header. Raises CannotWrite."""
    save_part(path, "interpolator", interpolator, interpolator.config, licence, training)
