"""Turbo against the full model on the same prompts.

    python benchmarks/turbo.py [--clips 96] [--steps 1,2,4,8] [--seeds 4]

Reads clips of held-out scenes with the oracle. "Motion" is how much moves, by the full model: the mean size of the
optical flow in a grid of cells over all clips. "Diversity" is the mean distance between clips of one
prompt with several seeds in the oracle's eyes, by the full model's. Prints a table with 95 % intervals.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from himmel.backends.native import NativeBackend
from himmel.spec import VideoRequest
from himmel.training.metrics import Proportion
from himmel.training.optical_flow import optical_flow
from himmel.training.oracle import answers, load_oracle
from himmel.training.questions import truth
from himmel.world.caption import caption
from himmel.world.scene import sample_scene
from himmel.world.vocabulary import VOCABULARIES

FULL = "full"
QUESTIONS = ("noun", "setting", "motion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="papercut")
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--steps", default="1,2,4,8")
    parser.add_argument("--seeds", type=int, default=4, help="clips of each eighth prompt, for diversity")
    asked = parser.parse_args()
    backend, oracle = NativeBackend(asked.model), load_oracle()
    ways = [FULL, *(int(steps) for steps in asked.steps.split(","))]
    plain = replace(VOCABULARIES["laptop"], p_several=0, p_counted=0, p_two_steps=0, p_camera=0)
    hits, moved, spent = (defaultdict[object, list[float]](list) for _ in range(3))
    right: dict[tuple[object, str], list[bool]] = defaultdict(list)
    for number in track(range(asked.clips), "clips"):
        scene = sample_scene(plain, 5 * 10**9 + number, keep_held_out=True)
        said, true = caption(scene, random.Random(number)), truth(scene)
        for way in ways:
            points = []
            for seed in range(asked.seeds if number % 8 == 0 else 1):
                began = time.perf_counter()
                pixels = made(backend, said, number * 100 + seed, way)
                spent[way].append(time.perf_counter() - began)
                with torch.inference_mode():
                    reading = oracle(pixels)
                points.append(reading.embedding[0])
                if seed == 0:
                    found = answers(oracle, reading, scene)
                    moved[way].append(flow_size(pixels))
                    for question in QUESTIONS:
                        right[way, question].append(found[question] == true[question])
            if len(points) > 1:
                hits[way].append(float(torch.pdist(torch.stack(points)).mean()))
    show(ways, right, moved, hits, spent, f"{asked.model} {backend.info.weight_hash}, {asked.clips} held-out scenes")


def made(backend: NativeBackend, said: str, seed: int, way: object) -> torch.Tensor:
    """(1, T, 3, H, W) in 0 … 1."""
    turbo = way != FULL
    wish = VideoRequest(said, seed=seed, size=backend.info.native_size, turbo=turbo, steps=way if turbo else None)
    frames = np.concatenate([part for part in backend.generate(wish) if isinstance(part, np.ndarray)])
    return torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() / 255


def flow_size(pixels: torch.Tensor) -> float:
    """The mean size of the shift in each of 4 × 4 cells."""
    cells = optical_flow(pixels)[0, 1:, 6:]
    return float(cells.unflatten(-1, (2, -1)).norm(dim=1).mean())


def show(
    ways: list[object],
    right: dict[tuple[object, str], list[bool]],
    moved: dict[object, list[float]],
    spread: dict[object, list[float]],
    spent: dict[object, list[float]],
    title: str,
) -> None:
    table = Table("steps", *QUESTIONS, "motion", "diversity", "s per clip", title=title)
    for way in ways:
        shares = [Proportion(sum(right[way, q]), len(right[way, q])) for q in QUESTIONS]
        said = [f"{100 * s.value:.0f} % ({100 * s.interval[0]:.0f}–{100 * s.interval[1]:.0f})" for s in shares]
        motion = sum(moved[way]) / sum(moved[FULL])
        diversity = sum(spread[way]) / sum(spread[FULL]) if spread[FULL] else float("nan")
        table.add_row(str(way), *said, f"{motion:.3f}", f"{diversity:.3f}", f"{np.median(spent[way]):.2f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
