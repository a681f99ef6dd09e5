"""Optical flow: how a picture moves from frame to frame, as a whole and place by place.

Owns: the estimate, by least squares after Lucas and Kanade 1981 (An iterative image registration technique).
Nothing in it is learned; it gives the oracle the camera's motion, which single frames cannot tell.
Shape legend: B clips, T frames, side pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

SIDE = 32  # pixels at which flow is measured; a pan moves less than one of them a quarter of a second
CELLS = 4
FLOW = 6 + 2 * CELLS**2
ROUNDS = 3  # of reweighting, so that the actor does not count as camera


def optical_flow(clips: Tensor) -> Tensor:
    """Flow into each frame of clips (B, T, 3, side, side), as (B, T, 38); zero for the first frame.

    Six numbers of the whole picture (shift, and its slopes along x and y, first across, then down), then the
    shift in each of 4 × 4 cells (all across, then all down). In pixels of a 32 × 32 picture.
    """
    batch = len(clips)
    grey = F.interpolate(clips.mean(2), size=(SIDE, SIDE), mode="bilinear", antialias=True)
    grey = F.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)
    middle = rearrange((grey[:, 1:] + grey[:, :-1]) / 2, "b t h w -> (b t) h w")
    change = rearrange(grey[:, 1:] - grey[:, :-1], "b t h w -> (b t) h w")
    down, across = torch.gradient(middle, dim=(1, 2))
    found = torch.cat([_whole(across, down, change), _cells(across, down, change)], 1)
    return F.pad(rearrange(found, "(b t) f -> b t f", b=batch), (0, 0, 1, 0))


def _whole(across: Tensor, down: Tensor, change: Tensor) -> Tensor:
    """An affine flow (N, 6) that explains the change of most pixels: least squares, reweighted against outliers."""
    line = torch.linspace(-1, 1, SIDE, device=change.device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([torch.ones_like(x), x, y], -1)
    design = torch.cat([across[..., None] * places, down[..., None] * places], -1).flatten(1, 2)
    target = -change.flatten(1)
    weight = torch.ones_like(target)
    ridge = 1e-3 * torch.eye(6, device=change.device)
    for _ in range(ROUNDS):
        weighted = design * weight[..., None]
        flow = torch.linalg.solve(weighted.mT @ design + ridge, (weighted.mT @ target[..., None]).squeeze(-1))
        error = (design @ flow[..., None]).squeeze(-1) - target
        scale = error.abs().median(1, keepdim=True).values + 1e-3
        weight = 1 / (1 + (error / (2 * scale)).square())
    return flow


def _cells(across: Tensor, down: Tensor, change: Tensor) -> Tensor:
    """The shift in each cell, (N, 32)."""
    products = torch.stack([across * across, across * down, down * down, across * change, down * change], 1)
    xx, xy, yy, xt, yt = F.avg_pool2d(products, SIDE // CELLS).unbind(1)
    xx, yy = xx + 1e-4, yy + 1e-4
    area = xx * yy - xy * xy
    shift_x, shift_y = (xy * yt - yy * xt) / area, (xy * xt - xx * yt) / area
    return torch.cat([shift_x.flatten(1), shift_y.flatten(1)], 1).clamp(-4, 4)
