"""What is known of a clip before it is made: a task is data on the frames, never a second pipeline.

Owns: the one description that every way of making a video becomes. Shape legend in ``shapes``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from himmel.engine.shapes import LatentShape

AHEAD = 4  # known frames ahead that a block is shown, the nearest ones
REFERENCE = -8  # the time of a reference frame: before every clip, as far as the rotary embedding tells well


@dataclass(frozen=True)
class Ahead:
    """Known frames beside the past: ``latents`` (B, P, c, h, w) at ``times`` (P,) in latent frames.

    Those before them come to them. They are frames of a clip, or pictures: what the autoencoder makes of one frame
    alone, which stands for the last of the four frames of its time. At negative times are references, which belong to
    no moment: they show how somebody looks (a prefix of reference frames, as in-context conditioning has it).
    """

    latents: Tensor
    times: Tensor

    def __post_init__(self) -> None:
        if self.latents.shape[1:2] != self.times.shape:
            raise ValueError(f"latents {tuple(self.latents.shape)} at times {tuple(self.times.shape)}")

    def near(self, start: int, within: int) -> Ahead:
        """The references, and the ``AHEAD`` earliest from ``start`` on, less than ``within`` frames after it."""
        order = self.times.argsort()
        times = self.times[order]
        later = order[(times >= start) & (times < start + within)][:AHEAD]
        chosen = torch.cat([order[times < 0], later])
        return Ahead(self.latents[:, chosen], self.times[chosen])


@dataclass(frozen=True)
class Task:
    """Clips to be made, with what is known of them.

    ``latents`` (B, F, c, h, w) hold what is known, and anything elsewhere. ``known`` (F,) says which frames are:
    they have noise level 0 from the beginning and come back exactly as they were given. ``pictures`` are what
    frames shall come to. ``level`` is the noise that the other frames begin from: 1 is pure noise, below it they
    begin from ``latents`` as well (image-to-image of SDEdit, Meng et al. 2022, for clips). ``change`` (F, h, w)
    says which places may become another thing; the others stay what ``latents`` say. With ``loop`` the end comes
    to the first frame, as a picture of time F - 1, and goes on as the clip begins. ``given`` is how many frames are
    known from the beginning on because they were given; others were made by the same task, before it was interrupted.
    """

    shape: LatentShape
    latents: Tensor
    known: Tensor
    pictures: Ahead
    level: float = 1.0
    change: Tensor | None = None
    loop: bool = False
    given: int = 0

    def __post_init__(self) -> None:
        frames, height, width = self.latents.shape[1], *self.latents.shape[-2:]
        if LatentShape(frames, height, width) != self.shape or self.known.shape != (frames,):
            raise ValueError(
                f"latents {tuple(self.latents.shape)} and known {tuple(self.known.shape)} are not {self.shape}"
            )

    def ahead(self, made: list[Tensor]) -> Ahead:
        """All that frames can come to: what is known, the pictures, and a loop's beginning, as far as it is ``made``.

        What is known from the beginning on lies ahead of nothing. What a loop comes to is its first frame as a
        picture, and then how it went on.
        """
        frames = (self.known & (~self.known).cumsum(0).bool()).nonzero()[:, 0]
        latents, times = [self.pictures.latents, self.latents[:, frames]], [self.pictures.times, frames]
        if self.loop and made:
            begin = torch.cat(made, 1)[:, :AHEAD]
            latents.append(begin)
            times.append(self.shape.frames - 1 + torch.arange(begin.shape[1]))
        return Ahead(torch.cat(latents, 1), torch.cat(times))


def text_to_video(shape: LatentShape, clips: int, channels: int, device: torch.device) -> Task:
    """Nothing is known."""
    # One frame of zeros for all: where nothing is known, memory must not grow with the length.
    nought = torch.zeros(clips, 1, channels, shape.height, shape.width, device=device)
    latents = nought.expand(-1, shape.frames, -1, -1, -1)
    nothing = Ahead(latents[:, :0], torch.zeros(0, dtype=torch.long))
    return Task(shape, latents, torch.zeros(shape.frames, dtype=torch.bool), nothing)


def with_known(task: Task, start: int, latents: Tensor) -> Task:
    """The same task, in which the frames from ``start`` on are known to be ``latents`` (B, f, c, h, w)."""
    stop = start + latents.shape[1]
    filled, known = task.latents.clone(), task.known.clone()
    filled[:, start:stop] = latents
    known[start:stop] = True
    return replace(task, latents=filled, known=known, given=int(known.int().cumprod(0).sum()))


def going_on(task: Task, latents: Tensor) -> Task:
    """The same task, of which the first frames (B, f, c, h, w) were made before it was interrupted."""
    return replace(with_known(task, 0, latents), given=task.given)


def with_ahead(task: Task, time: int, latents: Tensor) -> Task:
    """The same task, in which the clip comes to ``latents`` (B, f, c, h, w) from a time on.

    The first of them may be a picture, or the first frame of a clip, and stands for the last of its time's four frames.
    """
    times = time + torch.arange(latents.shape[1])
    pictures = Ahead(torch.cat([task.pictures.latents, latents], 1), torch.cat([task.pictures.times, times]))
    return replace(task, pictures=pictures)


def with_reference(task: Task, latents: Tensor) -> Task:
    """The same task, which sees ``latents`` (B, f, c, h, w), at most four, of pictures of who appears in it."""
    return with_ahead(task, REFERENCE, latents)


def remix(task: Task, latents: Tensor, level: float, change: Tensor | None = None) -> Task:
    """The same task, begun part-way from ``latents`` (B, F, c, h, w); only ``change`` (F, h, w) where it is given.

    They stand for all frames, in the place of what was known of some; which are known stays.
    """
    return replace(task, latents=latents, level=level, change=change)
