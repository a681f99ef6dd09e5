"""What Turbo learns of its teacher's paths: the mean velocity of a stretch, from wherever it is itself.

Owns: the paths as they are kept, which strides are drawn, their error. Sources in ``distil``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from himmel.engine.flow import velocities
from himmel.engine.model import Generator
from himmel.engine.samplers import schedule
from himmel.engine.shapes import Blocks
from himmel.engine.tasks import Ahead
from himmel.training.data import sent
from himmel.training.train_transformer import TransformerTraining, padded

GRID = 8  # the finest steps that the student takes
LENGTHS = (1, 2, 4, 8)  # strides, in steps of the grid
CHANCES = (0.2, 0.4, 0.22, 0.18)  # of each: four steps, which are two of the grid each, matter most
ANYWHERE = 0.15  # share of the strides that begin at any level: remixes do
ARRIVED = 0.5  # share of the steps whose strides begin where the student's own strides led to, not on the path


@dataclass(frozen=True)
class Paths:
    """The teacher's paths of a batch: ``states`` (GRID + 1, B, F, c, h, w) at ``schedule(GRID)``, from noise on.

    ``past`` (B, F, c, h, w) is what the blocks saw before them, ``free`` (F,) 1 for frames that were not known, else 0,
    ``weight`` (B, F, h, w) how much each latent counts.
    """

    states: Tensor
    past: Tensor
    free: Tensor
    ahead: Ahead | None
    captions: list[str]
    weight: Tensor

    def first(self) -> Paths:
        """Those of the first clip."""
        ahead = None if self.ahead is None else Ahead(self.ahead.latents[:1], self.ahead.times)
        return Paths(self.states[:, :1], self.past[:1], self.free, ahead, self.captions[:1], self.weight[:1])


def stride_loss(walk: Walk) -> Tensor:
    """Mean squared error of the mean velocity, over strides drawn for every block of every clip."""
    begins, ends = _drawn_strides(walk.batch)
    if torch.rand(()) < ARRIVED:
        return walk.error(walk.arrived(begins, ends), begins, ends)
    within = torch.where(torch.rand(walk.batch) < ANYWHERE, torch.rand(walk.batch), torch.zeros(walk.batch))
    return walk.error(walk.on_path(begins, within), begins, ends, within)


def exam_loss(walk: Walk, length: int) -> float:
    """The same for one length alone, from everywhere on the path."""
    errors = []
    for begin in range(0, GRID, length):
        begins = torch.full(walk.batch, begin)
        errors.append(walk.error(walk.on_path(begins), begins, begins + length).item())
    return sum(errors) / len(errors)


def end_loss(walk: Walk, length: int) -> float:
    """Mean squared distance of where the student's own strides end from where its teacher's path does."""
    begins = torch.zeros(walk.batch, dtype=torch.long)
    x = walk.on_path(begins)
    for begin in range(0, GRID, length):
        x = walk.step(x, begins + begin, begins + begin + length)
    return walk.mean((x - walk.paths.states[-1]).square()).item()


def _drawn_strides(batch: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Numbers in the grid at which strides begin and end, for every block of every clip."""
    lengths = torch.tensor(LENGTHS)[torch.multinomial(torch.tensor(CHANCES), batch[0] * batch[1], True)].view(batch)
    begins = (torch.rand(batch) * (GRID // lengths)).long() * lengths
    return begins, begins + lengths


class Walk:
    """A student beside a batch of paths. Strides are given for every block (B, blocks), in numbers of the grid.

    ``by`` is ``velocities``, or that compiled.
    """

    def __init__(
        self, student: Generator, training: TransformerTraining, paths: Paths, by: Callable[..., Tensor] = velocities
    ) -> None:
        self.student, self.paths, self.by = student, paths, by
        self.device = paths.past.device
        blocks = Blocks(paths.past.shape[1], student.config.transformer.block)
        self.batch = len(paths.past), len(blocks.spans)
        self._frames = torch.tensor(blocks.of_frame)
        self._grid = sent(schedule(GRID, student.config.shift), self.device)
        self._tokens = sent(padded(training.tokenizer, paths.captions), self.device)

    def on_path(self, numbers: Tensor, within: Tensor | None = None) -> Tensor:
        """The path's states (B, F, c, h, w) there, or so far ``within`` the step that follows (0 … 1)."""
        numbers = self._of_frames(numbers)
        states = self._states(numbers)
        if within is None:
            return states
        return torch.lerp(states, self._states(numbers + 1), self._of_frames(within)[..., None, None, None])

    @torch.no_grad()
    def arrived(self, begins: Tensor, ends: Tensor) -> Tensor:
        """Where the student comes from the path by the stride before this one, which is as long; noise has none."""
        before = (begins - (ends - begins)).clamp(min=0)
        moved = self._of_frames(before < begins)[..., None, None, None]
        return torch.where(moved, self.step(self.on_path(before), before, begins), self.on_path(begins))

    def step(self, x: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
        """A stride of the student's own; known frames stay."""
        start, stride = self._levels(begins, ends)
        return x - (stride * self.paths.free)[..., None, None, None] * self._velocity(x, start, stride)

    def error(self, x: Tensor, begins: Tensor, ends: Tensor, within: Tensor | None = None) -> Tensor:
        """Mean squared error of the velocity that leads from ``x`` to the path at ``ends``."""
        start, stride = self._levels(begins, ends, within)
        target = (x - self._states(self._of_frames(ends))) / stride[..., None, None, None]
        return self.mean((self._velocity(x, start, stride) - target).square())

    def mean(self, error: Tensor) -> Tensor:
        """Of (B, F, c, h, w), weighted as the paths say."""
        return (error.mean(2) * self.paths.weight).mean() / self.paths.weight.mean()

    def _levels(self, begins: Tensor, ends: Tensor, within: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Of every frame (B, F): the level at which a stride begins, and how far down it leads."""
        begins, ends = self._of_frames(begins), self._of_frames(ends)
        start = self._grid[begins]
        if within is not None:
            start = torch.lerp(start, self._grid[begins + 1], self._of_frames(within))
        return start, start - self._grid[ends]

    def _velocity(self, x: Tensor, start: Tensor, stride: Tensor) -> Tensor:
        past, ahead, free = self.paths.past, self.paths.ahead, self.paths.free
        clean = torch.zeros_like(start)
        with torch.autocast(self.device.type, torch.bfloat16):
            prompt = self.student.read(self._tokens)
            found = self.by(self.student.transformer, x, start * free, past, clean, prompt, ahead, stride * free)
        return found.float()

    def _states(self, numbers: Tensor) -> Tensor:
        """The path's states at numbers of the grid, of every frame (B, F)."""
        clips = torch.arange(numbers.shape[0], device=self.device)[:, None]
        return self.paths.states[numbers, clips, torch.arange(numbers.shape[1], device=self.device)]

    def _of_frames(self, of_blocks: Tensor) -> Tensor:
        return sent(of_blocks[:, self._frames], self.device)
