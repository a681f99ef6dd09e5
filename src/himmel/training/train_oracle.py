"""Training the oracle on real renders, spoilt as generated clips are, with the truth of every scene.

Owns: the oracle's data, its losses and its short training. Knows nothing of generators and scores.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from himmel.training.oracle import ACTOR, Oracle, OracleConfig, depart
from himmel.training.questions import truth
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.sprites import Atlas
from himmel.world.staging import camera_path, cut_outs, poses
from himmel.world.vocabulary import Vocabulary

TRAINING_SEEDS = 1 << 40  # evaluation draws its scenes from seeds far below
TRACK_WEIGHT = 10.0
TAKES_TIME = ("motion", "first", "then", "camera")  # what no single frame can tell


@dataclass(frozen=True)
class OracleRecipe:
    """How much is practised; counted in steps, so that the same recipe gives the same oracle.

    First the reading of single frames: each of ``frame_steps`` sees ``batch`` clips, ``fresh`` of them new and
    the others among the last ``kept``, and ``glances`` frames of each. Then the reading of what moves, from the
    features of whole clips, whose frames are then settled: ``rounds`` times 4 · ``fresh`` new clips, and after
    each ``steps_per_round`` steps on all that were seen; as many steps again follow without new ones.
    """

    frame_steps: int = 2000
    rounds: int = 150
    steps_per_round: int = 4
    batch: int = 40
    fresh: int = 10
    glances: int = 4
    kept: int = 3000
    rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Example:
    """A clip as the oracle sees it, uint8 (T, 3, side, side), its scene, and its track (T, 9), NaN if unknown."""

    clip: Tensor
    scene: Scene
    track: Tensor


Report = Callable[[int, int, dict[str, float]], None]  # (steps done, of, losses)


def train_oracle(config: OracleConfig, atlas: Atlas, recipe: OracleRecipe, report: Report) -> Oracle:
    """Train by the recipe; ``report`` is called at every step."""
    torch.manual_seed(recipe.seed)
    oracle = Oracle(config)
    oracle.frame.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    source = Source(config, atlas, recipe.seed)
    late_steps = 2 * recipe.rounds * recipe.steps_per_round
    total = recipe.frame_steps + late_steps
    for done, losses in enumerate(learn_frames(oracle, source, recipe), 1):
        report(done, total, losses)
    for done, losses in enumerate(learn_time(oracle, source, recipe), recipe.frame_steps + 1):
        report(done, total, losses)
    return oracle.eval()


def learn_frames(oracle: Oracle, source: Source, recipe: OracleRecipe) -> Iterator[dict[str, float]]:
    """Teach the frame reader: where the actor is, what the camera does, and all that one picture can tell.

    Yields the losses of every step.
    """
    rng = random.Random(recipe.seed)
    memory: deque[Example] = deque(maxlen=recipe.kept)
    asked = [question for question in oracle.questions if question.name not in TAKES_TIME]
    heads = nn.ModuleDict({q.name: nn.Linear(oracle.frame.features, len(q.answers)) for q in asked})
    stepper = Stepper([*oracle.frame.parameters(), *heads.parameters()], recipe.rate, recipe.frame_steps)
    for step in range(recipe.frame_steps):
        fresh = source.draw(recipe.fresh)
        batch = fresh + rng.sample(memory, min(recipe.batch - recipe.fresh, len(memory)))
        memory.extend(fresh)
        # Every second frame has nearly the same mean and costs half.
        clips = torch.stack([example.clip[step % 2 :: 2] for example in batch])
        seen = depart(spoilt(clips.float() / 255))
        glances = torch.randperm(seen.shape[1])[: recipe.glances]
        features = oracle.features(seen[:, glances])
        pooled = (features.mean(1) + features.amax(1)) / 2
        losses = answer_losses(oracle, {name: head(pooled) for name, head in heads.items()}, batch)
        track = torch.stack([example.track[step % 2 :: 2] for example in batch])[:, glances]
        losses["track"] = TRACK_WEIGHT * track_loss(oracle.frame.track(features), track)
        yield stepper.step(losses)


def learn_time(oracle: Oracle, source: Source, recipe: OracleRecipe) -> Iterator[dict[str, float]]:
    """Teach the reading of whole clips from the features of their frames; yields the losses of every step.

    Every new clip is looked at once; what was observed in it is then read many times.
    """
    oracle.frame.eval().requires_grad_(False)
    parameters = [*oracle.over_time.parameters(), *oracle.heads.parameters()]
    stepper = Stepper(parameters, recipe.rate, 2 * recipe.rounds * recipe.steps_per_round)
    examples: list[Example] = []
    observed: list[Tensor] = []
    for number in range(2 * recipe.rounds):
        if number < recipe.rounds:
            fresh = source.draw(4 * recipe.fresh)
            with torch.no_grad():
                clips = spoilt(torch.stack([example.clip for example in fresh]).float() / 255)
                observed.extend(oracle.observe(clips))
            examples.extend(replace(example, clip=example.clip[:0]) for example in fresh)
        for rows in torch.randint(len(examples), (recipe.steps_per_round, 3 * recipe.batch)).tolist():
            reading = oracle.read(torch.stack([observed[row] for row in rows]))
            yield stepper.step(answer_losses(oracle, reading.logits, [examples[row] for row in rows]))


class Stepper:
    """AdamW with a short warm-up and a rate that then falls to nothing by the last step."""

    def __init__(self, parameters: list[nn.Parameter], rate: float, steps: int) -> None:
        self.parameters, self.rate, self.steps, self.done = parameters, rate, steps, 0
        self.optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.05, betas=(0.9, 0.98))

    def step(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Step down the sum of the losses; gives them back as numbers."""
        share = self.done / self.steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * min(1.0, share / 0.03 + 0.01, (1 - share) / 0.7)
        self.optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 2.0)
        self.optimiser.step()
        self.done += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}


