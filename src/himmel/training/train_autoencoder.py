"""Training the autoencoder: render, encode, disturb, decode, compare.

Owns: this one recipe. The loop, the optimisers and the checkpoints are ``loop``'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from himmel.engine.autoencoder import Autoencoder, AutoencoderConfig, on_sphere, reconstruction_loss
from himmel.training.data import Pool, portion_for
from himmel.training.loop import Recipe, Run
from himmel.training.utilisation import counted, part
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import Vocabulary

LATENT_NOISE = 0.15  # largest deviation of the noise under which latents are decoded
VALIDATION_SEED = 10**9
MUON_RATE = 0.012


@dataclass(frozen=True)
class AutoencoderTraining:
    """What the autoencoder is shown: ``clips`` of ``frames`` (1 + 4k) a step, cut anywhere from a scene.

    With ``latents_stay`` decoding alone goes on learning, so that a transformer that was trained on the
    latents stays valid.
    """

    vocabulary: Vocabulary
    renderer: Renderer
    clips: int = 8
    frames: int = 9
    scene_frames: int = 49
    pool: int = 256
    reuse: float = 2.0
    latents_stay: bool = False


def train_autoencoder(
    config: AutoencoderConfig, training: AutoencoderTraining, recipe: Recipe, device: torch.device
) -> Run:
    """Train, or go on training, for the recipe's minutes; the run's folder holds the state."""
    torch.manual_seed(0)
    run = Run(Autoencoder(config).to(device), recipe)
    assert isinstance(run.model, Autoencoder)
    if training.latents_stay:
        run.restart_from_average()
        run.model.encoder.requires_grad_(False)
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
        change = as_it_is if training.latents_stay else chance.choices(CHANGES, CHANGE_ODDS)[0]
        counted((pixels.shape[1:], change), len(pixels), lambda: _loss(run.model, pixels[:1], change))
        return _loss(run.model, pixels, change)

    def measure() -> dict[str, float]:
        with run.evaluated():
            return {"psnr": psnr(_through(run.model, held.to(device), 0.0), held.to(device))}

    with closing(pool):
        run.train(loss_of, measure)
    return run


def _loss(model: torch.nn.Module, pixels: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    # Half precision is two to three times as fast, on graphics cards and on the CPUs that know bfloat16.
    with torch.autocast(pixels.device.type, torch.bfloat16):
        decoded = _through(model, pixels, LATENT_NOISE, change)
    return reconstruction_loss(decoded.float(), change(pixels))


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


def _through(
    model: torch.nn.Module, pixels: Tensor, noise: float, change: Callable[[Tensor], Tensor] = as_it_is
) -> Tensor:
    assert isinstance(model, Autoencoder)
    compiled = torch.is_grad_enabled() and pixels.device.type == "cuda"  # pays on cards, for what is repeated
    encode, decode = (_compiled_encode, _compiled_decode) if compiled else (Autoencoder.encode, Autoencoder.decode)
    latents = on_sphere(change(encode(model, pixels)))
    deviation = noise * torch.rand(len(latents), 1, 1, 1, 1, device=latents.device)
    return decode(model, latents + deviation * torch.randn_like(latents))


_compiled_encode = torch.compile(Autoencoder.encode, dynamic=False)
_compiled_decode = torch.compile(Autoencoder.decode, dynamic=False)


def _excerpts(training: AutoencoderTraining, scenes: Sequence[Scene]) -> Tensor:
    """A random stretch of every scene, uint8 (B, T, 3, H, W); all of one call begin at the same frame."""
    start = scenes[0].seed % (training.scene_frames - training.frames + 1)
    with part("rendering"):
        return (training.renderer.render(scenes, training.frames, start) * 255).round().byte()


def _validation(training: AutoencoderTraining) -> list[Scene]:
    return [sample_scene(training.vocabulary, VALIDATION_SEED + i, keep_held_out=True) for i in range(16)]
