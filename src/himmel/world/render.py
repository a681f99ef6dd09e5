"""Scenes to pixels: backdrops, cut-outs and weather put together, batched in torch on CPU or GPU.

Owns: compositing. Every clip is drawn from its scene alone; the same scene gives the same pixels on the
same machine. Knows nothing of captions and of models.

Shape legend: B clips, T frames, C cut-outs, H × W pixels, S side of an atlas picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from himmel.errors import MissingAsset
from himmel.world.light import apply_light
from himmel.world.panoramas import draw_windows, scaled
from himmel.world.scene import Scene
from himmel.world.sets import draw_backdrops
from himmel.world.sprites import Atlas
from himmel.world.staging import CameraPath, CutOut, Poses, camera_path, cut_outs, poses, strides, usual_zoom
from himmel.world.vocabulary import PANORAMAS
from himmel.world.weather import draw_weather

CANVAS_WIDTH = 1.75  # backdrop width in frame heights: room for the camera to pan
DRAWN_LARGER = 1.25  # backdrops have more pixels than the frame, so that a zoom stays sharp
INKS = {  # what a colour word does to a cut-out: its hue, keeping its light and shade
    "red": (0.90, 0.16, 0.16),
    "orange": (0.98, 0.55, 0.10),
    "yellow": (0.98, 0.86, 0.15),
    "green": (0.20, 0.72, 0.25),
    "blue": (0.18, 0.42, 0.95),
    "purple": (0.58, 0.25, 0.85),
    "pink": (0.98, 0.50, 0.72),
    "white": (1.25, 1.25, 1.25),  # beyond white, for shading makes every ink darker
    "black": (0.15, 0.15, 0.17),
}


class Renderer:
    """Draws clips of one picture size and frame rate.

    ``atlas`` holds the cut-outs and panoramas, ``height`` × ``width`` are in pixels, ``fps`` frames a second.
    """

    def __init__(self, atlas: Atlas, height: int, width: int, fps: float, device: str | torch.device = "cpu") -> None:
        self.atlas, self.height, self.width, self.fps = atlas, height, width, fps
        self.device = torch.device(device)
        self.pyramid = _pyramid(atlas.pixels.to(self.device), smallest=height // 4)
        drawn = round(height * DRAWN_LARGER)
        self.strips = {key: scaled(strip.to(self.device), drawn) for key, strip in atlas.panoramas.items()}

    def render(self, scenes: Sequence[Scene], frames: int, start: int = 0) -> Tensor:
        """Draw ``frames`` frames of every scene, from frame number ``start`` on.

        Returns float32 (B, T, 3, H, W) in 0 … 1.
        """
        return self.render_with_coverage(scenes, frames, start)[:, :, :3]

    def render_with_coverage(self, scenes: Sequence[Scene], frames: int, start: int = 0) -> Tensor:
        """As ``render``, and a fourth channel that says how far actors cover a pixel: (B, T, 4, H, W)."""
        time = torch.arange(start, start + frames) / self.fps
        camera = camera_path(scenes, time)
        picture = self._backdrops(scenes, camera)
        cast = cut_outs(scenes)
        self._add_cast(picture, scenes, cast, poses(cast, time), camera, time)
        self._add_weather(picture, scenes, start)
        return picture.clamp_(0, 1)

    def _backdrops(self, scenes: Sequence[Scene], camera: CameraPath) -> Tensor:
        height = round(self.height * DRAWN_LARGER)
        width = round(height * CANVAS_WIDTH * self.width / self.height)
        canvas = torch.empty(len(scenes), 3, height, width, device=self.device)
        for setting in sorted({s.setting for s in scenes}):
            rows = [i for i, s in enumerate(scenes) if s.setting == setting]
            seeds = [scenes[i].seed for i in rows]
            canvas[rows] = self._surroundings(setting, seeds, height, width)
        canvas = apply_light(canvas, [s.light for s in scenes], settings=[s.setting for s in scenes])
        still = torch.tensor([s.camera == "static" for s in scenes])
        frames = camera.zoom.shape[1]
        picture = torch.zeros(len(scenes), frames, 4, self.height, self.width, device=self.device)
        if still.any():
            shot = _shoot(canvas[still], CameraPath(*(v[still, :1] for v in vars(camera).values())), picture.shape[-2:])
            picture[still, :, :3] = shot.expand(-1, frames, -1, -1, -1)
        if not still.all():
            moving = CameraPath(*(v[~still] for v in vars(camera).values()))
            picture[~still, :, :3] = _shoot(canvas[~still], moving, picture.shape[-2:])
        return picture

    def _surroundings(self, setting: str, seeds: Sequence[int], height: int, width: int) -> Tensor:
        """Painted sets, or views of a panorama, (B, 3, height, width)."""
        if setting not in PANORAMAS:
            return draw_backdrops(setting, seeds, height, width, self.device)
        if setting not in self.strips:
            raise MissingAsset(f"the panorama '{setting}'")
        return draw_windows(self.strips[setting], seeds, width)

    def _add_cast(
        self,
        picture: Tensor,
        scenes: Sequence[Scene],
        cast: list[CutOut],
        poses: Poses,
        camera: CameraPath,
        time: Tensor,
    ) -> None:
        """Draw all cut-outs into ``picture``, layer by layer, those of like size together."""
        clip = torch.tensor([c.clip for c in cast])
        zoom, shift_x, shift_y = camera.zoom[clip], camera.x[clip], camera.y[clip]
        # The stage is shallow: cut-outs follow half of the camera's pan, which keeps them in the frame.
        inverse = _inverse_affine(
            Poses(
                x=(poses.x - 0.5 * shift_x) * zoom,
                y=(poses.y - 0.5 * shift_y) * zoom,
                width=poses.width * zoom,
                height=poses.height * zoom,
                angle=poses.angle,
            ),
            self.width / self.height,
        ).to(self.device)
        # Drawn together: what lies in one layer, is as large, and walks or does not.
        kinds = [
            (c.layer, self._level(c.height * usual_zoom(scenes[c.clip].camera)), len(self.atlas.cycle(c.noun, c.style)))
            for c in cast
        ]
        for kind in sorted(set(kinds)):
            rows = [i for i, other in enumerate(kinds) if other == kind]
            _, level, walking = kind
            draw = partial(self._walk, time=time) if walking else self._cut
            cut = draw(scenes, [cast[i] for i in rows], level, inverse[rows])
            where = clip[rows].to(self.device)
            # Both are premultiplied, so the coverage is composited as colours are.
            picture[where] = picture[where] * (1 - cut[:, :, 3:]) + cut

    def _coloured(self, scenes: Sequence[Scene], cast: list[CutOut], level: int, rows: list[int]) -> Tensor:
        """Pictures of the atlas, inked and lit as each cut-out asks, premultiplied: (C, 4, S, S)."""
        pictures = _inked(self.pyramid[level][rows], [c.colour for c in cast])
        lit = apply_light(pictures[:, :3], [scenes[c.clip].light for c in cast], strength=0.45)
        alpha = pictures[:, 3:]
        return torch.cat([lit * alpha, alpha], 1)

    def _walk(self, scenes: Sequence[Scene], cast: list[CutOut], level: int, inverse: Tensor, time: Tensor) -> Tensor:
        """As ``_cut``, of cut-outs that show another picture from frame to frame."""
        cycles = [self.atlas.cycle(c.noun, c.style) for c in cast]
        drawn = [c for c, cycle in zip(cast, cycles, strict=True) for _ in cycle]
        pictures = self._coloured(scenes, drawn, level, [row for cycle in cycles for row in cycle])
        pictures = rearrange(pictures, "(c n) rgba h w -> c n rgba h w", c=len(cast))
        shown = strides(cast, time).to(self.device) + 1  # standing comes first
        each = torch.arange(len(cast), device=self.device)[:, None]
        pictures = rearrange(pictures[each, shown], "c t rgba h w -> (c t) rgba h w")
        size = [len(pictures), 4, self.height, self.width]
        grid = F.affine_grid(rearrange(inverse, "c t i j -> (c t) i j"), size, False)
        cut = F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)
        return rearrange(cut, "(c t) rgba h w -> c t rgba h w", c=len(cast))

    def _cut(self, scenes: Sequence[Scene], cast: list[CutOut], level: int, inverse: Tensor) -> Tensor:
        """Premultiplied RGBA of cut-outs at their poses, (C, T, 4, H, W)."""
        pictures = self._coloured(scenes, cast, level, [self.atlas.index(c.noun, c.style) for c in cast])
        frames = inverse.shape[1]
        grid = F.affine_grid(
            rearrange(inverse, "c t i j -> (c t) i j"), [len(cast) * frames, 4, self.height, self.width], False
        )
        # All frames of a cut-out share one source picture: lay them side by side instead of copying it.
        grid = rearrange(grid, "(c t) h w xy -> c (t h) w xy", t=frames)
        cut = F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)
        return rearrange(cut, "c rgba (t h) w -> c t rgba h w", t=frames)

    def _level(self, height: float) -> int:
        """The pyramid level whose pictures are about as large as they will be on screen."""
        pixels = height * self.height / 2
        sides = [level.shape[-1] for level in self.pyramid]
        return max((i for i, side in enumerate(sides) if side >= pixels), default=0)

    def _add_weather(self, picture: Tensor, scenes: Sequence[Scene], start: int) -> None:
        for kind in sorted({s.weather for s in scenes} - {"clear"}):
            rows = [i for i, s in enumerate(scenes) if s.weather == kind]
            seeds, frames = [scenes[i].seed for i in rows], picture.shape[1]
            layer = draw_weather(kind, seeds, frames, self.height, self.width, self.fps, start, self.device)
            colour, alpha = layer[:, :, :3], layer[:, :, 3:]
            picture[rows, :, :3] = picture[rows, :, :3] * (1 - alpha) + colour * alpha


def _pyramid(pixels: Tensor, smallest: int) -> list[Tensor]:
    """The atlas at falling sizes (factors of √2) as straight-alpha float RGBA, against aliasing."""
    straight = pixels.float() / 255
    premultiplied = torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], 1)
    sides = [round(pixels.shape[-1] / math.sqrt(2) ** i) for i in range(8)]
    levels = []
    for side in [side for side in sides if side >= min(smallest, sides[0])]:
        small = F.interpolate(premultiplied, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
        levels.append(torch.cat([small[:, :3] / small[:, 3:].clamp(min=1e-3), small[:, 3:]], 1).clamp(0, 1))
    return levels


def _inked(pictures: Tensor, colours: list[str | None]) -> Tensor:
    """Recolour straight RGBA pictures (C, 4, S, S): the ink's colour with the picture's light and shade."""
    rows = [i for i, colour in enumerate(colours) if colour]
    if not rows:
        return pictures
    pictures = pictures.clone()
    ink = torch.tensor([INKS[colours[i] or "white"] for i in rows], device=pictures.device)[:, :, None, None]
    rgb = pictures[rows, :3]
    shade = (rgb * rgb.new_tensor([0.3, 0.59, 0.11])[:, None, None]).sum(1, keepdim=True)
    mean = shade.mean((2, 3), keepdim=True) / pictures[rows, 3:].mean((2, 3), keepdim=True).clamp(min=0.05)
    shade = (0.75 + 0.7 * (shade - mean)).clamp(0, 1.3)
    pictures[rows, :3] = (ink * shade + (shade - 1).clamp(min=0)).clamp(0, 1)
    return pictures


def _inverse_affine(poses: Poses, aspect: float) -> Tensor:
    """Matrices from frame coordinates to a cut-out's own, (C, T, 2, 3), both spanning -1 … 1.

    ``aspect`` is the frame's width over its height: poses are in half frame heights both ways.
    """
    cos, sin = poses.angle.cos(), poses.angle.sin()
    # A card seen edge-on would need an infinite stretch: a thin one will do.
    width = torch.where(poses.width.abs() < 0.02, 0.02 * torch.where(poses.width < 0, -1.0, 1.0), poses.width)
    rows = [
        [aspect * cos / width, sin / width, -(cos * poses.x + sin * poses.y) / width],
        [-aspect * sin / poses.height, cos / poses.height, (sin * poses.x - cos * poses.y) / poses.height],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _shoot(canvas: Tensor, camera: CameraPath, size: Sequence[int]) -> Tensor:
    """The camera's view of backdrops (B, 3, h, w), as (B, T, 3, H, W)."""
    batch, frames = camera.zoom.shape
    zoom, x, y = (v.to(canvas.device) for v in (camera.zoom, camera.x, camera.y))
    zero = torch.zeros_like(zoom)
    theta = torch.stack(
        [
            torch.stack([1 / (CANVAS_WIDTH * zoom), zero, x / CANVAS_WIDTH], -1),
            torch.stack([zero, 1 / zoom, y], -1),
        ],
        -2,
    )
    grid = F.affine_grid(rearrange(theta, "b t i j -> (b t) i j"), [batch * frames, 3, *size], False)
    shot = F.grid_sample(
        repeat(canvas, "b c h w -> (b t) c h w", t=frames), grid, padding_mode="border", align_corners=False
    )
    return rearrange(shot, "(b t) c h w -> b t c h w", t=frames)
