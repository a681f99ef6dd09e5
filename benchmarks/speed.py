"""What a clip costs: cold and warm, by part, by length and by size, Turbo and the full model, beside a peer.

    python benchmarks/speed.py [--only cold,parts,lengths,sizes,peers] [--plot docs/media/cost.svg]

Prints a table; timings belong to the machine that ran it, which should do nothing else. Every cold figure is a process
of its own. The peer is diffusers (not a dependency: pip install diffusers), with the nearest architecture that it has,
at the same shapes, with random weights: what a picture shows costs nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from himmel.backends.native import NativeBackend
from himmel.engine.tasks import text_to_video
from himmel.media.video_io import write_video
from himmel.spec import Progress, Size, VideoRequest

PROMPT = "a penguin jumping in the snow, the camera zooms in"
FIRST_FRAME = """
import time; began = time.time()
from himmel.backends.native import NativeBackend
from himmel.spec import VideoRequest
import numpy as np
backend = NativeBackend("papercut")
request = VideoRequest({prompt!r}, seed=1, turbo={turbo})
next(part for part in backend.generate(request) if isinstance(part, np.ndarray))
print(time.time())
"""


def turbos(backend: NativeBackend) -> tuple[bool, ...]:
    return (True, False) if backend.info.turbo_steps else (False,)


def named(turbo: bool) -> str:
    return "Turbo" if turbo else "full"


def cold(backend: NativeBackend, table: Table) -> None:
    """Processes of their own, from the start of the interpreter on."""
    for turbo in turbos(backend):
        began = time.time()
        code = FIRST_FRAME.format(prompt=PROMPT, turbo=turbo)
        said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        table.add_row(f"first frame from a cold process, {named(turbo)}", f"{float(said) - began:.2f} s", "")
        for seconds in (5.0, 60.0):
            taken, memory = from_the_shell(seconds, turbo)
            table.add_row(f"himmel generate, {seconds:g} s, {named(turbo)}", f"{taken:.2f} s", f"{memory:.1f} MiB")


def from_the_shell(seconds: float, turbo: bool) -> tuple[float, float]:
    """Seconds and peak MiB of ``himmel generate``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "himmel", "generate", PROMPT, "--seed", "1", "--seconds", str(seconds)]
        command += ["-o", str(Path(folder) / "clip.mp4"), "--turbo" if turbo else "--full"]
        watcher = f"import resource, subprocess; subprocess.run({command!r}, check=True, capture_output=True); "
        watcher += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        began = time.perf_counter()
        said = subprocess.run([sys.executable, "-c", watcher], check=True, capture_output=True, text=True)
        return time.perf_counter() - began, int(said.stdout) / (1 if sys.platform == "darwin" else 1024)


def parts(backend: NativeBackend, table: Table) -> None:
    """Five seconds, warm, the best of three."""
    model, info, seconds = backend.model, backend.info, 5.0
    shape = model.latent_shape(1 + round(seconds * info.native_fps / 4))
    task = text_to_video(shape, 1, model.autoencoder.config.latent_channels, model.device)
    for turbo in turbos(backend):
        settled = VideoRequest(PROMPT, turbo=turbo).resolved(info)
        assert settled.steps and settled.guidance is not None
        generator = model.turbo if turbo and model.turbo else model.generator
        guided = [PROMPT] if turbo else [PROMPT, ""]

        def sample(settled: VideoRequest = settled, turbo: bool = turbo) -> Iterator[torch.Tensor]:
            return model.latents(task, [PROMPT], [""], [1], settled.steps, settled.guidance, turbo=turbo)

        latents = list(sample())
        pixels = list(model.frames(iter(latents)))
        frames = [(chunk[0] * 255).byte().permute(0, 2, 3, 1).numpy() for chunk in pixels]
        native = [frame for chunk in frames for frame in chunk]
        sized = backend.finishing.sized
        large = [frame[None] for frame in sized(native, info.default_size)]
        ways: dict[str, Callable[[], object]] = {
            "text": lambda g=generator, t=guided: g.read(model.tokenizer(t, model.config.text.longest)),
            "transformer": lambda s=sample: list(s()),
            "transformer, first frame": lambda s=sample: next(iter(s())),
            "decoder": lambda latents=latents: list(model.frames(iter(latents))),
            f"enlarging to {info.default_size}": lambda f=native, s=sized: list(s(f, info.default_size)),
            f"writing {info.default_size}": lambda f=large: encode(iter(f), info.default_size, info.native_fps),
        }
        for what, way in ways.items():
            with torch.inference_mode():
                taken = min(timed(way) for _ in range(3))
            table.add_row(f"{named(turbo)}: {what}", f"{1000 * taken:.0f} ms", f"{taken / seconds:.3f} s per second")
        table.add_row(f"{named(turbo)}: first frame, warm", f"{1000 * min(firsts(backend, turbo)):.0f} ms", "")


