"""Training the transformer and its text encoder: captioned latents, noised block by block.

Owns: this one recipe. The loop, the optimisers and the checkpoints are ``loop``'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

from himmel.engine.autoencoder import Autoencoder
from himmel.engine.flow import context_levels, flow_loss, training_levels
from himmel.engine.model import Generator, GeneratorConfig
from himmel.engine.shapes import SPATIAL, TEMPORAL, Blocks, ClipShape
from himmel.engine.tasks import AHEAD, REFERENCE, Ahead
from himmel.engine.text_encoder import PAD, TextEncoder, Tokenizer
from himmel.engine.transformer import Transformer
from himmel.training.data import Pool, at_once, portion_for, sent
from himmel.training.loop import Recipe, Run
from himmel.training.masks import Known, draw_known
from himmel.training.utilisation import counted, part
from himmel.world.caption import caption
from himmel.world.lexicon import caption_corpus
from himmel.world.portrait import naming, portrait
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import Vocabulary

P = ParamSpec("P")

UNPROMPTED = 0.1  # share of clips whose caption is dropped, for classifier-free guidance
FIRST_FRAME_WEIGHT = 2.0  # the picture that everything else goes on from
MOTION_WEIGHT = 2.0  # the second block: how things move is for the prompt to say there, and seen by later ones
ACTOR_WEIGHT = 3.0  # how much more a latent counts that actors cover: they are small, and all eyes are on them
CAPTION_TOKENS = 32  # all captions are brought to this length: compiled code wants one shape
COMPILED_FROM = 8.0  # minutes on a CPU; a shorter sitting would be over before compiling has paid
AVERAGE = 0.998  # of the weights: over some five hundred steps (docs/notebook.md)
CAST = 0.25  # share of the steps whose clips come with a portrait of their actor
CAST_POOL = 0.5  # how many of their clips are kept, for each of the others
VALIDATION_SEED = 2 * 10**9
NOTHING_KNOWN = Known()
KNOWN_IN_EXAM = Known((), ((6, True), (12, True)))  # two pictures, in the middle and at the end of four seconds
PORTRAIT = Known(portrait=True)


@dataclass(frozen=True)
class Diet:
    """Clips of one length: ``frames`` (1 + 4k) and ``batch`` clips a step, kept for ``reuse`` uses."""

    frames: int
    batch: int
    pool: int = 1024
    reuse: float = 6.0

    @classmethod
    def of(cls, frames: int, batch: int) -> Diet:
        """With as large a pool as a batch needs: some hundred clips at least, so that neighbours differ."""
        return cls(frames, batch, pool=max(4 * batch, min(cls.pool, 64 * batch)))


@dataclass(frozen=True)
class TransformerTraining:
    """What the transformer is shown: one of the ``diets`` after the other, step by step.

    ``cast`` is what clips are drawn from that come with a portrait; the ``renderer`` has the art of both.
    """

    vocabulary: Vocabulary
    cast: Vocabulary
    renderer: Renderer
    autoencoder: Autoencoder
    tokenizer: Tokenizer
    text_encoder: TextEncoder
    diets: tuple[Diet, ...]

    def said(self, scene: Scene, rng: random.Random, shown: bool) -> str:
        """A caption of a scene, which is named where a portrait of its actor is ``shown``."""
        return naming(scene, rng, self.vocabulary.nouns) if shown else caption(scene, rng)


def train_tokenizer(vocabulary: Vocabulary, tokens: int) -> Tokenizer:
    """The tokenizer of a vocabulary's captions; always the same for the same vocabulary."""
    return Tokenizer.train(caption_corpus(vocabulary, 40_000, seed=0), tokens)


def train_transformer(
    config: GeneratorConfig, training: TransformerTraining, recipe: Recipe, device: torch.device
) -> Run:
    """Train, or go on training, for the recipe's minutes; the run's folder holds the state."""
    torch.manual_seed(0)
    generator = Generator(config)
    generator.text_encoder.load_state_dict(training.text_encoder.state_dict())
    generator.to(device).text_encoder.requires_grad_(False)  # what it has learned, noisy gradients would wear away
    run = Run(generator, recipe)
    torch.manual_seed(run.step)
    writer = random.Random(run.step)
    first = (run.step + 1) * 10**4
    pools = [
        _pool(training.vocabulary, ClipEncoder(training, diet, device), diet, first + number)
        for number, diet in enumerate(training.diets)
    ]
    largest = max(training.diets, key=lambda diet: diet.batch * diet.frames)
    fewer = replace(largest, pool=max(largest.batch, round(CAST_POOL * largest.pool)))
    characters = _pool(training.cast, CastEncoder(training, fewer, device), fewer, first + len(pools))
    exam, cast_exam = _Exam(training, device), _Exam(training, device, cast=True)
    errors_of = compiled(_errors, generator.transformer, recipe)

    def loss_of(step: int) -> Tensor:
        turn, shown = step % len(pools), writer.random() < CAST
        scenes, made = characters.batch(largest.batch) if shown else pools[turn].batch(training.diets[turn].batch)
        with part("captions"):
            said = [training.said(scene, writer, shown) for scene in scenes]
        captions = ["" if writer.random() < UNPROMPTED else text for text in said]
        made = made.to(device).float()
        known = replace(draw_known(made.shape[1] - shown, writer), portrait=shown)
        one = partial(_loss, _errors, generator, training.tokenizer, captions[:1], made[:1], known)
        counted((made.shape[1:], bool(known.ahead), shown), len(made), one)
        return _loss(errors_of, generator, training.tokenizer, captions, made, known)

    def measure() -> dict[str, float]:
        with run.evaluated():
            return {
                "validation": exam.take(generator),
                "validation_known": exam.take(generator, KNOWN_IN_EXAM),
                "validation_unseen": cast_exam.take(generator),
                "validation_portrait": cast_exam.take(generator, PORTRAIT),
            }

    with ExitStack() as stack:
        for pool in (*pools, characters):
            stack.callback(pool.close)
        run.train(loss_of, measure)
    return run


