"""Making clips block by block: memory of what was made, and the one sampling loop of all tasks.

Owns: the cache, the window, the order of blocks. Shape legend in ``shapes``.

Each block is sampled with the past clean before it, then written to the memory. The memory keeps keys that
are not yet turned by the rotary embedding, so that positions can be counted from the window's beginning:
a few first frames (the sink, Xiao et al. 2024) and the latest ones, which bounds memory and time per block
for clips of any length, with no position that training has not seen. What goes on for long is guided no more:
the past says what is shown, and guidance, which adds contrast to every block, would add it up (docs/notebook.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from himmel.engine.autoencoder import on_sphere
from himmel.engine.guidance import guide
from himmel.engine.samplers import Sampler, from_level
from himmel.engine.shapes import Blocks
from himmel.engine.tasks import AHEAD, Ahead, Task
from himmel.engine.transformer import KeysValues, Past, Prompt, Transformer

HORIZON = 13  # latent frames that a block sees ahead, itself included: what training has seen
GUIDED = 13  # latent frames that are guided from the first made one, or from a change of the prompt, on


@dataclass(frozen=True)
class Window:
    """How many latent frames are remembered: ``sink`` first ones and ``recent`` latest ones."""

    sink: int = 4
    recent: int = 6


@dataclass(frozen=True)
class Stretches:
    """Which prompt governs which frames: pairs of a first latent frame and its prompt; the first one's is 0."""

    prompts: tuple[tuple[int, Prompt], ...]

    def of_blocks(self, starts: list[int]) -> list[tuple[int, Prompt]]:
        """Of every block, by the frames that they begin with, its prompt, and the frame from which that governs.

        A block has one prompt, so a stretch begins with the block whose beginning is nearest to its own. One that lasts
        less than a block takes a whole one from the next: as long as there are blocks for all, none goes unread, and
        the last one never does.
        """
        begins: dict[int, Prompt] = {}  # by the number of the block
        begin = -1
        for number, (since, prompt) in enumerate(self.prompts):
            nearest = min(range(len(starts)), key=lambda block: abs(starts[block] - since))
            begin = min(max(begin + 1, nearest), len(starts) - len(self.prompts) + number)
            begins[max(begin, 0)] = prompt
        latest = [max(begin for begin in begins if begin <= block) for block in range(len(starts))]
        return [(starts[begin], begins[begin]) for begin in latest]


class Context(Protocol):
    """What a block sees of its clip beside itself: the past, and what is known ahead.

    A prompt may have more rows than there are clips, B, a multiple: then all clips are seen under each of them.
    """

    def velocity(self, latents: Tensor, levels: Tensor, strides: Tensor, prompt: Prompt) -> Tensor:
        """The transformer's velocity of a block (B, f, c, h, w) at levels (B, f), seeing the past and ahead.

        ``strides`` (B, f) are how far down it is to lead.
        """

    def write(self, latents: Tensor, prompt: Prompt) -> None:
        """Add a finished block (B, f, c, h, w) to the past."""

    def look_ahead(self, ahead: Ahead, prompt: Prompt) -> None:
        """What the next block comes to, and refers to; times are the clip's."""

    def reread(self, prompt: Prompt) -> None:
        """Read what is remembered again, under another prompt, or fewer or more rows of it."""


