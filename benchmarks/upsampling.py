"""Larger pictures and more frames a second: how near they come to what the world looks like at that size and rate.

    python benchmarks/upsampling.py [--model papercut] [--clips 32] [--read 0]

Held-out scenes are drawn large and often, made small and few, and brought back. Compared are frames repeated and
nearest pixels, Lanczos and linear mixture, and the model's own upsampler and interpolator; from clean pictures, and
from what the model's autoencoder makes of them. Timings and memory belong to the machine that ran it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from himmel.backends.finishing import Finishing
from himmel.backends.native import folder_of
from himmel.engine.autoencoder import Autoencoder
from himmel.engine.interpolator import Interpolator, load_interpolator
from himmel.engine.model import load_autoencoder
from himmel.engine.upsampler import FACTOR, Upsampler, load_upsampler
from himmel.media.scaling import crop_to
from himmel.spec import Size
from himmel.training.oracle import answers, load_oracle
from himmel.training.suites import Plan, tasks
from himmel.world.archives import cache_folder
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.sprites import Atlas, atlas_for
from himmel.world.vocabulary import LAPTOP

SIDE, FPS, FRAMES = 64, 12, 17
FIRST_SEED = 2 * 10**9  # no training looks here
STILL = 0.5 / 255  # what moves less between two true frames stands still
MOVES = 8 / 255
RATES = (24, 30)
FULL_HD = Size(1920, 1080)

Frames = np.ndarray  # uint8 (n, H, W, 3)


@dataclass(frozen=True)
class Parts:
    """What is examined, and what it is examined with."""

    autoencoder: Autoencoder
    upsampler: Upsampler
    interpolator: Interpolator | None
    atlas: Atlas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="papercut")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--read", type=int, default=0, help="clips of four seconds that the oracle reads")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    parts = load(asked.model)
    if asked.memory_of:
        print(memory_of(parts.upsampler, Size.parse(asked.memory_of)))
        return
    console = Console(width=120)
    scenes = [sample_scene(LAPTOP, FIRST_SEED + i, keep_held_out=True) for i in range(asked.clips)]
    console.print(sizes(parts, scenes))
    console.print(rates(parts, scenes))
    if asked.read:
        console.print(readings(parts, asked.read))
    console.print(costs(asked.model, parts))


def load(model: str) -> Parts:
    folder = folder_of(model)
    between = folder / "interpolator.safetensors"
    return Parts(
        load_autoencoder(folder / "autoencoder.safetensors").eval().requires_grad_(False),
        load_upsampler(folder / "upsampler.safetensors"),
        load_interpolator(between) if between.exists() else None,
        atlas_for(LAPTOP, cache_folder()),
    )


def ways(upsampler: Upsampler) -> dict[str, Callable[[Frames, Size], Frames]]:
    def ours(frames: Frames, size: Size) -> Frames:
        return np.stack(list(Finishing(upsampler).sized(frames, size)))

    return {"nearest": nearest, "Lanczos": lanczos, "ours": ours}


def lanczos(frames: Frames, size: Size) -> Frames:
    return np.stack([crop_to(frame, size) for frame in frames])


def nearest(frames: Frames, size: Size) -> Frames:
    target = (size.width, size.height)
    return np.stack([np.asarray(Image.fromarray(f).resize(target, Image.Resampling.NEAREST)) for f in frames])


def sizes(parts: Parts, scenes: Sequence[Scene]) -> Table:
    """PSNR against the truth, over all pixels and near the actors, and flicker where the truth stands still."""
    found: dict[tuple[str, str, int], list[tuple[float, float, float]]] = {}
    renderer = Renderer(parts.atlas, FACTOR * SIDE, FACTOR * SIDE, FPS)
    for scene in scenes:
        drawn = renderer.render_with_coverage([scene], FRAMES)[0]
        for origin, small in origins(parts.autoencoder, F.avg_pool2d(drawn[:, :3], FACTOR)).items():
            for factor in (2, 4):
                true = F.avg_pool2d(drawn, FACTOR // factor)
                for name, way in ways(parts.upsampler).items():
                    made = to_pixels(way(small, Size(factor * SIDE, factor * SIDE)))
                    found.setdefault((origin, name, factor), []).append(size_figures(made, true, factor))
    table = Table("from", "way", "size", "PSNR (dB)", "around actors (dB)", "flicker of still places (levels of 255)")
    for (origin, name, factor), figures in sorted(found.items(), key=lambda item: (item[0][0], item[0][2])):
        everywhere, actors, flicker = (f"{np.nanmean(column):.2f}" for column in zip(*figures, strict=True))
        table.add_row(origin, name, f"{factor}×", everywhere, actors, flicker)
    table.title = f"{len(scenes)} held-out scenes of {FRAMES} frames, {SIDE}×{SIDE} enlarged"
    return table


def origins(autoencoder: Autoencoder, clip: Tensor) -> dict[str, Frames]:
    """A clip (T, 3, h, w) as it is, and as the autoencoder gives it back; both as frames are handed on."""
    with torch.inference_mode():
        decoded = autoencoder.decode(autoencoder.encode(clip[None]))[0]
    return {"clean": to_frames(clip), "decoded": to_frames(decoded)}


def size_figures(made: Tensor, true: Tensor, factor: int) -> tuple[float, float, float]:
    """PSNR, PSNR within three small pixels of an actor or inside, mean change where nothing near changes."""
    error = (made - true[:, :3]).square()
    near = spread(true[:, 3:], 3 * factor) > 0.5
    moved = true[:, :3].diff(dim=0).abs().amax(1, keepdim=True)
    still = spread(moved, 4 * factor)[:, 0] < STILL
    change = made.diff(dim=0).abs().mean(1)
    return decibels(error.mean()), decibels(masked(error, near)), 255 * float(change[still].mean())


def spread(field: Tensor, far: int) -> Tensor:
    """The largest value within so many pixels across and down."""
    across = F.max_pool2d(field, (1, 2 * far + 1), 1, (0, far))
    return F.max_pool2d(across, (2 * far + 1, 1), 1, (far, 0))


def rates(parts: Parts, scenes: Sequence[Scene]) -> Table:
    """PSNR of the frames that were made, not of those that were given, over all pixels and where something moves."""
    found: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
    ways = between(parts)
    native = Renderer(parts.atlas, SIDE, SIDE, FPS)
    for scene in scenes:
        for origin, given in origins(parts.autoencoder, native.render([scene], FRAMES)[0]).items():
            for fps in RATES:
                count = (FRAMES - 1) * fps // FPS
                true = Renderer(parts.atlas, SIDE, SIDE, fps).render([scene], count)[0]
                moments = [index * FPS / fps for index in range(count)]
                repeated = np.stack([given[int(moment)] for moment in moments])
                made = {"repeated": repeated} | {
                    name: np.stack(list(way.timed(zip(range(FRAMES), given, strict=True), moments)))
                    for name, way in ways.items()
                }
                for name, frames in made.items():
                    figures = rate_figures(to_pixels(frames), true, fps)
                    found.setdefault((origin, fps, name), []).append(figures)
    table = Table("from", "rate", "way", "PSNR (dB)", "where it moves (dB)")
    for (origin, fps, name), figures in found.items():
        everywhere, moving = (f"{np.nanmean(column):.2f}" for column in zip(*figures, strict=True))
        table.add_row(origin, f"{FPS} → {fps}", name, everywhere, moving)
    table.title = f"{len(scenes)} held-out scenes, {FRAMES} frames, frames put in between"
    return table


def between(parts: Parts) -> dict[str, Finishing]:
    """Ways to frames in between."""
    return {"mixed": Finishing()} | ({"ours": Finishing(None, parts.interpolator)} if parts.interpolator else {})


def rate_figures(made: Tensor, true: Tensor, fps: int) -> tuple[float, float]:
    new = [i for i in range(1, len(true) - fps // FPS) if i * FPS % fps]
    error = (made - true)[new].square()
    steps = torch.stack([true[i - 1 : i + 2].diff(dim=0).abs().amax((0, 1)) for i in new])
    return decibels(error.mean()), decibels(masked(error, (steps > MOVES)[:, None]))


def readings(parts: Parts, count: int) -> Table:
    """What the oracle reads in decoded clips: as they are, enlarged, and in frames in between alone."""
    oracle = load_oracle()
    native = Renderer(parts.atlas, SIDE, SIDE, FPS)
    examined = [task for task in tasks(LAPTOP, Plan(clips=count)) if task.suite == "single"]
    hits: dict[str, dict[str, int]] = {}
    for task in examined:
        small = origins(parts.autoencoder, native.render([task.scene], 49)[0])["decoded"]
        seen = {"small": small}
        seen |= {name: way(small, Size(4 * SIDE, 4 * SIDE)) for name, way in ways(parts.upsampler).items()}
        moments = [index + 0.5 for index in range(len(small) - 1)]
        seen["in between, repeated"] = small[:-1]
        for name, way in between(parts).items():
            timed = way.timed(zip(range(len(small)), small, strict=True), moments)
            seen[f"in between, {name}"] = np.stack(list(timed))
        true = {
            "noun": task.scene.actors[0].noun,
            "setting": task.scene.setting,
            "motion": task.scene.actors[0].motions[0],
        }
        for name, frames in seen.items():
            with torch.inference_mode():
                said = answers(oracle, oracle(to_pixels(frames)[None]), task.scene)
            for question, answer in true.items():
                hits.setdefault(name, dict.fromkeys(true, 0))[question] += said[question] == answer
    table = Table("read from", "noun", "setting", "motion", title=f"the oracle, {count} decoded clips")
    for name, right in hits.items():
        table.add_row(name, *(f"{100 * n / count:.0f} %" for n in right.values()))
    return table


def costs(model: str, parts: Parts) -> Table:
    table = Table("what", "frames a second", "peak memory (MiB)", title=f"{torch.get_num_threads()} threads")
    for size in (Size(4 * SIDE, 4 * SIDE), FULL_HD):
        table.add_row(f"{SIDE}×{SIDE} to {size}", f"{speed(parts.upsampler, SIDE, SIDE, size):.1f}", peak(model, size))
    table.add_row(f"480×270 to {FULL_HD}, in tiles", f"{speed(parts.upsampler, 270, 480, FULL_HD, 4):.1f}", "")
    if parts.interpolator:
        frame = noise(1, SIDE, SIDE)[0]
        started = time.perf_counter()
        for _ in range(24):
            parts.interpolator.between(frame, frame, 0.5)
        table.add_row(f"{SIDE}×{SIDE}, frames between", f"{24 / (time.perf_counter() - started):.0f}", "")
    return table


def speed(upsampler: Upsampler, height: int, width: int, size: Size, count: int = 24) -> float:
    finishing = Finishing(upsampler)
    list(finishing.sized(noise(2, height, width), size))
    started = time.perf_counter()
    for _ in finishing.sized(noise(count, height, width), size):
        pass
    return count / (time.perf_counter() - started)


def peak(model: str, size: Size) -> str:
    """Peak memory of a process that enlarges, and how much of it is there before it begins."""
    command = [sys.executable, str(Path(__file__).resolve()), "--model", model, "--memory-of", str(size)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def memory_of(upsampler: Upsampler, size: Size) -> str:
    import resource

    def mebibytes() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)

    before = mebibytes()
    for _ in Finishing(upsampler).sized(frames(24), size):
        pass
    after = mebibytes()
    for _ in Finishing(upsampler).sized(frames(72), size):
        pass
    return f"{after:.0f} for 2 s, {mebibytes():.0f} for 6 s, {before:.0f} before"


def frames(count: int) -> Iterator[np.ndarray]:
    for _ in range(count):
        yield noise(1, SIDE, SIDE)[0]


def noise(count: int, height: int, width: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def to_frames(pixels: Tensor) -> Frames:
    return np.asarray((pixels.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())


def to_pixels(frames: Frames) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def masked(error: Tensor, where: Tensor) -> Tensor:
    return (error * where).sum() / (3 * where.sum())


def decibels(error: Tensor) -> float:
    return float(-10 * error.clamp(min=1e-10).log10())


if __name__ == "__main__":
    main()
