"""How long a clip takes and what it costs: cold from the shell, warm, by part, and over a long clip.

    python benchmarks/generate.py [--model papercut] [--seconds 4] [--long 20]

Prints a table; timings belong to the machine that ran it. Every cold figure is a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from himmel.backends.native import NativeBackend
from himmel.engine.tasks import text_to_video
from himmel.media.video_io import write_video
from himmel.spec import Size

T = TypeVar("T")
PROMPT = "a penguin jumping in the snow, the camera zooms in"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="papercut")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--long", type=float, default=20.0)
    asked = parser.parse_args()
    table = Table("what", "seconds", "peak memory (MiB)", title=f"{asked.model}, {torch.get_num_threads()} threads")
    for seconds in (asked.seconds, asked.long):
        taken, memory = cold(asked.model, seconds)
        table.add_row(f"from the shell, {seconds:g} s clip", f"{taken:.2f}", f"{memory:.0f}")
    for what, taken in parts(asked.model, asked.seconds).items():
        table.add_row(what, f"{taken:.2f}", "")
    Console().print(table)


def cold(model: str, seconds: float) -> tuple[float, float]:
    """Seconds and peak MiB of ``himmel generate`` in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "himmel", "generate", PROMPT, "--model", model, "--seed", "1"]
        command += ["--seconds", str(seconds), "-o", str(Path(folder) / "clip.mp4")]
        watcher = f"import resource, subprocess; subprocess.run({command!r}, check=True, capture_output=True); "
        watcher += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        started = time.perf_counter()
        said = subprocess.run([sys.executable, "-c", watcher], check=True, capture_output=True, text=True)
        return time.perf_counter() - started, int(said.stdout) / (1 if sys.platform == "darwin" else 1024)


def parts(name: str, seconds: float) -> dict[str, float]:
    """Seconds of one warm clip by part."""
    started = time.perf_counter()
    backend = NativeBackend(name)
    taken = {"loading the model": time.perf_counter() - started}
    model, info = backend.model, backend.info
    shape = model.latent_shape(1 + round(seconds * info.native_fps / 4))
    task = text_to_video(shape, 1, model.autoencoder.config.latent_channels, model.device)

    def sample() -> list[torch.Tensor]:
        return list(model.latents(task, [PROMPT], [""], [1], info.default_steps, info.default_guidance))

    sample()
    first, taken["transformer, all blocks"] = timed(sample)
    _, taken["transformer, first frame"] = timed(
        lambda: next(iter(model.latents(task, [PROMPT], [""], [1], info.default_steps, info.default_guidance)))
    )
    pixels, taken["decoder"] = timed(lambda: list(model.frames(iter(first))))
    frames = [(chunk[0] * 255).byte().permute(0, 2, 3, 1).numpy() for chunk in pixels]
    _, taken["writing the file"] = timed(lambda: encode(iter(frames), info.native_size, info.native_fps))
    return taken


def timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def encode(frames: Iterator[np.ndarray], size: Size, fps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "clip.mp4", frames, size=size, fps=fps)


if __name__ == "__main__":
    main()
