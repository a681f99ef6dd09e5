"""Training the upsampler: render large, make small, spoil as the decoder does, enlarge, compare.

Owns: this one recipe. The loop, the optimisers and the checkpoints are ``loop``'s.

What the upsampler will be given are frames out of the autoencoder, so half of what it learns from went through that
first, latent noise included; the other half is plain, so that it can enlarge anything.
Shape legend: B clips, T frames, h × w small pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from himmel.engine.autoencoder import Autoencoder, on_sphere
from himmel.engine.upsampler import FACTOR, Upsampler, UpsamplerConfig
from himmel.training.data import Pool, portion_for
from himmel.training.loop import Recipe, Run
from himmel.training.train_autoencoder import LATENT_NOISE, VALIDATION_SEED, psnr
from himmel.training.utilisation import counted, part
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary

MUON_RATE = 0.01
FRAMES = 5  # of a clip in the pool; two neighbours of them make one example
NO_PAST = 0.15  # share of examples whose first frame begins the clip, or follows a cut
AT_ONCE = 8  # scenes drawn together
LARGE = 3 * FACTOR**2  # channels of a large picture that is folded upon the small one


@dataclass(frozen=True)
class UpsamplerTraining:
    """What the upsampler is shown: ``clips`` a step, of each a square of ``crop`` small pixels in two frames.

    ``height`` × ``width`` is the small picture, at which ``autoencoder`` spoils it; ``fps`` its frame rate, of which
    half of the clips have twice, as after in-between frames.
    """

    vocabulary: Vocabulary
    atlas: Atlas
    autoencoder: Autoencoder
    height: int
    width: int
    fps: int
    clips: int = 8
    crop: int = 48
    scene_frames: int = 49
    pool: int = 128
    reuse: float = 8.0


def train_upsampler(config: UpsamplerConfig, training: UpsamplerTraining, recipe: Recipe, device: torch.device) -> Run:
    """Train, or go on training, for the recipe's minutes; the run's folder holds the state."""
    torch.manual_seed(0)
    run = Run(Upsampler(config).to(device), recipe)
    maker = _Maker(training, device)
    pool = Pool(
        training.vocabulary,
        maker.examples,
        training.pool,
        training.reuse,
        run.step * 100,
        portion_for(device, FACTOR**2 * FRAMES, training.pool),
    )
    dice = torch.Generator().manual_seed(run.step)
    held = maker.examples(_validation(training))

    def loss_of(step: int) -> Tensor:
        examples = _cropped(pool.batch(training.clips)[1], training.crop, dice).to(device)
        small, large = _parted(examples, spoiled=step % 2 == 0)
        before = _past(small, dice)
        counted(small.shape[1:], len(small), lambda: _loss(run.model, small[:1], before[:1], large[:1]))
        return _loss(run.model, small, before, large)

    def measure() -> dict[str, float]:
        figures = {}
        with run.evaluated():
            for name, spoiled in (("psnr", False), ("psnr_spoiled", True)):
                small, large = _parted(held.to(device), spoiled)
                made = run.model(small[:, 1:].flatten(0, 1), small[:, :-1].flatten(0, 1))
                figures[name] = psnr(made, large[:, 1:].flatten(0, 1))
        return figures

    with closing(pool):
        run.train(loss_of, measure)
    return run


def _loss(model: nn.Module, small: Tensor, before: Tensor, large: Tensor) -> Tensor:
    # Half precision is two to three times as fast, on graphics cards and on the CPUs that know bfloat16.
    with torch.autocast(small.device.type, torch.bfloat16):
        made = model(small[:, 1:].flatten(0, 1), before.flatten(0, 1))
    return enlarging_loss(made.float().unflatten(0, (len(small), -1)), large[:, 1:])


def enlarging_loss(made: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error of pixels and of their differences across, down and from frame to frame, at 4× and at 2×.

    The differences keep edges sharp and still things still. Both (B, T, 3, H, W).
    """
    error = made - true
    halved = F.avg_pool2d(error.flatten(0, 1), 2).unflatten(0, error.shape[:2])
    return difference(error) + difference(halved)


