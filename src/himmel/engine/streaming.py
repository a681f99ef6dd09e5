"""Making clips block by block: memory of what was made, and the one sampling loop of all tasks.

Owns: the cache, the window, the order of blocks. Shape legend in ``shapes``.

Each block is sampled with the past clean before it, then written to the memory. The memory keeps keys that
are not yet turned by the rotary embedding, so that positions can be counted from the window's beginning:
a few first frames (the sink, Xiao et al. 2024) and the latest ones, which bounds memory and time per block
for clips of any length, with no position that training has not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from himmel.engine.autoencoder import on_sphere
from himmel.engine.guidance import guide
from himmel.engine.samplers import Sampler
from himmel.engine.shapes import Blocks
from himmel.engine.tasks import Task
from himmel.engine.transformer import KeysValues, Past, Prompt, Transformer


@dataclass(frozen=True)
class Window:
    """How many latent frames are remembered: ``sink`` first ones and ``recent`` latest ones."""

    sink: int = 1
    recent: int = 9


class Context(Protocol):
    """The past of a clip that is being made."""

    def velocity(self, latents: Tensor, levels: Tensor, prompt: Prompt) -> Tensor:
        """The transformer's velocity of a block (B, f, c, h, w) at levels (B, f), seeing the past."""

    def write(self, latents: Tensor, prompt: Prompt) -> None:
        """Add a finished block to the past."""


class CachedContext:
    """The past as keys and values; each block is read once."""

    def __init__(self, model: Transformer, window: Window) -> None:
        self.model, self.window = model, window
        self.past: Past | None = None

    def velocity(self, latents: Tensor, levels: Tensor, prompt: Prompt) -> Tensor:
        return self.model(latents, levels, self._times(latents), prompt, past=self.past)[0]

    def write(self, latents: Tensor, prompt: Prompt) -> None:
        clean = torch.zeros(latents.shape[:2], device=latents.device)
        _, written = self.model(latents, clean, self._times(latents), prompt, past=self.past)
        frames = self._frames + latents.shape[1]
        tokens = written[0].keys.shape[2] // latents.shape[1]
        layers = []
        for number, new in enumerate(written):
            old = self.past.layers[number] if self.past else None
            layers.append(_trimmed(old, new, self.window, frames, tokens))
        kept = min(frames, self.window.sink + self.window.recent)
        self.past = Past(tuple(layers), torch.arange(kept, device=latents.device))

    @property
    def _frames(self) -> int:
        return 0 if self.past is None else len(self.past.times)

    def _times(self, latents: Tensor) -> Tensor:
        return self._frames + torch.arange(latents.shape[1], device=latents.device)


class UncachedContext:
    """The past as latents, read again at every step: slow and plain, what the cache is measured against.

    Has no window: it agrees with the cache as long as the cache has forgotten nothing.
    """

    def __init__(self, model: Transformer) -> None:
        self.model = model
        self.latents: list[Tensor] = []

    def velocity(self, latents: Tensor, levels: Tensor, prompt: Prompt) -> Tensor:
        blocks = [*self.latents, latents]
        everything = torch.cat(blocks, 1)
        before = everything.shape[1] - latents.shape[1]
        all_levels = torch.cat([levels.new_zeros(len(levels), before), levels], 1)
        block = torch.cat([torch.full((b.shape[1],), n) for n, b in enumerate(blocks)])
        visible = (block[None, :] <= block[:, None]).to(latents.device)
        times = torch.arange(everything.shape[1], device=latents.device)
        return self.model(everything, all_levels, times, prompt, visible)[0][:, before:]

    def write(self, latents: Tensor, prompt: Prompt) -> None:
        self.latents.append(latents)


@dataclass(frozen=True)
class Sampling:
    """How a block is sampled: ``levels`` from 1 to 0 (see ``samplers.schedule``), solver, guidance scale."""

    sampler: Sampler
    levels: Tensor
    guidance: float


@torch.inference_mode()
def make(
    task: Task, prompt: Prompt, sampling: Sampling, context: Context, seeds: list[int], block: int
) -> Iterator[Tensor]:
    """Latents of a task, block by block, as (B, f, c, h, w) of RMS 1.

    ``prompt`` has 2B rows, the negative or empty prompts after the others, or B rows where the guidance is 1.
    ``seeds``, one a clip, settle the noise, frame by frame: a longer clip begins as a shorter one does.
    """
    guided = sampling.guidance != 1
    spans = Blocks(task.shape.frames, block).spans
    for start, stop in spans:
        latents, known = task.latents[:, start:stop], task.known[start:stop]
        if not known.all():
            noise = torch.stack([block_noise(seed, start, latents[0]) for seed in seeds])
            latents = _sample_block(latents, known.to(latents.device), noise, prompt, sampling, context)
        yield latents
        if stop < task.shape.frames:
            context.write(torch.cat([latents, latents]) if guided else latents, prompt)


def block_noise(seed: int, start: int, like: Tensor) -> Tensor:
    """Standard normal noise for frames ``start`` … of one clip, of the shape of ``like`` (f, c, h, w).

    Drawn on the CPU, one generator per frame, so that it depends on neither length nor device.
    """
    frames = [
        torch.randn(like.shape[1:], generator=torch.Generator().manual_seed(seed * 65536 + start + i))
        for i in range(len(like))
    ]
    return torch.stack(frames).to(like.device)


def _sample_block(
    latents: Tensor, known: Tensor, noise: Tensor, prompt: Prompt, sampling: Sampling, context: Context
) -> Tensor:
    free = (~known).float()

    def velocity(x: Tensor, level: Tensor) -> Tensor:
        levels = (level.to(x.device) * free).expand(len(x), -1)
        if sampling.guidance == 1:
            found = context.velocity(x, levels, prompt)
        else:
            both = context.velocity(torch.cat([x, x]), torch.cat([levels, levels]), prompt)
            conditional, unconditional = both.chunk(2)
            found = guide(conditional, unconditional, sampling.guidance)
        return found * free[:, None, None, None]

    begin = torch.where(known[:, None, None, None], latents, noise)
    end = sampling.sampler(velocity, begin, sampling.levels)
    # The autoencoder's latents lie on a sphere: the last step's small error off it is taken away.
    end = on_sphere(end)
    return torch.where(known[:, None, None, None], latents, end)


def _trimmed(old: KeysValues | None, new: KeysValues, window: Window, frames: int, tokens: int) -> KeysValues:
    """Old and new together, without what falls between the sink and the latest frames."""

    def join(before: Tensor | None, after: Tensor) -> Tensor:
        both = after if before is None else torch.cat([before, after], 2)
        if frames <= window.sink + window.recent:
            return both
        return torch.cat([both[:, :, : window.sink * tokens], both[:, :, -window.recent * tokens :]], 2)

    if old is None:
        return KeysValues(join(None, new.keys), join(None, new.values))
    return KeysValues(join(old.keys, new.keys), join(old.values, new.values))
