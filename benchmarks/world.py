"""How many clips of the training world are rendered per second.

    python benchmarks/world.py [--vocabulary laptop] [--device cpu] [--batch 16] [--seconds 10]

Prints a table; timings belong to the machine that ran it. Needs the art: ``himmel world fetch``.
"""

from __future__ import annotations

import argparse
import time

import torch
from rich.console import Console
from rich.table import Table

from himmel.world.archives import cache_folder
from himmel.world.render import Renderer
from himmel.world.scene import sample_scene
from himmel.world.sprites import atlas_for
from himmel.world.vocabulary import VOCABULARIES, Vocabulary

FPS = 12
SHAPES = ((49, 64), (49, 128), (1, 64), (1, 128))  # frames, side in pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", choices=tuple(VOCABULARIES), default="laptop")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long every shape is measured")
    asked = parser.parse_args()
    vocabulary, device = VOCABULARIES[asked.vocabulary], torch.device(asked.device)
    atlas = atlas_for(vocabulary, cache_folder())
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    table = Table(
        "frames", "pixels", "clips/s", "frames/s", title=f"{asked.vocabulary}, {where}, {asked.batch} a batch"
    )
    for frames, side in SHAPES:
        clips = rate(Renderer(atlas, side, side, FPS, device), vocabulary, frames, asked.batch, asked.seconds)
        table.add_row(str(frames), f"{side}×{side}", f"{clips:.1f}", f"{clips * frames:.0f}")
    Console().print(table)


def rate(renderer: Renderer, vocabulary: Vocabulary, frames: int, batch: int, seconds: float) -> float:
    """Clips per second, the drawing of scenes included; the first batch warms up and does not count."""
    made, started = -batch, time.perf_counter()
    while made <= 0 or time.perf_counter() - started < seconds:
        clips = renderer.render([sample_scene(vocabulary, made + batch + i) for i in range(batch)], frames)
        float(clips[-1, -1, 0, 0, 0])  # waits for a graphics card
        made += batch
        if not made:
            started = time.perf_counter()
    return made / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
