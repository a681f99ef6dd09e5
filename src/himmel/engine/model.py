"""A video model: its parts together, in a folder and in memory.

Owns: putting autoencoder, text encoder, tokenizer and transformer together; reading and writing the folder.

A model's folder holds ``autoencoder.safetensors``, ``transformer.safetensors`` (with the text encoder),
``turbo.safetensors`` (the few-step student, where there is one) and ``tokenizer.json``; what the weights are, whose,
and how they were made stands in their headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from himmel.engine import checkpoint
from himmel.engine.autoencoder import Autoencoder, AutoencoderConfig
from himmel.engine.checkpoint import Header
from himmel.engine.samplers import euler, sampler_named, schedule
from himmel.engine.shapes import TEMPORAL, ClipShape, LatentShape
from himmel.engine.streaming import CachedContext, Context, Sampling, Stretches, Window, make
from himmel.engine.tasks import Task
from himmel.engine.text_encoder import TextConfig, TextEncoder, Tokenizer
from himmel.engine.transformer import Prompt, Transformer, TransformerConfig
from himmel.errors import BadCheckpoint

C = TypeVar("C")  # a configuration
P = TypeVar("P", bound=nn.Module)  # what is made of it


@dataclass(frozen=True)
class GeneratorConfig:
    """The transformer with its text encoder, and the picture that they were trained at."""

    text: TextConfig
    transformer: TransformerConfig
    height: int
    width: int
    fps: int
    frames: int
    sampler: str = "multistep"
    steps: int = 12
    guidance: float = 2.0
    shift: float = 3.0
    references: int = 0  # pictures of who appears that it was trained to see


class Generator(nn.Module):
    """Text encoder and transformer: what turns a prompt and noise into latents."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config.text)
        self.transformer = Transformer(config.transformer)

    def read(self, tokens: Tensor) -> Prompt:
        """Token numbers (B, L) to what the transformer's layers need of them."""
        return self.transformer.read(self.text_encoder(tokens))


class VideoModel:
    """Everything that turns prompts into frames."""

    def __init__(
        self, autoencoder: Autoencoder, generator: Generator, tokenizer: Tokenizer, turbo: Generator | None = None
    ) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.generator = generator.eval().requires_grad_(False)
        self.turbo = turbo and turbo.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> VideoModel:
        """Read a model's folder. Raises BadCheckpoint."""
        autoencoder = load_autoencoder(folder / "autoencoder.safetensors")
        generator = load_generator(folder / "transformer.safetensors").to(device)
        few_steps = folder / "turbo.safetensors"
        turbo = load_generator(few_steps).to(device) if few_steps.exists() else None
        return cls(autoencoder.to(device), generator, Tokenizer.load(folder / "tokenizer.json"), turbo)

    @property
    def config(self) -> GeneratorConfig:
        return self.generator.config

    @property
    def device(self) -> torch.device:
        return self.generator.transformer.embed_latents.weight.device

    def latent_shape(self, frames: int) -> LatentShape:
        """The shape of so many latent frames of the native picture."""
        config = self.config
        return ClipShape(1 + TEMPORAL * (frames - 1), config.height, config.width).latent

    @torch.inference_mode()
    def latents(
        self,
        task: Task,
        prompts: Sequence[str],
        negatives: Sequence[str],
        seeds: list[int],
        steps: int,
        guidance: float,
        context: Context | None = None,
        later: Sequence[tuple[int, Sequence[str]]] = (),
        turbo: bool = False,
    ) -> Iterator[Tensor]:
        """Latents of a task block by block; one prompt, negative prompt and seed per clip.

        ``later`` are prompts that take over from a latent frame on, in the order of time. ``turbo`` takes the few-step
        student, which must be there.
        """
        generator = self.generator
        if turbo:
            assert self.turbo is not None
            generator = self.turbo

        def read(texts: Sequence[str]) -> Prompt:
            both = [*texts, *negatives] if guidance != 1 else list(texts)
            return generator.read(self.tokenizer(both, self.config.text.longest).to(self.device))

        stretches = Stretches(((0, read(prompts)), *((start, read(texts)) for start, texts in later)))
        sampler = euler if turbo else sampler_named(self.config.sampler)
        sampling = Sampling(sampler, schedule(steps, self.config.shift), guidance)
        context = context or CachedContext(generator.transformer, Window())
        return make(task, stretches, sampling, context, seeds, self.config.transformer.block)

    def frames(self, latents: Iterator[Tensor]) -> Iterator[Tensor]:
        """Decode as it comes: chunks (B, t, 3, H, W) in 0 … 1."""
        return self.autoencoder.decode_stream(latents)


def load_part(path: Path, kind: str, part: Callable[[C], P], configuration: type[C]) -> P:
    """Read what ``save_part`` wrote: ``part`` makes it of its configuration. Raises BadCheckpoint."""
    header, tensors = checkpoint.load(path, kind)
    made = part(checkpoint.read_configuration(path, header, configuration))
    fill(path, made, tensors)
    return made


def load_generator(path: Path) -> Generator:
    """Read a text encoder with its transformer. Raises BadCheckpoint."""
    return load_part(path, "transformer", Generator, GeneratorConfig)


def load_autoencoder(path: Path) -> Autoencoder:
    """Read an autoencoder. Raises BadCheckpoint."""
    return load_part(path, "autoencoder", Autoencoder, AutoencoderConfig)


def save_part(
    path: Path, kind: str, part: nn.Module, configuration: object, licence: str, training: Mapping[str, Any]
) -> None:
    """Write a part's weights at half precision, with what it is in the header. Raises CannotWrite."""
    header = Header(kind, checkpoint.for_configuration(configuration), licence, training)
    checkpoint.save(path, part.state_dict(), header, dtype=torch.float16)


def fill(path: Path, part: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put tensors into a part; every one must have its place. Raises BadCheckpoint."""
    try:
        part.load_state_dict(tensors)
    except RuntimeError as error:
        raise BadCheckpoint(
            path, f"its tensors are not those of its configuration ({str(error).splitlines()[0]})"
        ) from None