def firsts(backend: NativeBackend, turbo: bool) -> Iterator[float]:
    for _ in range(3):
        began = time.perf_counter()
        frames = backend.generate(VideoRequest(PROMPT, seed=1, turbo=turbo))
        next(part for part in frames if isinstance(part, np.ndarray))
        yield time.perf_counter() - began


def lengths(backend: NativeBackend, table: Table) -> list[tuple[float, float]]:
    """Whole clips, warm, at the default size, without the file; and how even the pace is over two minutes."""
    points = []
    turbo = turbos(backend)[0]
    for seconds in (5.0, 10.0, 30.0, 60.0, 120.0):
        began, spent, frames = time.perf_counter(), [time.process_time()], 0
        for part in made(backend, seconds, None, turbo):
            frames += len(part)
            if frames >= len(spent) * backend.info.native_fps:
                spent.append(time.process_time())
        taken = time.perf_counter() - began
        points.append((seconds, taken))
        per = f"{taken / seconds:.3f} s per second"
        if seconds >= 60:
            per += f"; last 10 s at {pace(np.diff(spent)):.3f} of the pace before"
        table.add_row(f"{seconds:g} s of video, {named(turbo)}", f"{taken:.2f} s", per)
    return points


def pace(seconds: np.ndarray) -> float:
    """Of the processor time of each second of video, the median of the last ten by that from the eleventh to those."""
    return float(np.median(seconds[-10:]) / np.median(seconds[10:-10]))


def sizes(backend: NativeBackend, table: Table) -> list[tuple[float, float]]:
    """Five seconds, warm, with the file."""
    turbo, points = turbos(backend)[0], []
    for size in (backend.info.native_size, Size(256, 256), Size(512, 512), Size(1920, 1080)):
        began = time.perf_counter()
        encode(made(backend, 5.0, size, turbo), size, backend.info.native_fps)
        taken = time.perf_counter() - began
        points.append((size.width * size.height / 1e6, taken))
        table.add_row(f"5 s at {size}, {named(turbo)}", f"{taken:.2f} s", f"{taken / 5:.3f} s per second")
    return points


def made(backend: NativeBackend, seconds: float, size: Size | None, turbo: bool) -> Iterator[np.ndarray]:
    request = VideoRequest(PROMPT, seed=1, seconds=seconds, size=size, turbo=turbo)
    return (part for part in backend.generate(request) if not isinstance(part, Progress))