def difference(error: Tensor) -> Tensor:
    """Mean absolute value of (B, T, 3, H, W) and of its steps across, down and, of more than one frame, in time."""
    axes = (-1, -2, 1) if error.shape[1] > 1 else (-1, -2)
    return torch.stack([error.abs().mean(), *(error.diff(dim=axis).abs().mean() for axis in axes)]).sum()


class _Maker:
    """Scenes to examples: uint8 (B, T, 48 + 3 + 3, h, w), the large picture, the small one, the small one spoiled.

    The large picture lies folded upon the small ones (a pixel unshuffle), so that one cut crops all three.
    """

    def __init__(self, training: UpsamplerTraining, device: torch.device) -> None:
        self.training, self.device = training, device
        self.renderers = {
            (size, rate): Renderer(
                training.atlas, size * training.height, size * training.width, rate * training.fps, device
            )
            for size in (1, FACTOR)
            for rate in (1, 2)
        }

    def examples(self, scenes: Sequence[Scene]) -> Tensor:
        with part("rendering"):
            return torch.cat([self._some(scenes[i : i + AT_ONCE]) for i in range(0, len(scenes), AT_ONCE)])

    @torch.inference_mode()
    def _some(self, scenes: Sequence[Scene]) -> Tensor:
        rate = 1 + scenes[0].seed // AT_ONCE % 2
        start = scenes[0].seed % (self.training.scene_frames - FRAMES + 1) * rate
        large = self.renderers[FACTOR, rate].render(scenes, FRAMES, start)
        small = F.avg_pool2d(large.flatten(0, 1), FACTOR).unflatten(0, large.shape[:2])
        # What generation learned from was drawn at the small size, which gives slightly other edges.
        drawn = self.renderers[1, rate].render(scenes, FRAMES, start)
        every_other = (torch.arange(len(scenes), device=self.device) % 2 == 0)[:, None, None, None, None]
        spoiled = self._through(torch.where(every_other, small, drawn))
        folded = F.pixel_unshuffle(large, FACTOR)
        return (torch.cat([folded, small, spoiled], 2) * 255).round().byte()

    def _through(self, small: Tensor) -> Tensor:
        latents = self.training.autoencoder.encode(small)
        deviation = LATENT_NOISE * torch.rand(len(latents), 1, 1, 1, 1, device=latents.device)
        latents = on_sphere(latents + deviation * torch.randn_like(latents))
        return self.training.autoencoder.decode(latents).clamp(0, 1)


def _cropped(examples: Tensor, side: int, dice: torch.Generator) -> Tensor:
    """Three frames in a row and a square of them, the same for all clips of the batch."""
    start = _anywhere(examples.shape[1], 3, dice)
    rows, columns = (_anywhere(length, side, dice) for length in examples.shape[-2:])
    return examples[:, start, :, rows, columns]


def _anywhere(length: int, wanted: int, dice: torch.Generator) -> slice:
    start = int(torch.randint(max(0, length - wanted) + 1, (), generator=dice))
    return slice(start, start + wanted)


def _parted(examples: Tensor, spoiled: bool) -> tuple[Tensor, Tensor]:
    """Small (B, T, 3, h, w) and large (B, T, 3, 4h, 4w) in 0 … 1."""
    pixels = examples.float() / 255
    small = pixels[:, :, LARGE + 3 :] if spoiled else pixels[:, :, LARGE : LARGE + 3]
    return small, F.pixel_shuffle(pixels[:, :, :LARGE], FACTOR)


def _past(small: Tensor, dice: torch.Generator) -> Tensor:
    """The frame before each but the first; some clips begin with the second, and some were cut before it."""
    before = small[:, :-1].clone()
    chance = torch.rand(len(small), generator=dice)
    begins, cut = chance < NO_PAST / 2, (chance >= NO_PAST / 2) & (chance < NO_PAST)
    before[begins, 0] = small[begins, 1]
    before[cut, 0] = small.roll(1, 0)[cut, 0]
    return before


def _validation(training: UpsamplerTraining) -> list[Scene]:
    return [sample_scene(training.vocabulary, VALIDATION_SEED + i, keep_held_out=True) for i in range(8)]
