"""Distilling Turbo: a student that makes in a few long strides what its teacher makes in many short ones.

Owns: the teacher's paths, the training of one sitting. What the student learns of them stands in ``strides``.

The teacher goes from noise to clip along its guided flow, every block beside the clean blocks before it; the path is
kept at the levels of eight steps. The student is told a level and how far down to go, and learns the mean velocity of
any stretch of the path that 1, 2, 4 or 8 equal steps use, so that one network serves them all. Sources: a path's ends
as targets (knowledge distillation of samplers, Luhman & Luhman 2021), guidance baked in (Meng et al. 2023), a flow map
that is told its stride (shortcut models, Frans et al. 2024; flow map matching, Boffi et al. 2024). In use all that the
student goes on from is its own, so it is in a part of the training: the blocks before (self forcing, Huang et al.
2025), and the states at which strides begin (learning from one's own mistakes, Ross et al. 2011).

Where a model trained on has an earlier student, the new one begins with what that one learned: the difference between
two sets of weights, added to a third (task arithmetic, Ilharco et al. 2023).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import torch
from torch import Tensor

from himmel.engine.flow import velocities
from himmel.engine.guidance import guide
from himmel.engine.model import Generator
from himmel.engine.samplers import euler, multistep, schedule
from himmel.engine.shapes import SPATIAL, TEMPORAL, Blocks, LatentShape
from himmel.engine.streaming import CachedContext, Sampling, Stretches, Window, make
from himmel.engine.tasks import Ahead, text_to_video, with_reference
from himmel.engine.transformer import Prompt
from himmel.training.data import sent
from himmel.training.loop import Recipe, Run
from himmel.training.masks import Known, draw_known
from himmel.training.strides import GRID, LENGTHS, Paths, Walk, end_loss, exam_loss, stride_loss
from himmel.training.train_transformer import (
    CAST,
    CastEncoder,
    ClipEncoder,
    TransformerTraining,
    ahead_of,
    compiled,
    padded,
    taken_apart,
    weight_of,
)
from himmel.training.utilisation import counted, part
from himmel.world.caption import caption
from himmel.world.scene import sample_scene

MUON_RATE, ADAM_RATE = 0.003, 5e-4  # half of the teacher's: it begins as one that can do much already
BETWEEN = 2  # the teacher's steps to one of them
OWN = 0.5  # share of the paths whose past the student made itself: in use all of them are
OWN_FROM = 150  # steps, before which a student without a lesson makes nothing worth to go on from


@dataclass(frozen=True)
class Diet:
    """``clips`` to a step, or as many single ``pictures``; ``kept`` batches of paths, each used about ``reuse`` times.

    Every second batch is of pictures: a clip's first frame is what all others go on from, and few of its tokens.
    """

    clips: int = 16
    pictures: int = 192
    kept: int = 12
    reuse: int = 8


def lesson_of(student: Generator, teacher: Generator) -> dict[str, Tensor]:
    """By their names, what a student's weights have become beyond its teacher's."""
    before = dict(teacher.transformer.named_parameters())
    return {
        name: parameter.detach() - before[name] if name in before else parameter.detach()
        for name, parameter in student.transformer.named_parameters()
    }


def distil(
    teacher: Generator, training: TransformerTraining, diet: Diet, recipe: Recipe, lesson: Mapping[str, Tensor]
) -> Run:
    """Train, or go on training, the student for the recipe's minutes.

    It begins as its teacher, with the ``lesson`` of an earlier student on top; an empty one leaves it the teacher.
    """
    device = next(teacher.parameters()).device
    config = teacher.config
    student = Generator(replace(config, transformer=replace(config.transformer, strides=True))).to(device)
    student.load_state_dict(teacher.state_dict(), strict=False)
    for name, learned in lesson.items():
        student.transformer.get_parameter(name).data += learned
    student.text_encoder.requires_grad_(False)
    teacher.eval().requires_grad_(False)
    run = Run(student, recipe)
    torch.manual_seed(run.step)
    teaching = _Teaching(teacher, student, training, diet, run, own_from=0 if lesson else OWN_FROM)
    made = teaching.paths()
    kept = deque((next(made) for _ in range(4)), maxlen=diet.kept)
    exam = Walk(student, training, teaching.exam())
    by = compiled(velocities, student.transformer, recipe)

    def loss_of(step: int) -> Tensor:
        if step % diet.reuse == 0:
            with part("the teacher's paths"):
                kept.append(next(made))
        paths = random.choice(kept)
        shape = (paths.past.shape[1:], paths.ahead is not None)
        counted(shape, len(paths.past), lambda: stride_loss(Walk(student, training, paths.first())))
        return stride_loss(Walk(student, training, paths, by))

    def measure() -> dict[str, float]:
        with run.evaluated():
            ends = {f"end_{GRID // length}": end_loss(exam, length) for length in LENGTHS}
            return {f"validation_{GRID // length}": exam_loss(exam, length) for length in LENGTHS} | ends

    run.train(loss_of, measure)
    return run


_compiled_velocities = torch.compile(velocities, dynamic=False)


class _Teaching:
    """Makes the teacher's paths."""

    def __init__(
        self,
        teacher: Generator,
        student: Generator,
        training: TransformerTraining,
        diet: Diet,
        run: Run,
        own_from: int,
    ) -> None:
        self.teacher, self.student, self.training, self.diet, self.run = teacher, student, training, diet, run
        self.own_from = own_from
        self.device = next(teacher.parameters()).device
        self.encode = ClipEncoder(training, training.diets[0], self.device)
        self.encode_pictures = ClipEncoder(training, replace(training.diets[0], frames=1), self.device)
        self.encode_cast = CastEncoder(training, training.diets[0], self.device)
        self._frames = 1 + (training.diets[0].frames - 1) // TEMPORAL

    def paths(self) -> Iterator[Paths]:
        """Batch after batch, of scenes that no earlier sitting has used."""
        rng = random.Random(self.run.step)
        for number in count((self.run.step + 1) * 10**5, self.diet.clips + self.diet.pictures):
            yield self._clips(number, rng)
            yield self._pictures(number + self.diet.clips, rng)

    def _clips(self, number: int, rng: random.Random) -> Paths:
        shown = rng.random() < CAST
        vocabulary = self.training.cast if shown else self.training.vocabulary
        scenes = [sample_scene(vocabulary, number + i) for i in range(self.diet.clips)]
        captions = [self.training.said(scene, rng, shown) for scene in scenes]
        own = self.run.step >= self.own_from and rng.random() < OWN
        known = Known() if own else draw_known(self._frames, rng)
        if len(known.frames) == self._frames:  # nothing is left to learn
            known = Known()
        made = (self.encode_cast if shown else self.encode)(scenes)
        return self._batch(made, captions, replace(known, portrait=shown), own)

    def _pictures(self, number: int, rng: random.Random) -> Paths:
        scenes = [sample_scene(self.training.vocabulary, number + i) for i in range(self.diet.pictures)]
        captions = [caption(scene, rng) for scene in scenes]
        return self._batch(self.encode_pictures(scenes), captions, Known(), False)

    def exam(self) -> Paths:
        """Held-out scenes, always the same noise."""
        numbers = range(2 * 10**9, 2 * 10**9 + self.diet.clips)
        scenes = [sample_scene(self.training.vocabulary, number, keep_held_out=True) for number in numbers]
        said = [caption(scene, random.Random(i)) for i, scene in enumerate(scenes)]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self._batch(self.encode(scenes), said, Known(), False)

    @torch.no_grad()
    def _batch(self, made: Tensor, captions: list[str], known: Known, own: bool) -> Paths:
        made = made.to(self.device).float()
        latents, pictures, coverage, portraits = taken_apart(made, known)
        past = self._own(captions, latents.shape[1], portraits) if own else latents
        ahead = ahead_of(past, pictures, known, portraits)
        weight = weight_of(coverage, Blocks(past.shape[1], self.teacher.config.transformer.block))
        weight[:, known.frames] = 0.0  # known ones teach nothing
        free = torch.ones(past.shape[1], device=self.device)
        free[list(known.frames)] = 0
        return Paths(self._states(past, free, ahead, captions), past, free, ahead, captions, weight)

    def _states(self, past: Tensor, free: Tensor, ahead: Ahead | None, captions: list[str]) -> Tensor:
        """From noise down the teacher's guided flow; the sampler asks at every level, and every second one is kept."""
        both = [*captions, *[""] * len(captions)]
        prompt = self.teacher.read(sent(padded(self.training.tokenizer, both), self.device))
        levels = schedule(GRID * BETWEEN, self.teacher.config.shift)
        x = torch.where(free[:, None, None, None] > 0, torch.randn_like(past), past)
        states = list[Tensor]()

        def velocity(x: Tensor, level: Tensor, _following: Tensor) -> Tensor:
            states.append(x)
            return self._slope(x, level * free, past, ahead, prompt) * free[:, None, None, None]

        end = multistep(velocity, x, levels)
        return torch.stack([*states[::BETWEEN], end])

    def _slope(self, x: Tensor, levels: Tensor, past: Tensor, ahead: Ahead | None, prompt: Prompt) -> Tensor:
        noisy, at, clean = (torch.cat([tensor, tensor]) for tensor in (x, levels.expand(len(x), -1), past))
        both = None if ahead is None else Ahead(torch.cat([ahead.latents] * 2), ahead.times)
        nothing = torch.zeros_like(at)
        first = None if ahead is None else Ahead(ahead.latents[:1], ahead.times)
        known = 0 if ahead is None else len(ahead.times)
        one = partial(velocities, self.teacher.transformer, noisy[:1], at[:1], clean[:1], nothing[:1], prompt.first(1))
        counted(("slope", x.shape[1:], known), len(noisy), lambda: one(first))
        velocities_of = _compiled_velocities if self.device.type == "cuda" else velocities
        with torch.autocast(self.device.type, torch.bfloat16):
            found = velocities_of(self.teacher.transformer, noisy, at, clean, nothing, prompt, both)
        conditional, unconditional = found.float().chunk(2)
        return guide(conditional, unconditional, self.teacher.config.guidance)

    def _own(self, captions: list[str], frames: int, portraits: Tensor | None) -> Tensor:
        """What the student makes of the captions in four steps, with its averaged weights."""
        with self.run.evaluated(), torch.autocast(self.device.type, torch.bfloat16):
            config = self.student.config
            shape = LatentShape(frames, config.height // SPATIAL, config.width // SPATIAL)
            task = text_to_video(shape, len(captions), config.transformer.latent_channels, self.device)
            task = task if portraits is None else with_reference(task, portraits)
            prompt = self.student.read(padded(self.training.tokenizer, captions).to(self.device))
            sampling = Sampling(euler, schedule(4, config.shift), 1.0)
            context = CachedContext(self.student.transformer, Window())
            seeds = torch.randint(2**31 - 1, (len(captions),)).tolist()
            blocks = make(task, Stretches(((0, prompt),)), sampling, context, seeds, config.transformer.block)
            return torch.cat(list(blocks), 1).float()
