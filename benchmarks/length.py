"""What becomes of a clip over a minute, in windows of five seconds.

    python benchmarks/length.py [--clips 8] [--seconds 60] [--turbo]

Reads each window with the oracle (noun, setting, count), and measures mean and deviation of its colours, sharpness
(mean gradient) and the step from frame to frame. The last window should be like the first: the figures are means over
clips, the last column is the last window by the first. Motion is not asked: most events are over in a few seconds.
Below the table: the step at the borders of blocks, and of latent frames, by the mean step elsewhere.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from himmel.backends.footage import GROUP
from himmel.backends.native import NativeBackend
from himmel.spec import VideoRequest
from himmel.training.oracle import Oracle, answers, load_oracle
from himmel.training.questions import truth
from himmel.world.caption import caption
from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import VOCABULARIES

WINDOW = 5  # seconds
STAYING = ("stand", "jump", "rock", "spin")  # what can go on for a minute without leaving the picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="papercut")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--turbo", action="store_true", help="the few-step student")
    asked = parser.parse_args()
    backend, oracle = NativeBackend(asked.model), load_oracle()
    laptop = VOCABULARIES["laptop"]
    motions = tuple(motion for motion in laptop.motions if motion in STAYING)
    calm = replace(laptop, motions=motions, p_several=0, p_two_steps=0, p_camera=0, p_weather=0)
    windows: list[list[dict[str, float]]] = []
    seams: list[list[float]] = []
    for number in track(range(asked.clips), "clips"):
        scene = sample_scene(calm, 4 * 10**9 + number)
        said = caption(scene, random.Random(number), "en")
        native = backend.info.native_size
        wish = VideoRequest(said, seconds=asked.seconds, seed=number, size=native, turbo=asked.turbo)
        frames = np.concatenate([part for part in backend.generate(wish) if isinstance(part, np.ndarray)])
        seams.append([border_step(frames, every) for every in (GROUP * backend.model.config.transformer.block, GROUP)])
        step = WINDOW * backend.info.native_fps
        windows.append([measured(oracle, scene, frames[i : i + step]) for i in range(0, len(frames) - step + 1, step)])
    blocks, groups = np.mean(seams, 0)
    show(windows, f"{asked.model}, {'Turbo' if asked.turbo else 'full'}, {asked.clips} clips of {asked.seconds:g} s")
    print(f"step at the borders of blocks {blocks:.2f}, of latent frames {groups:.2f} times the others")


def border_step(frames: np.ndarray, every: int) -> float:
    """The mean step onto frames 1 + k · every, by the mean step onto the others; the first one is not counted."""
    steps = np.abs(np.diff(frames.astype(float), axis=0)).mean((1, 2, 3))
    border = np.arange(len(steps)) % every == 0
    steps, border = steps[1:], border[1:]
    return float(steps[border].mean() / steps[~border].mean())


def measured(oracle: Oracle, scene: Scene, frames: np.ndarray) -> dict[str, float]:
    """One window's figures; ``frames`` uint8 (T, H, W, 3)."""
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() / 255
    with torch.inference_mode():
        found = answers(oracle, oracle(pixels), scene)
    true = truth(scene)
    steps = np.abs(np.diff(frames.astype(float), axis=0)).mean((1, 2, 3))
    grey = frames.astype(float).mean(-1)
    said = {name: 100.0 * (found[name] == true[name]) for name in ("noun", "setting", "count") if name in true}
    return said | {
        "mean": float(frames.mean()),
        "deviation": float(frames.std((1, 2)).mean()),
        "sharpness": float(np.abs(np.diff(grey, axis=1)).mean() + np.abs(np.diff(grey, axis=2)).mean()),
        "step": float(steps.mean()),
    }


def show(windows: list[list[dict[str, float]]], title: str) -> None:
    table = Table("figure", *(f"{WINDOW * n}–{WINDOW * (n + 1)} s" for n in range(len(windows[0]))), "last by first")
    table.title = title
    for name in windows[0][0]:
        means = [np.mean([clip[n].get(name, np.nan) for clip in windows]) for n in range(len(windows[0]))]
        last = f"{means[-1] / means[0]:.3f}" if means[0] else "–"
        table.add_row(name, *(f"{mean:.1f}" for mean in means), last)
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
