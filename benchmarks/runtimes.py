"""What makes papercut faster on a CPU, and what does not: ratios to plain torch, part by part and for whole clips.

    python benchmarks/runtimes.py [--only parts,clips] [--rounds 8] [--threads 1] [--ways autocast,narrow] [--seconds 2]

Every variant takes its turn in every round, so that what else the machine does falls upon all alike; the table shows
the median ratio with its quartiles (2 is twice as fast) and how far the result moves, as signal to noise in dB. With
one thread CPU time is counted, with more the clock on the wall. OpenVINO joins in where it is installed (pip install
openvino), compiling (torch.compile, minutes) where it is asked for by name.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from himmel.backends import native
from himmel.backends.finishing import Finishing
from himmel.backends.native import NativeBackend
from himmel.engine.autoencoder import Autoencoder, Memory, on_sphere
from himmel.engine.layers import rms_norm
from himmel.engine.model import Generator, VideoModel
from himmel.engine.precision import narrow
from himmel.engine.streaming import Window
from himmel.engine.transformer import KeysValues, Past, Prompt
from himmel.spec import Size, VideoRequest

PROMPT = "a penguin jumping in the snow, the camera zooms in"
REMEMBERED = Window().sink + Window().recent  # latent frames before a block, when the window is full
Way = Callable[[], Tensor]


@dataclass(frozen=True)
class Part:
    """One network with what it is given; ``drawing`` is what of it may be narrow."""

    name: str
    module: nn.Module
    given: tuple[Tensor, ...]
    drawing: str | None = None


class Step(nn.Module):
    """The transformer with nothing but tensors for arguments, as other runtimes want it."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.transformer = generator.transformer

    def forward(
        self, latents: Tensor, levels: Tensor, strides: Tensor, mask: Tensor, pooled: Tensor, *cached: Tensor
    ) -> Tensor:
        depth = self.transformer.config.depth
        pairs = [KeysValues(*cached[2 * layer : 2 * layer + 2]) for layer in range(2 * depth)]
        past = Past(tuple(pairs[:depth]), torch.arange(REMEMBERED))
        times = REMEMBERED + torch.arange(latents.shape[1])
        prompt = Prompt(tuple(pairs[depth:]), mask, pooled)
        velocity: Tensor = self.transformer(latents, levels, times, prompt, past=past, strides=strides)[0]
        return velocity


