"""Training the interpolator: render faster than the model's frame rate, leave frames out, ask for them.

Owns: this one recipe. The loop, the optimisers and the checkpoints are ``loop``'s.
Shape legend: B clips, H × W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from himmel.engine.interpolator import Interpolator, InterpolatorConfig
from himmel.training.data import Pool, portion_for, sent
from himmel.training.loop import Recipe, Run
from himmel.training.train_autoencoder import VALIDATION_SEED, psnr
from himmel.training.train_upsampler import difference
from himmel.training.utilisation import counted, part
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary

MUON_RATE = 0.01
STEPS = 10  # moments from one frame of the model's rate to the next


@dataclass(frozen=True)
class InterpolatorTraining:
    """What the interpolator is shown: ``clips`` a step, two frames at ``fps`` and one between them.

    ``height`` × ``width`` is the picture; clips are cut anywhere from scenes of ``scene_frames`` frames.
    """

    vocabulary: Vocabulary
    atlas: Atlas
    height: int
    width: int
    fps: int
    clips: int = 24
    scene_frames: int = 49
    pool: int = 768
    reuse: float = 6.0


def train_interpolator(
    config: InterpolatorConfig, training: InterpolatorTraining, recipe: Recipe, device: torch.device
) -> Run:
    """Train, or go on training, for the recipe's minutes; the run's folder holds the state."""
    torch.manual_seed(0)
    run = Run(Interpolator(config).to(device), recipe)
    renderer = Renderer(training.atlas, training.height, training.width, training.fps * STEPS, device)

    def passages(scenes: Sequence[Scene]) -> Tensor:
        """From one frame of the model's rate to the next, ends included: uint8 (B, 11, 3, H, W)."""
        start = scenes[0].seed % (training.scene_frames - 1) * STEPS
        with part("rendering"):
            return (renderer.render(scenes, STEPS + 1, start) * 255).round().byte()

    pool = Pool(
        training.vocabulary,
        passages,
        training.pool,
        training.reuse,
        run.step * 100,
        portion_for(device, STEPS + 1, training.pool),
    )
    dice = torch.Generator().manual_seed(run.step)
    scenes = [sample_scene(training.vocabulary, VALIDATION_SEED + i, keep_held_out=True) for i in range(64)]
    held = torch.cat([passages(scenes[i : i + 8]) for i in range(0, 64, 8)])

    def asked(clips: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The frames at these steps, made and true, (B, 3, H, W)."""
        pixels = clips.to(device).float() / 255
        with torch.autocast(device.type, torch.bfloat16):
            made = run.model(pixels[:, 0], pixels[:, -1], steps / STEPS)
        return made.float(), pixels[torch.arange(len(pixels), device=device), steps]

    def loss_of(step: int) -> Tensor:
        clips = pool.batch(training.clips)[1]
        steps = sent(torch.randint(1, STEPS, (len(clips),), generator=dice), device)
        counted(clips.shape[1:], len(clips), lambda: loss(clips[:1], steps[:1]))
        return loss(clips, steps)

    def loss(clips: Tensor, steps: Tensor) -> Tensor:
        made, true = asked(clips, steps)
        return difference((made - true)[:, None])

    def measure() -> dict[str, float]:
        with run.evaluated():
            made, true = asked(held, torch.full((len(held),), STEPS // 2, device=device))
        return {"psnr": psnr(made, true)}

    with closing(pool):
        run.train(loss_of, measure)
    return run