class CachedContext:
    """The past as keys and values; each block is read once, and once more where the prompt changes.

    ``made`` counts the frames written; positions are counted from the window's beginning, so that times ahead are
    moved with it.
    """

    def __init__(self, model: Transformer, window: Window) -> None:
        self.model, self.window = model, window
        self.made = 0
        self.past: Past | None = None
        self.ahead: Past | None = None
        self.remembered: list[Tensor] = []  # the latents behind ``past``, sink and window

    def velocity(self, latents: Tensor, levels: Tensor, strides: Tensor, prompt: Prompt) -> Tensor:
        return self.model(latents, levels, self._times(latents), prompt, past=self._seen(), strides=strides)[0]

    def write(self, latents: Tensor, prompt: Prompt) -> None:
        self.made += latents.shape[1]
        self.remembered.append(latents)
        self._remember(latents, prompt)
        self._forget()

    def look_ahead(self, ahead: Ahead, prompt: Prompt) -> None:
        """Frames ahead see but themselves, so each is written alone, as though it were the clip's only one."""
        if not len(ahead.times):
            self.ahead = None
            return
        latents, times = _under(prompt, ahead.latents), ahead.times.to(ahead.latents.device)
        alone = torch.eye(len(times), dtype=torch.bool, device=times.device)
        clean = torch.zeros(latents.shape[:2], device=times.device)
        _, written = self.model(latents, clean, times, prompt, alone)
        self.ahead = Past(written, torch.where(times < 0, times, times - self.made + self._frames))

    def reread(self, prompt: Prompt) -> None:
        blocks, self.past = self.remembered, None
        for latents in blocks:
            self._remember(latents, prompt)

    def _remember(self, latents: Tensor, prompt: Prompt) -> None:
        latents = _under(prompt, latents)
        clean = torch.zeros(latents.shape[:2], device=latents.device)
        _, written = self.model(latents, clean, self._times(latents), prompt, past=self._seen())
        frames = self._frames + latents.shape[1]
        tokens = written[0].keys.shape[2] // latents.shape[1]
        layers = []
        for number, new in enumerate(written):
            old = self.past.layers[number] if self.past else None
            layers.append(_trimmed(old, new, self.window, frames, tokens))
        kept = min(frames, self.window.sink + self.window.recent)
        self.past = Past(tuple(layers), torch.arange(kept, device=latents.device))

    def _forget(self) -> None:
        """Latents that have left the window; whole blocks, so that they are read again as they were."""
        sink, later = list[Tensor](), list(self.remembered)
        while later and _length(sink) < self.window.sink:
            sink.append(later.pop(0))
        while _length(later[1:]) >= self.window.recent:
            later.pop(0)
        self.remembered = [*sink, *later]

    def _seen(self) -> Past | None:
        if self.past is None or self.ahead is None:
            return self.past or self.ahead
        joined = (_joined(*both) for both in zip(self.ahead.layers, self.past.layers, strict=True))
        return Past(tuple(joined), torch.cat([self.ahead.times, self.past.times]))

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
        self.ahead: list[Ahead] = []  # of every block, as it was shown

    def velocity(self, latents: Tensor, levels: Tensor, strides: Tensor, prompt: Prompt) -> Tensor:
        blocks = [*(_under(prompt, block) for block in self.latents), latents]
        ahead = self.ahead
        known = torch.cat([_under(prompt, a.latents) for a in ahead], 1) if ahead else latents[:, :0]
        everything = torch.cat([known, *blocks], 1)
        before = everything.shape[1] - latents.shape[1]
        all_levels = torch.cat([levels.new_zeros(len(levels), before), levels], 1)
        shown_to = _numbered([len(a.times) for a in ahead])
        block = _numbered([b.shape[1] for b in blocks])
        past = block[None, :] <= block[:, None]
        visible = torch.block_diag(torch.eye(len(shown_to)), past.float()).bool()
        visible[len(shown_to) :, : len(shown_to)] = shown_to[None, :] == block[:, None]
        times = torch.cat([*(a.times for a in ahead), torch.arange(len(block))]).to(latents.device)
        all_strides = torch.cat([levels.new_zeros(len(levels), before), strides], 1)
        visible = visible.to(latents.device)
        return self.model(everything, all_levels, times, prompt, visible, strides=all_strides)[0][:, before:]

    def write(self, latents: Tensor, prompt: Prompt) -> None:
        self.latents.append(latents)

    def look_ahead(self, ahead: Ahead, prompt: Prompt) -> None:
        self.ahead.append(ahead)

    def reread(self, prompt: Prompt) -> None:
        """Everything is read anew anyway."""


@dataclass(frozen=True)
class Sampling:
    """How a block is sampled: ``levels`` from 1 to 0 (see ``samplers.schedule``), solver, guidance scale."""

    sampler: Sampler
    levels: Tensor
    guidance: float