class Decoding(nn.Module):
    """The decoder in the middle of a clip, with nothing but tensors for arguments."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.decoder = autoencoder.decoder

    def forward(self, latents: Tensor, before: Tensor, *features: Tensor) -> Tensor:
        pixels: Tensor = self.decoder(latents, Memory(before, features))[0]
        return pixels


def step(name: str, model: VideoModel, generator: Generator, prompts: list[str]) -> Part:
    """A step of one block with a full window before it; one row a prompt."""
    config, rows, shape = generator.transformer.config, len(prompts), model.latent_shape(model.config.transformer.block)
    prompt = generator.read(model.tokenizer(prompts, model.config.text.longest))
    tokens = REMEMBERED * shape.tokens_per_frame
    cached = [rms_norm(torch.randn(rows, config.width // 64, tokens, 64)) for _ in range(2 * config.depth)]
    cached += [tensor for layer in prompt.layers for tensor in (layer.keys, layer.values)]
    latents = torch.randn(rows, shape.frames, config.latent_channels, shape.height, shape.width)
    levels, strides = torch.rand(2, rows, shape.frames)
    return Part(name, Step(generator), (latents, levels, strides, prompt.mask, prompt.pooled, *cached))


def parts_of(model: VideoModel, finishing: Finishing) -> list[Part]:
    config = model.config.transformer
    shape, channels = model.latent_shape(1 + config.block), config.latent_channels
    latents = on_sphere(torch.randn(1, shape.frames, channels, shape.height, shape.width))
    first, memory = model.autoencoder.decoder(latents[:, :1])
    found = [step("transformer, full: a guided step", model, model.generator, [PROMPT, ""])]
    if model.turbo:
        found.append(step("transformer, Turbo: a step", model, model.turbo, [PROMPT]))
    given = (latents[:, 1:].contiguous(), latents[:, :1].contiguous(), *memory.features)
    found.append(Part("decoder: a block", Decoding(model.autoencoder), given, "decoder"))
    if finishing.upsampler:
        frame = first[0].clamp(0, 1).contiguous()
        found.append(Part("upsampler: a frame", finishing.upsampler, (frame, frame.clone()), "body"))
    return found


def plain(part: Part) -> Way:
    return lambda: part.module(*part.given)


def flushed(part: Part) -> Way:
    """Numbers too small to matter count as nothing."""

    def way() -> Tensor:
        torch.set_flush_denormal(True)
        made = plain(part)()
        torch.set_flush_denormal(False)
        return made

    return way


def autocast(part: Part) -> Way:
    """Matrices and convolutions in bfloat16, narrowed anew at every call."""

    def way() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return plain(part)().float()

    return way


def narrowed(part: Part) -> Way | None:
    """All of a network that draws in bfloat16: what the backend does."""
    if part.drawing is None:
        return None
    module = copy.deepcopy(part.module)
    narrow(module.get_submodule(part.drawing))
    given = part.given
    if part.drawing == "decoder":  # whose memory is narrow too
        given = (given[0], *(tensor.to(torch.bfloat16) for tensor in given[1:]))
    return plain(Part(part.name, module, given))


def int8(part: Part) -> Way | None:
    """Weights of the linear layers in 8 bits, what goes in scaled as it comes."""
    if not any(isinstance(module, nn.Linear) for module in part.module.modules()):
        return None
    return plain(Part(part.name, torch.ao.quantization.quantize_dynamic(part.module, {nn.Linear}), part.given))


def compiled(part: Part) -> Way:
    return plain(Part(part.name, torch.compile(part.module, dynamic=False), part.given))


def openvino(part: Part, kind: str) -> Way | None:
    """Traced and compiled for exactly these shapes."""
    if importlib.util.find_spec("openvino") is None:
        return None
    import openvino as ov

    traced = ov.convert_model(torch.jit.trace(part.module, part.given, check_trace=False), example_input=part.given)
    traced.reshape({place: list(tensor.shape) for place, tensor in zip(traced.inputs, part.given, strict=True)})
    settings = {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    request = ov.compile_model(traced, "CPU", settings).create_infer_request()
    return lambda: torch.from_numpy(request.infer([tensor.numpy() for tensor in part.given])[0].copy())


WAYS: dict[str, Callable[[Part], Way | None]] = {
    "flushed": flushed,
    "autocast": autocast,
    "narrow": narrowed,
    "int8": int8,
    "openvino": partial(openvino, kind="f32"),
    "openvino-bf16": partial(openvino, kind="bf16"),
    "compile": compiled,
}


def raced(table: Table, name: str, ways: dict[str, Way], rounds: int) -> None:
    """A row for every way but the first, which is what the others are measured by."""
    made, (first, *others) = {way: work() for way, work in ways.items()}, ways
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            began = clock()
            work()
            taken[way].append(clock() - began)
    for way in others:
        ratios = [before / after for before, after in zip(taken[first], taken[way], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        error = (made[way] - made[first]).square().mean() / made[first].square().mean()
        moved = f"{-10 * float(error.log10()):.1f} dB" if error else "same bits"
        spent = 1000 * statistics.median(taken[first])
        table.add_row(name, way, f"{spent:.1f} ms", f"{middle:.2f} ({low:.2f} … {high:.2f})", moved)


def clips(table: Table, seconds: float, rounds: int) -> None:
    """Whole requests, without the file, as they were before the backend drew in bfloat16 and as they are."""
    backends = {}
    for name, able in (("plain", False), ("narrow", True)):
        with patch.object(native, "has_bfloat16", lambda able=able: able):
            backends[name] = NativeBackend("papercut", "cpu")

    def made(backend: NativeBackend, turbo: bool, size: Size) -> Tensor:
        request = VideoRequest(PROMPT, seed=1, seconds=seconds, size=size, turbo=turbo)
        frames = [part for part in backend.generate(request) if isinstance(part, np.ndarray)]
        return torch.from_numpy(np.concatenate(frames)).float()

    info = backends["plain"].info
    for size in (info.native_size, info.default_size):
        for turbo in {bool(info.turbo_steps), False}:
            ways = {name: partial(made, backend, turbo, size) for name, backend in backends.items()}
            raced(table, f"{seconds:g} s at {size}, {'Turbo' if turbo else 'full'}", ways, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="parts,clips")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", default=",".join(way for way in WAYS if way != "compile"), help=", ".join(WAYS))
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the clips")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    table = Table("what", "way", "plain", "times as fast", "signal to noise", title=f"{asked.threads} thread(s)")
    if "parts" in asked.only:
        device, folder = torch.device("cpu"), native.folder_of("papercut")
        with torch.inference_mode():
            for part in parts_of(VideoModel.load(folder, device), Finishing.load(folder, device)):
                found = {"plain": plain(part), **{name: WAYS[name](part) for name in asked.ways.split(",")}}
                raced(table, part.name, {name: way for name, way in found.items() if way}, asked.rounds)
    if "clips" in asked.only:
        clips(table, asked.seconds, asked.rounds)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