def _pool(vocabulary: Vocabulary, encode: ClipEncoder, diet: Diet, seed: int) -> Pool:
    return Pool(vocabulary, encode, diet.pool, diet.reuse, seed, portion_for(encode.device, diet.frames, diet.pool))


def compiled(step: Callable[P, Tensor], transformer: Transformer, recipe: Recipe) -> Callable[P, Tensor]:
    """A step in which the transformer is compiled, where that pays: the step takes some two thirds of the time.

    On a card the whole of it; on CPUs block by block, for all of a kind share their code: three quarters of a minute
    for every kind of step instead of two minutes or more.
    """
    if next(transformer.parameters()).device.type == "cuda":
        return torch.compile(step, dynamic=False)
    if recipe.minutes >= COMPILED_FROM:
        for block in (transformer.before, *transformer.layers, *transformer.after):
            block.compile(dynamic=False)
    return step


def _loss(
    errors_of: Callable[..., Tensor],
    generator: Generator,
    tokenizer: Tokenizer,
    captions: list[str],
    made: Tensor,
    known: Known,
) -> Tensor:
    """The loss of what ``ClipEncoder`` made, or ``CastEncoder`` where a portrait is known, with what is known of it.

    ``errors_of`` is ``_errors``, or that compiled.
    """
    latents, pictures, coverage, portraits = taken_apart(made, known)
    batch, frames = latents.shape[:2]
    device, blocks = latents.device, Blocks(frames, generator.config.transformer.block)
    tokens = sent(padded(tokenizer, captions), device)
    levels, context = training_levels(batch, blocks), sent(context_levels(batch, frames), device)
    weight = weight_of(coverage, blocks)
    free = torch.ones(frames)
    free[list(known.frames)] = 0
    if free.any():
        levels, weight = levels * free, weight * sent(free, device)[:, None, None]
    else:  # all was known
        weight, levels = torch.ones_like(weight), torch.ones_like(levels)
    levels = sent(levels, device)
    ahead = ahead_of(latents, pictures, known, portraits)
    errors = errors_of(generator, latents, torch.randn_like(latents), levels, context, tokens, ahead)
    return (errors * weight).mean() / weight.mean()


def weight_of(coverage: Tensor, blocks: Blocks) -> Tensor:
    """How much every latent counts, (B, F, h, w) as its coverage by actors, 0 to 1."""
    weight = 1 + ACTOR_WEIGHT * coverage
    weight[:, 0] *= FIRST_FRAME_WEIGHT
    for start, stop in blocks.spans[1:2]:
        weight[:, start:stop] *= MOTION_WEIGHT
    return weight


def padded(tokenizer: Tokenizer, captions: list[str]) -> Tensor:
    """Token numbers of captions, all of one length."""
    tokens = tokenizer(captions, CAPTION_TOKENS)
    return F.pad(tokens, (0, CAPTION_TOKENS - tokens.shape[1]), value=PAD)


def taken_apart(made: Tensor, known: Known) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """What ``ClipEncoder`` made, or ``CastEncoder`` where a portrait is known.

    Latents and pictures (B, F, c, h, w), coverage (B, F, h, w), portraits (B, 1, c, h, w).
    """
    channels = made.shape[2] // 2
    portraits = made[:, :1, :channels] if known.portrait else None
    clips = made[:, 1:] if known.portrait else made
    # Compiled code is made anew for every layout in memory, and a clip that follows a portrait has another.
    return clips[:, :, :channels].contiguous(), clips[:, :, channels:-1], clips[:, :, -1], portraits


