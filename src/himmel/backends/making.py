"""Making one run of frames: what is known of it to a task, latents to frames at the size and rate that were asked for.

Owns: the way between a run and the engine. What runs there are is ``footage``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from himmel.backends.finishing import Finishing
from himmel.backends.footage import GROUP, Run, picture_of
from himmel.backends.joins import joined
from himmel.cast import as_learned
from himmel.engine.model import VideoModel
from himmel.engine.shapes import SPATIAL, Blocks
from himmel.engine.streaming import Window
from himmel.engine.tasks import AHEAD, Task, going_on, remix, text_to_video, with_ahead, with_known, with_reference
from himmel.errors import BadRequest
from himmel.media.mask import read_mask
from himmel.media.material import look
from himmel.media.scaling import stretch_to
from himmel.spec import ModelInfo, Remix, Size, VideoRequest

WINDOW = Window()
WARM = 3  # latent frames before a run that are decoded with it, so that the decoder remembers what it would
CHUNK = 12  # latent frames that are encoded at once
SOFT = 8  # pixels of the finished picture over which an edit fades in within its mask


class Maker(Protocol):
    """What a run needs of the backend."""

    info: ModelInfo
    model: VideoModel
    finishing: Finishing


class Making:
    """One run of a resolved request; ``number`` is its place among the request's pieces.

    ``finished`` are its latents so far, block by block (1, f, c, h, w), with what is known before it.
    Raises BadRequest for what the model cannot do, UnreadableMedia.
    """

    def __init__(self, maker: Maker, request: VideoRequest, run: Run, number: int) -> None:
        self.model, self.info, self.finishing = maker.model, maker.info, maker.finishing
        self.request, self.run, self.number = request, run, number
        self.finished: list[Tensor] = []
        self.resumed: Tensor | None = None
        longest = self.model.config.text.longest
        self.prompts = [(place, as_learned(prompt, request.characters)) for place, prompt in run.prompts]
        told = [("prompt", prompt) for _, prompt in self.prompts] + [("negative prompt", request.negative_prompt)]
        for name, prompt in told:
            if len(self.model.tokenizer([prompt], 10**6)[0]) > longest:
                raise BadRequest(f"the {name} is too long; allowed: about {longest * 3} letters")
        assert request.size
        self.pictures = {
            place: stretch_to(picture_of(part, request.size), self.info.native_size) for place, part in run.pictures
        }
        self.portraits = [picture_of(character, self.info.native_size) for character in request.characters]
        if run.remix:
            self.source = look(Path(run.remix.path))
            self.mask = self._mask(run.remix, request.size)

    @property
    def blocks(self) -> int:
        """Units of equal cost."""
        return len(Blocks(self.task.shape.frames, self.model.config.transformer.block).spans)

    def frames(self) -> Iterator[np.ndarray]:
        """The finished frames, uint8 (H, W, 3)."""
        request, run = self.request, self.run
        assert request.size and request.fps
        loop_at = run.last if run.loop else None
        native = ((float(place), frame) for place, frame in joined(self._native(), self._known(), loop_at=loop_at))
        # What is given fills the finished picture, whose proportions may be others than the model's: it was stretched
        # on its way in, and what is made of it is stretched back, so that both lie upon each other.
        stretched = bool(run.pictures or run.left or run.right or run.remix)
        given, end = self._given(request.size, request.fps), run.count if run.loop else None
        numbers = run.around if given else range(run.count)
        timed = self.finishing.timed(native, map(run.position, numbers))
        sized = zip(numbers, self.finishing.sized(timed, request.size, stretched=stretched), strict=True)
        # Again, for what the model's size could not hold: a sharp frame would stand alone among soft ones.
        numbered = joined(sized, given, loop_at=end) if given else sized
        made = (frame for number, frame in numbered if 0 <= number < run.count)
        return self._composed(made, request.size, request.fps) if run.remix and run.remix.mask else made

    def resume(self, made: Tensor) -> None:
        """Go on after the latents (1, F, c, h, w) that were finished already; others than this run's are ignored."""
        if made.shape[2:] == self.task.latents.shape[2:]:
            self.resumed = made[:, : self.task.shape.frames].to(self.model.device)

    @property
    def so_far(self) -> Tensor | None:
        """The latents (1, F, c, h, w) that can be gone on from; those of before, until there are more."""
        finished = torch.cat(self.finished, 1) if self.finished else None
        if self.resumed is None or (finished is not None and finished.shape[1] > self.resumed.shape[1]):
            return finished
        return self.resumed

    @cached_property
    def task(self) -> Task:
        """The run as the engine sees it."""
        run, known = self.run, self._before
        begin = 0 if known is None else known.shape[1] - 1  # the latent frame of position 0
        shape = self.model.latent_shape(begin + 1 + run.groups)
        channels = self.model.autoencoder.config.latent_channels
        task = replace(text_to_video(shape, 1, channels, self.model.device), loop=run.loop)
        if known is not None:
            task = with_known(task, 0, known)
        for place, frame in self.pictures.items():
            latents = self._encoded([frame])
            time = begin + place // GROUP
            task = with_known(task, 0, latents) if time == 0 else with_ahead(task, time, latents)
        for portrait in self.portraits:
            task = with_reference(task, self._encoded([portrait]))
        if run.right:
            task = with_ahead(task, begin + run.groups, self._encoded(self._head))
        return self._remixed(task) if run.remix else task

    @cached_property
    def _tail(self) -> list[np.ndarray]:
        """What comes before, at the model's size and rate."""
        if self.run.left is None:
            return []
        assert self.request.fps and self.request.size
        most = 1 + GROUP * (WINDOW.sink + WINDOW.recent - 1)
        return self._stretched(self.run.left.tail(self.request.size, self.info.native_fps, self.request.fps, most))

    @cached_property
    def _head(self) -> list[np.ndarray]:
        """What the run goes over into."""
        assert self.run.right and self.request.size
        return self._stretched(self.run.right.head(self.request.size, self.info.native_fps, 1 + GROUP * (AHEAD - 1)))

    @cached_property
    def _before(self) -> Tensor | None:
        return self._encoded(self._tail) if self.run.left else None

    def _stretched(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Frames of the finished picture's size at the model's."""
        return [stretch_to(frame, self.info.native_size) for frame in frames]

    def _known(self) -> dict[int, np.ndarray]:
        """Frames that are given, at the model's size, by their positions."""
        known = dict(self.pictures)
        if self.run.left:
            known[0] = self._tail[-1]
        if self.run.right:
            known[self.run.last] = self._head[0]
        return known

    def _given(self, size: Size, fps: int) -> dict[int, np.ndarray]:
        """The same frames as they are to be seen, by the numbers of the finished frames whose places they take."""
        run, rate = self.run, self.info.native_fps
        given = {run.number(place): picture_of(part, size) for place, part in run.pictures}
        if run.left:
            [given[-1]] = run.left.tail(size, rate, fps, 1)
        if run.right:
            [given[run.count]] = run.right.head(size, rate, 1)
        return given

    @torch.inference_mode()
    def _encoded(self, frames: Iterable[np.ndarray]) -> Tensor:
        """1 + 4k frames to latents (1, 1 + k, c, h, w), a part at a time: the encoder sees one frame of the past."""
        stream, found = iter(frames), list[Tensor]()
        last = list(islice(stream, 1))
        while True:
            following = list(islice(stream, GROUP * CHUNK))
            if following or not found:
                pixels = torch.from_numpy(np.stack(last + following)).permute(0, 3, 1, 2)[None].float() / 255
                latents = self.model.autoencoder.encode(pixels.to(self.model.device))
                found.append(latents[:, 1:] if found else latents)
                last = (last + following)[-1:]
            if len(following) < GROUP * CHUNK:
                return torch.cat(found, 1)

    def _remixed(self, task: Task) -> Task:
        assert self.run.remix and self.request.size
        shown = self.source.sampled(self.request.size, self.info.native_fps, 0.0, 1 + self.run.last)
        frames = (stretch_to(frame, self.info.native_size) for frame in shown)
        change = None
        if self.mask is not None:
            pixels = torch.from_numpy(self.mask)[None, None].float()
            native = self.info.native_size
            places = F.adaptive_max_pool2d(pixels, (native.height // SPATIAL, native.width // SPATIAL))[0].bool()
            change = places.expand(task.shape.frames, -1, -1)
        return remix(task, self._encoded(frames), self.run.remix.strength, change)

    def _mask(self, asked: Remix, size: Size) -> np.ndarray | None:
        if asked.mask is None:
            return None
        return read_mask(asked.mask, width=self.source.width, height=self.source.height, size=size)

    def _composed(self, made: Iterator[np.ndarray], size: Size, fps: int) -> Iterator[np.ndarray]:
        """Made frames where the mask is, the source's own elsewhere, bit by bit; soft on the inside of the border."""
        mask = self.mask
        assert mask is not None
        share = _softened(mask)[..., None]
        for new, old in zip(made, self.source.sampled(size, fps, 0.0, self.run.count), strict=True):
            yield np.rint(new * share + old * (1 - share)).astype(np.uint8)

    def _native(self) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their positions, from 0 on."""
        request, task = self.request, self.task
        assert request.steps and request.guidance is not None
        begin = task.shape.frames - 1 - self.run.groups
        if self.resumed is not None:
            task = going_on(task, self.resumed)
        (_, first), *others = self.prompts
        later = [(begin + place // GROUP + 1, [prompt]) for place, prompt in others]
        latents = self.model.latents(
            task,
            [first],
            [request.negative_prompt],
            [request.seed + self.number],
            request.steps,
            request.guidance,
            later=later,
            turbo=bool(request.turbo),
        )
        skipped = max(0, begin + 1 - WARM)
        place = -GROUP * (begin - skipped)
        for pixels in self.model.frames(_after(self._noted(latents), skipped)):
            for frame in (pixels[0] * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy():
                if place >= 0:
                    yield place, frame
                place += 1

    def _noted(self, latents: Iterator[Tensor]) -> Iterator[Tensor]:
        for block in latents:
            self.finished.append(block)
            yield block


def _softened(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) as shares 0 to 1: rising from its border inwards over ``SOFT`` pixels, or as many as it has."""
    within, layers = torch.from_numpy(mask)[None].float(), list[Tensor]()
    while within.any() and len(layers) < SOFT:
        layers.append(within)
        within = -F.max_pool2d(-within, 3, 1, 1)
    return torch.stack(layers).mean(0)[0].numpy()


def _after(blocks: Iterator[Tensor], skipped: int) -> Iterator[Tensor]:
    """The blocks without their first ``skipped`` frames."""
    for block in blocks:
        if block.shape[1] > skipped:
            yield block[:, skipped:]
        skipped = max(0, skipped - block.shape[1])
