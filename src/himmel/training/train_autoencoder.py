"""Training the autoencoder: render, encode, disturb, decode, compare.

Owns: this one recipe. The loop, the optimisers and the checkpoints are ``loop``'s.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from himmel.engine.autoencoder import Autoencoder, AutoencoderConfig, Encoder, on_sphere, reconstruction_loss
from himmel.training.data import Pool, portion_for
from himmel.training.loop import Recipe, Run
from himmel.training.utilisation import counted, part
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import Vocabulary

HELD = 0.02  # weight of the squared distance of latents that are to stay near
LATENT_NOISE = 0.15  # largest deviation of the noise under which latents are decoded
VALIDATION_SEED = 10**9
MUON_RATE, SETTLED_RATE = 0.012, 0.006  # the second where latents stay, or nearly
Latents = Literal["free", "near", "stay"]


@dataclass(frozen=True)
class AutoencoderTraining:
    """What the autoencoder is shown: ``clips`` of ``frames`` (1 + 4k) a step, cut anywhere from a scene.

    What a transformer was trained on stays valid where ``latents`` "stay", and decoding alone goes on learning; and
    nearly so where they stay "near": then joining four frames to one learns as well, held to what it was by its squared
    distance, while the latent of a first frame stays.
    """

    vocabulary: Vocabulary
    renderer: Renderer
    clips: int = 8
    frames: int = 9
    scene_frames: int = 49
    pool: int = 256
    reuse: float = 2.0
    latents: Latents = "free"


def train_autoencoder(
    config: AutoencoderConfig, training: AutoencoderTraining, recipe: Recipe, device: torch.device
) -> Run:
    """Train, or go on training, for the recipe's minutes; the run's folder holds the state."""
    torch.manual_seed(0)
    run = Run(Autoencoder(config).to(device), recipe)
    assert isinstance(run.model, Autoencoder)
    model = run.model
    held_to: Encoder | None = None
    if training.latents != "free":
        run.restart_from_average()
        model.encoder.requires_grad_(False)
    if training.latents == "near":
        held_to = copy.deepcopy(model.encoder)
        model.encoder.join.requires_grad_(True)
    excerpts = partial(_excerpts, training)
    pool = Pool(
        training.vocabulary,
        excerpts,
        training.pool,
        training.reuse,
        run.step * 100,
        portion_for(device, training.frames, training.pool),
    )
    chance = random.Random(run.step)
    held = training.renderer.render(_validation(training), training.scene_frames)[:, : 4 * training.frames - 3]

    def loss_of(step: int) -> Tensor:
        pixels = pool.batch(training.clips)[1].to(device).float() / 255
        change = chance.choices(CHANGES, CHANGE_ODDS)[0] if training.latents == "free" else as_it_is
        counted((pixels.shape[1:], change), len(pixels), lambda: _loss(model, pixels[:1], change, held_to))
        return _loss(model, pixels, change, held_to)

    def measure() -> dict[str, float]:
        with run.evaluated():
            return _measured(model, held.to(device), held_to)

    with closing(pool):
        run.train(loss_of, measure)
    return run


def _loss(model: Autoencoder, pixels: Tensor, change: Callable[[Tensor], Tensor], held_to: Encoder | None) -> Tensor:
    # Half precision is two to three times as fast, on graphics cards and on the CPUs that know bfloat16.
    with torch.autocast(pixels.device.type, torch.bfloat16):
        latents = _encoded(model, pixels)
        decoded = _decoded(model, on_sphere(change(latents)))
        before = None if held_to is None else held_to(pixels)
    loss = reconstruction_loss(decoded.float(), change(pixels))
    return loss if before is None else loss + HELD * F.mse_loss(latents.float(), before.float())


def _measured(model: Autoencoder, clips: Tensor, held_to: Encoder | None) -> dict[str, float]:
    latents = model.encode(clips)
    figures = {"psnr": psnr(model.decode(latents), clips)}
    if held_to is not None:
        figures["moved"] = float(F.mse_loss(latents, held_to(clips)))
    return figures


def psnr(pixels: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in 0 … 1, over all of them together."""
    return float(-10 * (pixels.clamp(0, 1) - target).square().mean().log10())


def as_it_is(x: Tensor) -> Tensor:
    """No change."""
    return x


def mirrored(x: Tensor) -> Tensor:
    """(..., H, W) with left and right exchanged."""
    return x.flip(-1)


def at_half_size(x: Tensor) -> Tensor:
    """(B, T, C, H, W) to half the height and width."""
    return F.avg_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])


# What is done to the latents must do the same to the picture (EQ-VAE, Kouzelis et al. 2025): latents that turn
# and scale with what they show are much easier to model. Half of the steps only decode.
CHANGES = (as_it_is, mirrored, at_half_size)
CHANGE_ODDS = (0.5, 0.25, 0.25)


def _encoded(model: Autoencoder, pixels: Tensor) -> Tensor:
    return (_compiled_encode if _pays(pixels) else Autoencoder.encode)(model, pixels)


def _decoded(model: Autoencoder, latents: Tensor) -> Tensor:
    deviation = LATENT_NOISE * torch.rand(len(latents), 1, 1, 1, 1, device=latents.device)
    disturbed = latents + deviation * torch.randn_like(latents)
    return (_compiled_decode if _pays(latents) else Autoencoder.decode)(model, disturbed)


def _pays(x: Tensor) -> bool:
    """Whether to compile: on cards, for what is repeated."""
    return torch.is_grad_enabled() and x.device.type == "cuda"


_compiled_encode = torch.compile(Autoencoder.encode, dynamic=False)
_compiled_decode = torch.compile(Autoencoder.decode, dynamic=False)


def _excerpts(training: AutoencoderTraining, scenes: Sequence[Scene]) -> Tensor:
    """A random stretch of every scene, uint8 (B, T, 3, H, W); all of one call begin at the same frame."""
    start = scenes[0].seed % (training.scene_frames - training.frames + 1)
    with part("rendering"):
        return (training.renderer.render(scenes, training.frames, start) * 255).round().byte()


def _validation(training: AutoencoderTraining) -> list[Scene]:
    return [sample_scene(training.vocabulary, VALIDATION_SEED + i, keep_held_out=True) for i in range(16)]
