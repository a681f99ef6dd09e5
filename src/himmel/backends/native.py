"""Our own models: requests to the engine, latents to frames.

Owns: loading a model by name, the native size and rate, and the way from there to what was asked for.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Generator, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from himmel.backends.device import choose_device
from himmel.engine import checkpoint
from himmel.engine.model import GeneratorConfig, VideoModel
from himmel.engine.shapes import TEMPORAL, Blocks
from himmel.engine.tasks import Task, text_to_video, with_known, with_picture
from himmel.errors import BadRequest, UnknownModel
from himmel.media.scaling import change_rate, crop_to, resize_frames
from himmel.media.video_io import read_frames
from himmel.spec import ModelInfo, Progress, Size, VideoRequest
from himmel.words import WordList

WEIGHTS = Path(str(files("himmel"))) / "weights"
SHOWN_LARGER = 4  # default size in native sizes: small pictures are shown scaled


def available() -> list[ModelInfo]:
    """The models whose weights are there. Raises BadCheckpoint for damaged ones."""
    return [_info(folder) for folder in _folders()]


def words_of(name: str) -> WordList:
    """The words of a model that is there, without its weights. Raises BadCheckpoint."""
    return WordList.load(folder_of(name) / "words.json")


def folder_of(name: str) -> Path:
    """Where a model's weights are. Raises UnknownModel."""
    folders = {folder.name: folder for folder in _folders()}
    if name not in folders:
        raise UnknownModel(name, sorted(folders))
    return folders[name]


class NativeBackend:
    """One of our models, loaded on one device. See ``protocol.Backend``."""

    def __init__(self, name: str, device: str = "auto") -> None:
        folder = folder_of(name)
        chosen = choose_device(device)
        self.device = chosen.type
        self.model = VideoModel.load(folder, chosen)
        self.info = _info(folder)
        self.words = words_of(name)

    def generate(
        self, request: VideoRequest, state: bytes | None = None
    ) -> Generator[Progress | np.ndarray, None, None]:
        """See :meth:`himmel.backends.protocol.Backend.generate`."""
        settled = request.resolved(self.info)
        assert settled.size and settled.fps and settled.steps and settled.guidance is not None
        if len(self.model.tokenizer([settled.prompt], 10**6)[0]) > self.model.config.text.longest:
            raise BadRequest(f"the prompt is too long; allowed: about {self.model.config.text.longest * 3} letters")
        native = max(1, math.ceil((settled.frame_count - 1) * self.info.native_fps / settled.fps) + 1)
        task = self._task(settled, 1 + math.ceil((native - 1) / TEMPORAL))
        if state is not None:
            task = self._resumed(task, state)
        blocks = len(Blocks(task.shape.frames, self.model.config.transformer.block).spans)
        yield Progress(0, blocks, "sampling")
        latents = self.model.latents(
            task, [settled.prompt], [settled.negative_prompt], [settled.seed], settled.steps, settled.guidance
        )
        finished = list[Tensor]()
        decoded = (_to_bytes(chunk[0]) for chunk in self.model.frames(_noted(latents, finished)))
        for frames in _fitted(decoded, settled, self.info.native_fps):
            yield frames
            done = min(len(finished), blocks - 1)  # blocks: how many frames come together is the rate's affair
            yield Progress(done, blocks, "sampling", lambda: self._state(finished))
        yield Progress(blocks, blocks, "decoding")

    def _state(self, finished: list[Tensor]) -> bytes:
        """The latents so far (F, c, h, w), and the weights that made them."""
        buffer = io.BytesIO()
        np.savez(buffer, weights=self.info.weight_hash, latents=torch.cat(finished, 1)[0].cpu().numpy())
        return buffer.getvalue()

    def _resumed(self, task: Task, state: bytes) -> Task:
        """The task with what was made already as known frames, which are not sampled and come back as they are."""
        try:
            found = np.load(io.BytesIO(state), allow_pickle=False)
        except (ValueError, OSError, zipfile.BadZipFile):
            return task  # damaged: begun anew
        with found:
            latents = torch.from_numpy(found["latents"])[None].to(task.latents)
            same = str(found["weights"]) == self.info.weight_hash and latents.shape[2:] == task.latents.shape[2:]
        return with_known(task, 0, latents[:, : task.shape.frames]) if same else task

    def _task(self, request: VideoRequest, frames: int) -> Task:
        shape = self.model.latent_shape(frames)
        task = text_to_video(shape, 1, self.model.autoencoder.config.latent_channels, self.model.device)
        if request.first_frame is None:
            return task
        picture = crop_to(read_frames(Path(request.first_frame), limit=1)[0], self.info.native_size)
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None, None].float() / 255
        with torch.inference_mode():
            return with_picture(task, 0, self.model.autoencoder.encode(pixels.to(self.model.device)))


def _noted(latents: Iterator[Tensor], finished: list[Tensor]) -> Iterator[Tensor]:
    for block in latents:
        finished.append(block)
        yield block


def _fitted(chunks: Iterator[np.ndarray], request: VideoRequest, native_fps: int) -> Iterator[np.ndarray]:
    """Native frames at the size, rate and number that were asked for."""
    assert request.size and request.fps
    for chunk in change_rate(chunks, native_fps=native_fps, fps=request.fps, count=request.frame_count):
        yield resize_frames(chunk, request.size)


def _to_bytes(pixels: Tensor) -> np.ndarray:
    """(t, 3, H, W) in 0 … 1 to uint8 (t, H, W, 3)."""
    return (pixels * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def _folders() -> list[Path]:
    """Folders of the package that hold a whole model."""
    return sorted(path.parent for path in WEIGHTS.glob("*/transformer.safetensors"))


def _scores(folder: Path) -> dict[str, float]:
    """The headline of what ``himmel evaluate`` found of these weights, where its scores.json lies beside them."""
    path = folder / "scores.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))["headline"]) if path.exists() else {}


def _info(folder: Path) -> ModelInfo:
    """What the headers say; no tensor is read."""
    path = folder / "transformer.safetensors"
    header, checksum = checkpoint.describe(path, "transformer")
    _, other = checkpoint.describe(folder / "autoencoder.safetensors", "autoencoder")
    config = checkpoint.read_configuration(path, header, GeneratorConfig)
    training = header.training
    return ModelInfo(
        name=folder.name,
        weight_hash=hashlib.sha256((checksum + other).encode()).hexdigest()[:16],
        parameters=int(training["parameters"]),
        native_size=Size(config.width, config.height),
        native_fps=config.fps,
        default_size=Size(config.width * SHOWN_LARGER, config.height * SHOWN_LARGER),
        default_steps=config.steps,
        default_guidance=config.guidance,
        vocabulary_size=int(training["vocabulary_size"]),
        licence=header.licence,
        trained_on=str(training["trained_on"]),
        scores=_scores(folder),
        max_window_seconds=(config.frames - 1) / config.fps,
    )