def peers(backend: NativeBackend, table: Table) -> None:
    """The same tokens, width, depth, latents and text length through diffusers' transformer and autoencoder of Wan."""
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel

    config, info = backend.model.config, backend.info
    settled = VideoRequest(PROMPT, turbo=False).resolved(info)
    assert settled.steps
    shape = backend.model.latent_shape(1 + 5 * info.native_fps // 4)
    inner, channels = config.transformer, config.transformer.latent_channels
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=inner.width // 64, attention_head_dim=64, in_channels=channels,
        out_channels=channels, text_dim=inner.text_width, freq_dim=256, ffn_dim=3 * inner.width, num_layers=inner.depth,
    ).eval()  # fmt: skip
    decoder = AutoencoderKLWan(base_dim=32, z_dim=channels, dim_mult=[1, 2, 4, 4]).eval()
    scheduler = FlowMatchEulerDiscreteScheduler(shift=config.shift)
    text = torch.randn(2, config.text.longest, inner.text_width)

    def sample() -> torch.Tensor:
        scheduler.set_timesteps(settled.steps)
        x = torch.randn(1, channels, shape.frames, shape.height, shape.width)
        for step in scheduler.timesteps:
            both = transformer(torch.cat([x, x]), step.expand(2), text, return_dict=False)[0]
            conditional, unconditional = both.chunk(2)
            x = scheduler.step(unconditional + 2 * (conditional - unconditional), step, x, return_dict=False)[0]
        return x

    with torch.inference_mode():
        latents = sample()
        sampling = min(timed(sample) for _ in range(3))
        decoding = min(timed(lambda: decoder.decode(latents)) for _ in range(2))
    of_transformer = sum(p.numel() for p in transformer.parameters()) / 1e6
    of_decoder = sum(p.numel() for p in decoder.decoder.parameters()) / 1e6
    rows = {
        f"diffusers, Wan's transformer ({of_transformer:.1f} M), {settled.steps} steps, guided": sampling,
        f"diffusers, Wan's decoder ({of_decoder:.1f} M)": decoding,
    }
    for turbo in turbos(backend):
        best = min(timed(lambda t=turbo: list(made(backend, 5.0, info.native_size, t))) for _ in range(3))
        rows[f"himmel, {named(turbo)}, sampling and decoding"] = best
    for what, taken in rows.items():
        table.add_row(what, f"{1000 * taken:.0f} ms", f"{taken / 5:.3f} s per second")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def encode(frames: Iterator[np.ndarray], size: Size, fps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "clip.mp4", frames, size=size, fps=fps)


def drawn(path: Path, curves: dict[str, list[tuple[float, float]]]) -> None:
    """Cost against length and against size as an SVG, with the slope of a straight line through them."""
    width, height, margin = 320, 220, 44
    panels = []
    for number, (axis, points) in enumerate(curves.items()):
        xs, ys = zip(*points, strict=True)
        slope, offset = statistics.linear_regression(xs, ys)
        right, top = max(xs) * 1.05, max(ys) * 1.1

        def place(x: float, y: float, right: float = right, top: float = top) -> tuple[str, str]:
            return f"{margin + (width - 60) * x / right:.1f}", f"{height - margin - (height - 70) * y / top:.1f}"

        def line(colour: str, *ends: tuple[float, float], place: Callable[..., tuple[str, str]] = place) -> str:
            corners = " ".join(",".join(place(*end)) for end in ends)
            return f'<polyline fill="none" stroke="{colour}" points="{corners}"/>'

        dots = "".join('<circle cx="{}" cy="{}" r="3"/>'.format(*place(*point)) for point in points)
        lines = line("#888", (0, offset), (right, offset + slope * right)) + line("#444", (0, top), (0, 0), (right, 0))
        texts = f'<text x="{margin}" y="18">seconds of compute: {offset:.2f} + {slope:.3f} × {axis}</text>'
        texts += f'<text x="{width - 16}" y="{height - 24}" text-anchor="end">{max(xs):g} {axis}</text>'
        texts += f'<text x="{margin - 4}" y="40" text-anchor="end">{max(ys):.1f}</text>'
        panels.append(f'<g transform="translate({number * width},0)">{lines}{dots}{texts}</g>')
    paper = '<rect width="100%" height="100%" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(curves)}" height="{height}"'
    style = 'font-family="sans-serif" font-size="11" fill="#333"'
    path.write_text(f"{head} {style}>{paper}{''.join(panels)}</svg>\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="cold,parts,lengths,sizes,peers", help="which parts")
    parser.add_argument("--plot", type=Path, help="an SVG of cost against length and size")
    asked = parser.parse_args()
    backend = NativeBackend("papercut", "cpu")
    threads, curves = torch.get_num_threads(), {}
    table = Table(
        "what", "taken", "", title=f"papercut {backend.info.weight_hash}, {threads} threads of {os.cpu_count()} cores"
    )
    for name, measure in {"cold": cold, "parts": parts, "lengths": lengths, "sizes": sizes, "peers": peers}.items():
        if name in asked.only.split(","):
            curves[name] = measure(backend, table)
    Console(width=150).print(table)
    if asked.plot:
        drawn(asked.plot, {"seconds": curves["lengths"], "megapixels": curves["sizes"]})


if __name__ == "__main__":
    main()