@torch.inference_mode()
def make(
    task: Task, prompts: Stretches, sampling: Sampling, context: Context, seeds: list[int], block: int
) -> Iterator[Tensor]:
    """Latents of a task, block by block, as (B, f, c, h, w) of RMS 1.

    Each prompt of ``prompts`` has 2B rows, the negative or empty prompts after the others, or B rows where the
    guidance is 1. Only the first ``GUIDED`` frames that are made under a prompt are guided. ``seeds``, one a clip,
    settle the noise, frame by frame: a longer clip begins as a shorter one does.
    """
    made: list[Tensor] = []  # a loop's beginning
    before: tuple[int, bool] | None = None
    spans = Blocks(task.shape.frames, block).spans
    governing = prompts.of_blocks([start for start, _ in spans])
    for (start, stop), (since, prompt) in zip(spans, governing, strict=True):
        guided = sampling.guidance != 1 and start < max(since, task.given) + GUIDED
        if not guided:
            prompt = prompt.first(len(seeds))
        context.look_ahead(task.ahead(made).near(start, HORIZON), prompt)
        if before not in (None, (since, guided)):
            context.reread(prompt)
        before = since, guided
        latents = task.latents[:, start:stop]
        if not task.known[start:stop].all():
            noise = torch.stack([block_noise(seed, start, latents[0]) for seed in seeds])
            scale = sampling.guidance if guided else 1.0
            latents = _sample_block(_Block(task, start, stop, noise), prompt, sampling, scale, context)
        yield latents
        if task.loop and start < AHEAD:
            made.append(latents)
        if stop < task.shape.frames:
            context.write(latents, prompt)


def block_noise(seed: int, start: int, like: Tensor) -> Tensor:
    """Standard normal noise for frames ``start`` … of one clip, of the shape of ``like`` (f, c, h, w).

    Drawn on the CPU, one generator per frame, so that it depends on neither length nor device.
    """
    frames = [
        torch.randn(like.shape[1:], generator=torch.Generator().manual_seed(seed * 65536 + start + i))
        for i in range(len(like))
    ]
    return torch.stack(frames).to(like.device)


@dataclass(frozen=True)
class _Block:
    """Frames ``start`` to ``stop`` of a task, and their noise."""

    task: Task
    start: int
    stop: int
    noise: Tensor

    @property
    def given(self) -> Tensor:
        return self.task.latents[:, self.start : self.stop]

    @property
    def free(self) -> Tensor:
        """Frames (f,) that are to be made."""
        return ~self.task.known[self.start : self.stop].to(self.noise.device)

    def begun(self, level: float | Tensor) -> Tensor:
        """What was given, noised to a level."""
        return (1 - level) * self.given + level * self.noise

    def held(self, latents: Tensor, level: float | Tensor) -> Tensor:
        """Latents at a level, with what is kept as it was given: frames that are known clean, places noised alike."""
        if self.task.change is not None:
            change = self.task.change[self.start : self.stop, None].to(latents.device)
            latents = torch.where(change, latents, self.begun(level))
        # Contiguous: with another order in memory, convolutions round otherwise.
        return torch.where(self.free[:, None, None, None], latents, self.given).contiguous()


def _sample_block(block: _Block, prompt: Prompt, sampling: Sampling, scale: float, context: Context) -> Tensor:
    free = block.free.float()

    def velocity(x: Tensor, level: Tensor, following: Tensor) -> Tensor:
        x = block.held(x, level)
        levels = (level.to(x.device) * free).expand(len(x), -1)
        strides = ((level - following).to(x.device) * free).expand(len(x), -1)
        if scale == 1:
            found = context.velocity(x, levels, strides, prompt)
        else:
            twice = torch.cat([x, x]), torch.cat([levels, levels]), torch.cat([strides, strides])
            both = context.velocity(*twice, prompt)
            conditional, unconditional = both.chunk(2)
            found = guide(conditional, unconditional, scale)
        return found * free[:, None, None, None]

    levels = from_level(sampling.levels, block.task.level)
    begin = block.held(block.begun(levels[0]), levels[0])
    # The autoencoder's latents lie on a sphere: the last step's small error off it is taken away.
    return block.held(on_sphere(sampling.sampler(velocity, begin, levels)), 0.0)


def _under(prompt: Prompt, latents: Tensor) -> Tensor:
    """Latents (B, f, c, h, w) as often as the prompt has rows for them."""
    return latents.repeat(len(prompt.pooled) // len(latents), 1, 1, 1, 1)


def _joined(first: KeysValues, second: KeysValues) -> KeysValues:
    return KeysValues(torch.cat([first.keys, second.keys], 2), torch.cat([first.values, second.values], 2))


def _length(blocks: list[Tensor]) -> int:
    """Frames of blocks (B, f, c, h, w)."""
    return sum(block.shape[1] for block in blocks)


def _numbered(lengths: list[int]) -> Tensor:
    """0 as often as the first length says, then 1, and so on."""
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths, dtype=torch.long))


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