def ahead_of(latents: Tensor, pictures: Tensor, known: Known, portraits: Tensor | None = None) -> Ahead | None:
    """What is shown of latents and pictures (B, F, c, h, w), and of portraits (B, 1, c, h, w).

    Always as many places, the empty ones at time -1: compiled code wants one shape.
    """
    if not known.ahead and portraits is None:
        return None
    chosen = [(pictures if alone else latents)[:, time] for time, alone in known.ahead]
    times = [time for time, _ in known.ahead]
    if portraits is not None:
        chosen, times = [portraits[:, 0], *chosen[: AHEAD - 1]], [REFERENCE, *times[: AHEAD - 1]]
    empty = AHEAD - len(chosen)
    return Ahead(torch.stack([*chosen, *[torch.zeros_like(chosen[0])] * empty], 1), torch.tensor(times + [-1] * empty))


def _errors(
    generator: Generator,
    latents: Tensor,
    noise: Tensor,
    levels: Tensor,
    context: Tensor,
    tokens: Tensor,
    ahead: Ahead | None,
) -> Tensor:
    # Half precision is two to three times as fast, on graphics cards and on the CPUs that know bfloat16.
    with torch.autocast(latents.device.type, torch.bfloat16):
        return flow_loss(generator.transformer, latents, noise, levels, context, generator.read(tokens), ahead)


class _Exam:
    """The same held-out clips, captions, levels and noise every time, so that losses can be compared."""

    def __init__(
        self, training: TransformerTraining, device: torch.device, cast: bool = False, clips: int = 32
    ) -> None:
        longest = max(training.diets, key=lambda diet: diet.frames)
        vocabulary = training.cast if cast else training.vocabulary
        scenes = [sample_scene(vocabulary, VALIDATION_SEED + i, keep_held_out=True) for i in range(clips)]
        rngs = map(random.Random, range(clips))
        self.captions = [
            naming(scene, rng, ()) if cast else caption(scene, rng) for scene, rng in zip(scenes, rngs, strict=True)
        ]
        self.made = (CastEncoder if cast else ClipEncoder)(training, longest, device)(scenes).to(device).float()
        self.cast, self.tokenizer = cast, training.tokenizer

    def take(self, generator: Generator, known: Known = NOTHING_KNOWN) -> float:
        """The loss; ``known`` may lie beyond shorter clips' ends, which then know that much less."""
        made = self.made if known.portrait or not self.cast else self.made[:, 1:]
        seen = replace(known, ahead=tuple((time, alone) for time, alone in known.ahead if time < made.shape[1]))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return _loss(_errors, generator, self.tokenizer, self.captions, made, seen).item()


class ClipEncoder:
    """Scenes to half precision (B, F, 2c + 1, h, w).

    Latents of the clip, latents of the last frame of every latent frame as a picture alone, how far actors cover them.
    """

    def __init__(self, training: TransformerTraining, diet: Diet, device: torch.device) -> None:
        self.training, self.device = training, device
        self.frames = ClipShape(diet.frames, training.renderer.height, training.renderer.width).frames

    @torch.inference_mode()
    def __call__(self, scenes: Sequence[Scene]) -> Tensor:
        most = at_once(self.device, self.frames)
        chunks = [scenes[i : i + most] for i in range(0, len(scenes), most)]
        return torch.cat([self._encode(chunk) for chunk in chunks])

    def _encode(self, scenes: Sequence[Scene]) -> Tensor:
        with part("rendering"):
            picture = self.training.renderer.render_with_coverage(scenes, self.frames).to(self.device)
        with part("encoding"), torch.autocast(self.device.type, torch.bfloat16):
            counted(("encoding", self.frames), len(scenes), lambda: self._latents(picture[:1, :, :3])[1])
            latents, alone = self._latents(picture[:, :, :3])
        coverage = F.avg_pool2d(picture[:, :, 3], SPATIAL)
        later = coverage[:, 1:].unflatten(1, (-1, TEMPORAL)).mean(2)
        pictures = alone.unflatten(0, (len(scenes), -1))[:, :, 0]
        return torch.cat([latents, pictures, torch.cat([coverage[:, :1], later], 1)[:, :, None]], 2).half()

    def _latents(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        encode = self.training.autoencoder.encode
        return encode(pixels), encode(pixels[:, ::TEMPORAL].flatten(0, 1)[:, None])


class CastEncoder(ClipEncoder):
    """As ``ClipEncoder``, with one frame more before all others: a portrait of the actor, a picture alone."""

    def _encode(self, scenes: Sequence[Scene]) -> Tensor:
        clips = super()._encode(scenes)
        settings = random.Random(scenes[0].seed).choices(self.training.vocabulary.settings, k=len(scenes))
        shown = [portrait(scene, setting) for scene, setting in zip(scenes, settings, strict=True)]
        with torch.autocast(self.device.type, torch.bfloat16):
            latents = self.training.autoencoder.encode(self.training.renderer.render(shown, 1).to(self.device))
        alone = F.pad(latents, (0, 0, 0, 0, 0, clips.shape[2] - latents.shape[2]))
        return torch.cat([alone.half(), clips], 1)
