"""What the autoencoder keeps of a picture: held-out renders, and any footage that is named.

    python benchmarks/autoencoder.py [FILE…] [--model papercut] [--clips 64]

Clips of 49 frames at the model's native size and rate, encoded and decoded. PSNR and SSIM (Wang et al. 2004, windows of
7 pixels) are means over frames, "first" of the frames that have a latent of their own; "edges" is the mean error of the
differences between neighbouring pixels, in levels of 255. "Steps" say how evenly motion is drawn: the size of each of
the four steps of a latent frame by the true one. Footage is cut to the picture's proportions in the middle, scaled, and
taken in full. Prints a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table
from torch import Tensor

from himmel.backends.native import folder_of
from himmel.engine.model import VideoModel
from himmel.engine.shapes import TEMPORAL
from himmel.media.video_io import timed_frames
from himmel.training.oracle import answers, load_oracle
from himmel.training.questions import truth
from himmel.world.archives import cache_folder
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.sprites import atlas_for
from himmel.world.vocabulary import LAPTOP

FRAMES, AT_ONCE, WINDOW = 49, 8, 7
QUESTIONS = ("noun", "setting", "motion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="footage to try beside the renders")
    parser.add_argument("--model", default="papercut")
    parser.add_argument("--clips", type=int, default=64)
    asked = parser.parse_args()
    model = VideoModel.load(folder_of(asked.model), torch.device("cpu"))
    single = replace(LAPTOP, p_several=0, p_counted=0, p_two_steps=0)
    scenes = [sample_scene(single, 4 * 10**9 + n, keep_held_out=True) for n in range(asked.clips)]
    size = model.config.height, model.config.width
    renderer = Renderer(atlas_for(LAPTOP, cache_folder()), *size, model.config.fps)
    table = Table("what", "clips", "PSNR", "first", "SSIM", "edges", "steps 1 · 2 · 3 · 4", "noun · setting · motion")
    real = torch.cat([renderer.render([scene], FRAMES) for scene in scenes])
    made = through(model, real)
    read = " · ".join(f"{of_real:.0%} → {of_made:.0%}" for of_real, of_made in oracle_reads(scenes, real, made))
    table.add_row("held-out renders", str(len(real)), *figures(real, made), read)
    for file in asked.files:
        footage = torch.stack(list(clips_of(file, size, model.config.fps)))
        table.add_row(file.name, str(len(footage)), *figures(footage, through(model, footage)), "")
    Console().print(table)


@torch.inference_mode()
def through(model: VideoModel, clips: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) encoded and decoded."""
    autoencoder = model.autoencoder
    return torch.cat([autoencoder.decode(autoencoder.encode(part)).clamp(0, 1) for part in clips.split(AT_ONCE)])


def figures(real: Tensor, made: Tensor) -> list[str]:
    """PSNR, that of first frames, SSIM, error of edges, evenness of steps."""
    decibels = -10 * (real - made).square().mean((2, 3, 4)).clamp(min=1e-10).log10()
    error = 255 * (real - made)
    edges = (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()) / 2
    sizes = (clips.diff(dim=1).abs().mean((0, 2, 3, 4)).unflatten(0, (-1, TEMPORAL)).mean(0) for clips in (made, real))
    drawn, true = sizes
    steps = " · ".join(f"{ratio:.2f}" for ratio in drawn / true)
    firsts = decibels[:, 0].mean()
    return [f"{decibels.mean():.2f} dB", f"{firsts:.2f} dB", f"{ssim(real, made):.3f}", f"{edges:.2f}", steps]


def ssim(real: Tensor, made: Tensor) -> float:
    """Structural similarity of clips (B, T, 3, H, W) in 0 … 1, a mean over windows, colours and frames."""
    a, b = real.flatten(0, 1), made.flatten(0, 1)

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, WINDOW, 1)

    mean_a, mean_b = mean(a), mean(b)
    spread_a, spread_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    shared = mean(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return float((light * (2 * shared + 0.03**2) / (spread_a + spread_b + 0.03**2)).mean())


def oracle_reads(scenes: list[Scene], real: Tensor, made: Tensor) -> Iterator[tuple[float, float]]:
    """For every question how often the oracle is right on real clips and on reconstructions."""
    oracle = load_oracle()
    true = [truth(scene) for scene in scenes]
    with torch.inference_mode():
        read = [
            [answers(oracle, oracle(clip[None]), scene) for clip, scene in zip(clips, scenes, strict=True)]
            for clips in (real, made)
        ]
    for question in QUESTIONS:
        right = ([a[question] == t[question] for a, t in zip(given, true, strict=True)] for given in read)
        of_real, of_made = (sum(hits) / len(hits) for hits in right)
        yield of_real, of_made


def clips_of(file: Path, size: tuple[int, int], fps: float) -> Iterator[Tensor]:
    """A film's clips (T, 3, H, W) in 0 … 1, one after the other; what is left at the end is left out."""
    height, width = size
    kept: list[Tensor] = []
    due = 0.0
    for time, frame in timed_frames(file):
        while time >= due - 1e-6:
            picture = ImageOps.fit(Image.fromarray(frame()), (width, height), Image.Resampling.LANCZOS)
            kept.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255)
            due += 1 / fps
        if len(kept) >= FRAMES:
            yield torch.stack(kept[:FRAMES])
            kept = kept[FRAMES:]


if __name__ == "__main__":
    main()
