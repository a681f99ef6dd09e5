"""What compute bought: the held-out error of models of one family against the hours of their transformer's training.

    python benchmarks/scaling.py FOLDER... [--autoencoder FOLDER] [--pictures 256] [--clips 32] [--plot FILE.svg]

Every FOLDER is a model's, in the order of their ages; all are examined on the latents of one autoencoder, with the
same held-out scenes, captions and noise: the squared error of velocities, mean over five levels, of single pictures, of
what actors cover in them, and of clips of four seconds. A power law with a floor, error = floor + scale · hours^-slope,
is laid through each column, and read off at ten and a hundred times the hours: an extrapolation, no promise.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from himmel.engine import checkpoint
from himmel.engine.flow import flow_loss
from himmel.engine.model import Generator, load_autoencoder, load_generator
from himmel.engine.text_encoder import Tokenizer
from himmel.training.masks import Known
from himmel.training.train_transformer import ClipEncoder, Diet, TransformerTraining, padded, taken_apart
from himmel.world.archives import cache_folder
from himmel.world.caption import caption
from himmel.world.render import Renderer
from himmel.world.scene import sample_scene
from himmel.world.sprites import atlas_for
from himmel.world.vocabulary import LAPTOP

LEVELS = (0.3, 0.5, 0.7, 0.85, 0.95)
FIRST_SCENE = 2 * 10**9
AT_ONCE = 32
COLUMNS = ("pictures", "their actors", "clips")


@dataclass(frozen=True)
class Material:
    """Latents (B, F, c, h, w) of held-out scenes, how far actors cover them (B, F, h, w), and their captions."""

    latents: Tensor
    coverage: Tensor
    captions: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--autoencoder", type=Path, help="the folder whose latents are used; the last one's by default")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--plot", type=Path, help="the curves as an SVG")
    asked = parser.parse_args()
    home = asked.autoencoder or asked.folders[-1]
    pictures, clips = material(home, 1, asked.pictures), material(home, 49, asked.clips)
    table = Table("model", "hours", "million", *COLUMNS, title=f"{asked.pictures} pictures, {asked.clips} clips")
    points: list[tuple[float, ...]] = []
    for folder in track(asked.folders, "models"):
        header, _ = checkpoint.describe(folder / "transformer.safetensors", "transformer")
        generator = load_generator(folder / "transformer.safetensors").eval()
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        found = (*errors(generator, tokenizer, pictures), errors(generator, tokenizer, clips)[0])
        points.append((float(header.training["hours"]), *found))
        million = sum(p.numel() for p in generator.transformer.parameters()) / 1e6
        table.add_row(folder.name, f"{points[-1][0]:.2f}", f"{million:.1f}", *(f"{error:.3f}" for error in found))
    hours, *columns = (np.array(column) for column in zip(*points, strict=True))
    fits = [power_law(hours, column) for column in columns]
    table.add_row("floor", "", "", *(f"{floor:.3f}" for floor, _, _ in fits))
    table.add_row("slope", "", "", *(f"{slope:.2f}" for _, _, slope in fits))
    for times in (10, 100):
        further = times * hours[-1]
        read = (f"{floor + scale * further**-slope:.3f}" for floor, scale, slope in fits)
        table.add_row(f"extrapolated, {times} times", f"{further:.0f}", "", *read)
    Console(width=120).print(table)
    if asked.plot:
        asked.plot.write_text(drawn(hours, columns, fits), encoding="utf-8")


def material(model: Path, frames: int, count: int) -> Material:
    autoencoder = load_autoencoder(model / "autoencoder.safetensors").eval().requires_grad_(False)
    header, _ = checkpoint.describe(model / "transformer.safetensors", "transformer")
    shape = header.configuration
    renderer = Renderer(atlas_for(LAPTOP, cache_folder()), shape["height"], shape["width"], shape["fps"])
    # Of a training only what makes latents is needed here.
    training = TransformerTraining(LAPTOP, LAPTOP, renderer, autoencoder, None, None, ())  # type: ignore[arg-type]
    scenes = [sample_scene(LAPTOP, FIRST_SCENE + number, keep_held_out=True) for number in range(count)]
    made = ClipEncoder(training, Diet(frames, count), torch.device("cpu"))(scenes).float()
    latents, _, coverage, _ = taken_apart(made, Known())
    return Material(latents, coverage, [caption(scene, random.Random(n)) for n, scene in enumerate(scenes)])


@torch.inference_mode()
def errors(generator: Generator, tokenizer: Tokenizer, seen: Material) -> tuple[float, float]:
    """Mean squared errors, over all latents and over those that actors cover, beside a clean past."""
    noise = torch.randn(seen.latents.shape, generator=torch.Generator().manual_seed(0))
    tokens = padded(tokenizer, seen.captions)
    everywhere, actors = [], []
    for level in LEVELS:
        rows = []
        for some in torch.arange(len(tokens)).split(AT_ONCE):
            levels = torch.full(seen.latents[some].shape[:2], level)
            prompt = generator.read(tokens[some])
            latents = seen.latents[some]
            rows.append(
                flow_loss(generator.transformer, latents, noise[some], levels, torch.zeros_like(levels), prompt)
            )
        error = torch.cat(rows)
        everywhere.append(float(error.mean()))
        actors.append(float((error * seen.coverage).sum() / seen.coverage.sum()))
    return float(np.mean(everywhere)), float(np.mean(actors))


def power_law(hours: np.ndarray, error: np.ndarray) -> tuple[float, float, float]:
    """Floor, scale and slope of error = floor + scale · hours^-slope with the least squares; floor at least 0."""
    best = (np.inf, 0.0, 0.0, 0.0)
    for slope in np.linspace(0.05, 2, 196):
        for floor in np.linspace(0, float(error.min()), 200):
            curve = hours**-slope
            scale = float(curve @ (error - floor) / (curve @ curve))
            missed = float(np.square(floor + scale * curve - error).sum())
            best = min(best, (missed, floor, scale, float(slope)))
    return best[1:]


def drawn(hours: np.ndarray, columns: list[np.ndarray], fits: list[tuple[float, float, float]]) -> str:
    """The points and their curves, hours on a logarithmic axis up to ten times the last."""
    width, height, left, top = 520, 260, 50, 20
    first, last = np.log10(hours[0] * 0.8), np.log10(hours[-1] * 10)
    high = max(float(column.max()) for column in columns) * 1.05
    low = min(floor for floor, _, _ in fits) * 0.9

    def place(at: float, error: float) -> str:
        x = left + (width - left - 130) * (np.log10(at) - first) / (last - first)
        return f"{x:.1f},{top + (height - top - 40) * (high - error) / (high - low):.1f}"

    parts = []
    for name, colour, column, (floor, scale, slope) in zip(
        COLUMNS, ("#2a6f97", "#c1442e", "#5a7d2a"), columns, fits, strict=True
    ):
        known = np.geomspace(hours[0], hours[-1], 40)
        beyond = np.geomspace(hours[-1], hours[-1] * 10, 40)
        for reach, dash in ((known, ""), (beyond, ' stroke-dasharray="4 3"')):
            corners = " ".join(place(at, floor + scale * at**-slope) for at in reach)
            parts.append(f'<polyline fill="none" stroke="{colour}"{dash} points="{corners}"/>')
        for at, error in zip(hours, column, strict=True):
            x, y = place(at, error).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
        x, y = place(beyond[-1], floor + scale * beyond[-1] ** -slope).split(",")
        parts.append(f'<text x="{float(x) + 6:.1f}" y="{float(y) + 4:.1f}" fill="{colour}">{name}</text>')
    for at in (2, 5, 10, 20, 50):
        if first <= np.log10(at) <= last:
            x = place(at, low).split(",")[0]
            parts.append(f'<text x="{x}" y="{height - 20}" text-anchor="middle">{at}</text>')
    for error in np.arange(np.ceil(low * 10) / 10, high, 0.1):
        y = float(place(hours[0], error).split(",")[1])
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{error:.1f}</text>')
        parts.append(f'<path d="M{left},{y:.1f}h{width - left - 130}" stroke="#ddd"/>')
    title = f'<text x="{left}" y="{height - 4}">hours of training on two cores; dashed: extrapolated</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    style = 'font-family="sans-serif" font-size="11" fill="#333"'
    return f'{head} {style}><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}{title}</svg>\n'


if __name__ == "__main__":
    main()
