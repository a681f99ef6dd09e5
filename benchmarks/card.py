"""Frames a second of streaming on a graphics card: a preset with random weights, what a picture shows costs nothing.

    python benchmarks/card.py [--preset large] [--device cuda] [--seconds 20] [--steps 4] [--ways eager,captured]

As Turbo makes them: block by block, ``--steps`` steps without guidance, one more pass that writes the finished block
into the past, sink and window of ten latent frames, decoded as it comes. Matrices are bfloat16. "compiled" is
torch.compile of transformer and decoder, "captured" the same recorded as CUDA graphs ("reduce-overhead"). The pace is
the median over the blocks whose past is full, which is what a long clip goes on at. What others publish for models of
1.3 billion parameters at 832 × 480 is pace too, decoding included: 34.9 frames a second on an H100 (FlashDreams), 27.8
(Self-Forcing). Prints a table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch._dynamo.config
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from himmel.backends.device import choose_device
from himmel.engine.autoencoder import Autoencoder
from himmel.engine.model import Generator, GeneratorConfig
from himmel.engine.presets import PRESETS, Preset
from himmel.engine.samplers import euler, schedule
from himmel.engine.shapes import TEMPORAL, ClipShape
from himmel.engine.streaming import CachedContext, Sampling, Stretches, Window, make
from himmel.engine.tasks import text_to_video

WAYS = {"eager": None, "compiled": "default", "captured": "reduce-overhead"}
WORDS = 12  # tokens of the prompt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="large", choices=PRESETS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the clip (20)")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--ways", default=",".join(WAYS), help="which of them")
    asked = parser.parse_args()
    ways = asked.ways.split(",")
    if unknown := [way for way in ways if way not in WAYS]:
        parser.error(f"there is no way '{unknown[0]}'; there are {', '.join(WAYS)}")
    device, preset = choose_device(asked.device), PRESETS[asked.preset]
    generator, decoder = random_model(preset, device)
    size = sum(p.numel() for p in generator.parameters()) / 1e6
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    title = f"{size:,.1f} million parameters, {preset.width} × {preset.height}, {asked.steps} steps, {name}"
    table = Table("way", "first frame", "a block", "frames a second", "decoding alone", "memory", title=title)
    torch._dynamo.config.recompile_limit = 64  # the past grows through four lengths, the first block is shorter
    for way in ways:
        torch.compiler.reset()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            table.add_row(way, *figures(generator, decoder, preset, asked.seconds, asked.steps, WAYS[way], device))
    Console(width=120).print(table)


def random_model(preset: Preset, device: torch.device) -> tuple[Generator, nn.Module]:
    """Transformer with its text encoder, and decoder, in bfloat16."""
    torch.manual_seed(0)
    config = GeneratorConfig(preset.text, preset.transformer, preset.height, preset.width, preset.fps, preset.frames)
    with device:
        generator, autoencoder = Generator(config), Autoencoder(preset.autoencoder)
    for part in (generator, autoencoder):
        part.to(torch.bfloat16).eval().requires_grad_(False)
    return generator, autoencoder.decoder


def figures(
    generator: Generator,
    decoder: nn.Module,
    preset: Preset,
    seconds: float,
    steps: int,
    mode: str | None,
    device: torch.device,
) -> list[str]:
    """First frame, a block at full pace, frames a second, those of decoding alone, peak memory."""
    transform, decode = quickened(generator.transformer, mode), quickened(decoder, mode)
    for _ in range(2):  # once to compile
        marks = list(timed(streamed(generator, transform, decode, preset, seconds, steps, device), device))
    first, *blocks = marks
    full = blocks[(Window().sink + Window().recent) // preset.transformer.block :]
    if not full:
        raise SystemExit(f"--seconds {seconds:g} ends before the past is full; ask for more")
    taken, decoding = (statistics.median(column) for column in zip(*full, strict=True))
    frames = preset.transformer.block * TEMPORAL
    memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device.type == "cuda" else "–"
    return [
        f"{first[0]:.3f} s",
        f"{1000 * taken:.0f} ms",
        f"{frames / taken:.1f}",
        f"{frames / decoding:.1f} frames/s",
        memory,
    ]


def quickened(part: nn.Module, mode: str | None) -> Callable[..., Any]:
    """A part as it is, or compiled for every shape that it meets; what a graph gives back is copied out of it."""
    if mode is None:
        return part
    compiled = torch.compile(part, mode=mode, dynamic=False)

    def run(*given: Any, **named: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return pytree.tree_map_only(Tensor, torch.clone, compiled(*given, **named))

    return run


def streamed(
    generator: Generator,
    transform: Any,
    decode: Callable[..., Any],
    preset: Preset,
    seconds: float,
    steps: int,
    device: torch.device,
) -> Iterator[Callable[[], Tensor]]:
    """Block after block: latents are made on the way, and their decoding is handed out."""
    frames = 1 + TEMPORAL * round(seconds * preset.fps / TEMPORAL)
    shape = ClipShape(frames, preset.height, preset.width).latent
    task = text_to_video(shape, 1, preset.transformer.latent_channels, device)
    sampling = Sampling(euler, schedule(steps, generator.config.shift), 1.0)
    prompt = generator.read(torch.ones(1, WORDS, dtype=torch.long, device=device))
    memory = None

    def drawn(latents: Tensor) -> Tensor:
        nonlocal memory
        pixels, memory = decode(latents.to(torch.bfloat16), memory)
        return pixels

    context = CachedContext(transform, Window())
    for latents in make(task, Stretches(((0, prompt),)), sampling, context, [0], preset.transformer.block):
        yield partial(drawn, latents)


def timed(blocks: Iterator[Callable[[], Tensor]], device: torch.device) -> Iterator[tuple[float, float]]:
    """Seconds that every block took, decoded, and of these the decoding's."""
    began = now(device)
    for draw in blocks:
        made = now(device)
        draw()
        drawn = now(device)
        yield drawn - began, drawn - made
        began = drawn


def now(device: torch.device) -> float:
    """The time at which all work so far is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
