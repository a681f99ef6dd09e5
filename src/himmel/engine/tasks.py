"""What is known of a clip before it is made: a task is data on the frames, never a second pipeline.

Owns: the one description that every way of making a video becomes. Shape legend in ``shapes``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from himmel.engine.shapes import LatentShape


@dataclass(frozen=True)
class Task:
    """Clips to be made, with what is known of them.

    ``latents`` (B, F, c, h, w) hold the known frames, and anything elsewhere; ``known`` (F,) says which they
    are. Known frames have noise level 0 from the beginning and come back exactly as they were given.
    """

    shape: LatentShape
    latents: Tensor
    known: Tensor

    def __post_init__(self) -> None:
        frames, height, width = self.latents.shape[1], *self.latents.shape[-2:]
        if LatentShape(frames, height, width) != self.shape or self.known.shape != (frames,):
            raise ValueError(
                f"latents {tuple(self.latents.shape)} and known {tuple(self.known.shape)} are not {self.shape}"
            )


def text_to_video(shape: LatentShape, clips: int, channels: int, device: torch.device) -> Task:
    """Nothing is known."""
    latents = torch.zeros(clips, shape.frames, channels, shape.height, shape.width, device=device)
    return Task(shape, latents, torch.zeros(shape.frames, dtype=torch.bool))


def image_to_video(shape: LatentShape, picture: Tensor) -> Task:
    """The first frame is known: ``picture`` (B, 1, c, h, w) are its latents."""
    return with_known(text_to_video(shape, len(picture), picture.shape[2], picture.device), 0, picture)


def with_known(task: Task, start: int, latents: Tensor) -> Task:
    """The same task, in which the frames from ``start`` on are known to be ``latents`` (B, f, c, h, w)."""
    stop = start + latents.shape[1]
    filled, known = task.latents.clone(), task.known.clone()
    filled[:, start:stop] = latents
    known[start:stop] = True
    return replace(task, latents=filled, known=known)