class Source:
    """An endless stream of new clips; a fifth of them held out from generators, but not from the oracle."""

    def __init__(self, config: OracleConfig, atlas: Atlas, seed: int) -> None:
        self.frames, self.vocabulary = config.frames, practice(config.vocabulary)
        self.renderer = Renderer(atlas, config.side, config.side, (config.frames - 1) / config.seconds)
        self.seed = TRAINING_SEEDS + (seed << 32)

    def draw(self, count: int) -> list[Example]:
        seeds = range(self.seed, self.seed + count)
        self.seed += count
        return rendered(
            [sample_scene(self.vocabulary, seed, keep_held_out=seed % 5 == 0) for seed in seeds],
            self.renderer,
            self.frames,
        )


def practice(vocabulary: Vocabulary) -> Vocabulary:
    """The same vocabulary with the rare things more often: an instrument must read them all."""
    v = vocabulary
    return replace(
        v,
        p_coloured=0.25 if v.colours else 0.0,
        p_sized=0.3,
        p_several=0.25 if v.max_actors > 1 else 0.0,
        p_counted=0.2 if v.max_count > 1 else 0.0,
        p_two_steps=0.2 if len(v.motions) > 2 else 0.0,
        p_light=0.4,
        p_weather=0.3,
        p_camera=0.5,
    )


def rendered(scenes: Sequence[Scene], renderer: Renderer, frames: int) -> list[Example]:
    """Draw scenes and note what can be tracked in them."""
    clips = (renderer.render(scenes, frames) * 255).round().byte()
    track = true_track(scenes, torch.arange(frames) / renderer.fps)
    return [Example(*row) for row in zip(clips.cpu(), scenes, track, strict=True)]


def true_track(scenes: Sequence[Scene], times: Tensor) -> Tensor:
    """Tracks (B, T, 9) as in ``Reading.track``; the actor's part is NaN where there are several."""
    camera = camera_path(scenes, times)
    view = torch.stack([camera.zoom.log(), camera.x, camera.y], -1)
    view = view - view.mean(1, keepdim=True)
    actor = torch.full((len(scenes), len(times), ACTOR), torch.nan)
    cast = cut_outs(scenes)
    at = poses(cast, times)
    for row, cut_out in enumerate(cast):
        clip = cut_out.clip
        if len(scenes[clip].actors) > 1 or scenes[clip].actors[0].count > 1:
            continue
        zoom = camera.zoom[clip]
        # The renderer's rule: actors follow half of the camera's shift.
        x = (at.x[row] - 0.5 * camera.x[clip]) * zoom
        y = (at.y[row] - 0.5 * camera.y[clip]) * zoom
        height, angle = at.height[row], at.angle[row]
        size = (height * zoom).clamp(min=0.02).log()
        actor[clip] = torch.stack([x, y, size, at.width[row] / height, angle.cos(), angle.sin()], -1)
    return torch.cat([actor, view], -1)


def track_loss(read: Tensor, true: Tensor) -> Tensor:
    """Smooth absolute error over all that is known of the tracks."""
    known = ~true.isnan()
    return F.smooth_l1_loss(read[known], true[known], beta=0.2)


def answer_losses(oracle: Oracle, logits: dict[str, Tensor], batch: Sequence[Example]) -> dict[str, Tensor]:
    """One cross-entropy per question, over the clips that settle it."""
    true = oracle.truth_indices([truth(example.scene) for example in batch])
    return {
        name: F.cross_entropy(answers, true[name], ignore_index=-1)
        for name, answers in logits.items()
        if (true[name] >= 0).any()
    }


def spoilt(clips: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) as a generator might make them: blurred, grainy, smeared over time, off in tone.

    Each kind befalls a random part of the batch; about a quarter stays clean.
    """
    clips = clips.clone()
    batch, height, width = len(clips), *clips.shape[-2:]
    for factor in (2, 3):
        rows = torch.rand(batch) < 0.2
        small = F.interpolate(
            clips[rows].flatten(0, 1), size=(height // factor, width // factor), mode="bilinear", antialias=True
        )
        blurred = F.interpolate(small, size=(height, width), mode="bilinear")
        clips[rows] = blurred.view(-1, *clips.shape[1:])
    rows = torch.rand(batch) < 0.25
    clips[rows, 1:] = torch.lerp(clips[rows, 1:], clips[rows, :-1], 0.5 * torch.rand(1))
    rows = torch.rand(batch) < 0.5
    clips[rows] += 0.06 * torch.rand(int(rows.sum()), 1, 1, 1, 1) * torch.randn_like(clips[rows])
    tone = 1 + 0.06 * torch.randn(batch, 1, 3, 1, 1) * (torch.rand(batch, 1, 1, 1, 1) < 0.5)
    return (clips * tone).clamp(0, 1)
