"""Our own models: requests to the engine.

Owns: loading a model by name, what it says of itself, the course of a request. How one run of frames is made is
``making``'s.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Generator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from himmel.backends.device import choose_device
from himmel.backends.finishing import PARTS, Finishing
from himmel.backends.footage import Footage, Run, plan
from himmel.backends.making import Making
from himmel.engine import checkpoint
from himmel.engine.model import GeneratorConfig, VideoModel
from himmel.engine.precision import has_bfloat16, narrow
from himmel.errors import TaskNotSupported, UnknownModel
from himmel.spec import ModelInfo, Progress, Size, VideoRequest
from himmel.words import WordList

WEIGHTS = Path(str(files("himmel"))) / "weights"
TURBO_STEPS = (1, 2, 4, 8)  # what Turbo is distilled for
SHOWN_LARGER = 4  # default size in native sizes: small pictures are shown scaled


def available() -> list[ModelInfo]:
    """The models whose weights are there. Raises BadCheckpoint for damaged ones."""
    return [_info(folder) for folder in _folders()]


def names() -> list[str]:
    """What they are called; no file is read."""
    return [folder.name for folder in _folders()]


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
        self.finishing = Finishing.load(folder, chosen)
        self.info = _info(folder)
        self.words = words_of(name)
        self.build = f"torch {version('torch')}"
        if chosen.type == "cpu" and has_bfloat16():
            self._narrow()
            self.build += ", drawn in bfloat16"

    def generate(
        self, request: VideoRequest, state: bytes | None = None
    ) -> Generator[Progress | np.ndarray, None, None]:
        """See :meth:`himmel.backends.protocol.Backend.generate`."""
        settled = request.resolved(self.info)
        assert settled.size and settled.fps
        if settled.turbo and self.model.turbo and len(settled.characters) > self.model.turbo.config.references:
            raise TaskNotSupported(self.info.name, "show characters as Turbo")
        pieces = plan(settled, self.info.native_fps)
        runs = [Making(self, settled, piece, number) for number, piece in enumerate(pieces) if isinstance(piece, Run)]
        if state is not None:
            self._resume(runs, state)
        total = sum(run.blocks for run in runs)

        def progress() -> Progress:
            done = max(0, min(sum(len(run.finished) for run in runs), total - 1))
            return Progress(done, total, "sampling", lambda: self._state(runs))

        yield Progress(0, total, "sampling")
        making = iter(runs)
        for piece in pieces:
            frames = piece.frames(settled.size, settled.fps) if isinstance(piece, Footage) else next(making).frames()
            for frame in frames:
                yield frame[None]
                yield progress()
        yield Progress(total, total, "decoding")

    def _narrow(self) -> None:
        narrow(self.model.autoencoder.decoder)
        if self.finishing.upsampler:
            narrow(self.finishing.upsampler.body)

    def _state(self, runs: list[Making]) -> bytes:
        """The latents of every run so far (F, c, h, w), and the weights that made them."""
        buffer = io.BytesIO()
        made = {
            f"run{number}": latents[0].cpu().numpy()
            for number, run in enumerate(runs)
            if (latents := run.so_far) is not None
        }
        np.savez(buffer, allow_pickle=False, weights=self.info.weight_hash, **made)
        return buffer.getvalue()

    def _resume(self, runs: list[Making], state: bytes) -> None:
        """Let every run know what was made of it already: that is not sampled again."""
        try:
            found = np.load(io.BytesIO(state), allow_pickle=False)
        except (ValueError, OSError, zipfile.BadZipFile):
            return  # damaged: begun anew
        with found:
            if str(found["weights"]) != self.info.weight_hash:
                return
            for number, run in enumerate(runs):
                if f"run{number}" in found:
                    run.resume(torch.from_numpy(found[f"run{number}"])[None])


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
    turbo = folder / "turbo.safetensors"
    if turbo.exists():
        other += checkpoint.describe(turbo, "transformer")[1]
    for part in PARTS:
        if (folder / f"{part}.safetensors").exists():
            other += checkpoint.describe(folder / f"{part}.safetensors", part)[1]
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
        characters=config.references,
        turbo_steps=TURBO_STEPS if turbo.exists() else (),
    )
