"""Evaluating a model: its clips of held-out scenes, read by the oracle, beside real clips of the same scenes.

Owns: making, reading and journalling the clips, and writing the results. Asks any backend; knows no model's inside.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from himmel.backends.protocol import Backend
from himmel.engine.shapes import TEMPORAL
from himmel.errors import BadRequest, CannotWrite
from himmel.media.contact_sheet import write_contact_sheet
from himmel.spec import Progress, VideoRequest
from himmel.training.metrics import flicker, psnr, seam
from himmel.training.oracle import Oracle, answers
from himmel.training.scores import GENERATED, REAL, RECONSTRUCTED, Record, Row, as_json, clip_figures, rows
from himmel.training.suites import SHOW_PIECES, Plan, Task, tasks
from himmel.world.render import Renderer
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary


class Codec(Protocol):
    """What evaluation asks of an autoencoder; ``engine.autoencoder.Autoencoder`` is one."""

    def encode(self, pixels: Tensor) -> Tensor: ...

    def decode(self, latents: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Evaluation:
    """Results: the table's rows, and everything as JSON can hold it."""

    rows: list[Row]
    json: dict[str, Any]


def evaluate(
    backend: Backend,
    vocabulary: Vocabulary,
    atlas: Atlas,
    oracle: Oracle,
    plan: Plan,
    folder: Path,
    report: Callable[[Progress], None],
    autoencoder: Codec | None = None,
) -> Evaluation:
    """Examine a model on what it claims; writes ``scores.json`` and ``contact_sheet.png`` into ``folder``.

    ``vocabulary`` is the model's; ``atlas`` must hold its nouns in its styles. An interrupted evaluation goes
    on where it stopped: readings are kept in ``folder``, under a name that changes with the weights, the plan
    and the oracle. Raises BadRequest where the oracle cannot read the vocabulary, CannotWrite.
    """
    _check(oracle, vocabulary)
    examined = tasks(vocabulary, plan)
    studio = _Studio(backend, atlas, plan, autoencoder)
    about = _about(backend, oracle, vocabulary, studio.request("x", 0).resolved(backend.info))
    journal = Journal(folder, about | {"plan": asdict(plan), "autoencoder": autoencoder is not None})
    makers: dict[str, Callable[[Task], Clip]] = {REAL: studio.real, GENERATED: studio.generated}
    if autoencoder is not None:
        makers[RECONSTRUCTED] = studio.reconstructed
    missing = [(source, task) for source in makers for task in examined if (source, task.key) not in journal.records]
    total = len(makers) * len(examined) + len(SHOW_PIECES)
    done = total - len(missing) - len(SHOW_PIECES)
    for source, task in missing:
        report(Progress(done, total, source))
        journal.add(_read(oracle, source, task, makers[source](task)))
        done += 1
    found = rows(vocabulary, examined, journal.records)
    figures = clip_figures(plan, examined, journal.records)
    results = as_json(found, figures, plan, about) | {"headline": headline(found)}
    _write_text(folder / "scores.json", json.dumps(results, indent=1))
    _show(studio, folder, lambda piece: report(Progress(done + piece, total, "contact sheet")))
    report(Progress(total, total, "contact sheet"))
    return Evaluation(found, results)


@dataclass(frozen=True)
class Clip:
    """Pixels (1, T, 3, H, W) in 0 … 1, how long they took to make, and what they are like in dB, where they should be:

    ``psnr`` of a reconstruction, ``picture_psnr`` of the first frame against the picture that it was made from.
    """

    pixels: Tensor
    seconds: float
    psnr: float | None = None
    picture_psnr: float | None = None


class _Studio:
    """Makes a task's clip in each of the three ways, all of one size, rate and length."""

    def __init__(self, backend: Backend, atlas: Atlas, plan: Plan, autoencoder: Codec | None) -> None:
        info = backend.info
        self.backend, self.plan, self.autoencoder = backend, plan, autoencoder
        self.frames = self.request("x", 0).resolved(info).frame_count
        self.renderer = Renderer(atlas, info.native_size.height, info.native_size.width, info.native_fps)

    def request(self, prompt: str, seed: int) -> VideoRequest:
        info = self.backend.info
        return VideoRequest(
            prompt,
            model=info.name,
            seconds=self.plan.seconds,
            size=info.native_size,
            fps=info.native_fps,
            seed=seed,
            turbo=self.plan.turbo,
        )

    def frames_of(self, prompt: str, seed: int, first_frame: str | None = None) -> np.ndarray:
        """The backend's clip, uint8 (T, H, W, 3)."""
        answer = self.backend.generate(replace(self.request(prompt, seed), first_frame=first_frame))
        return np.concatenate([part for part in answer if isinstance(part, np.ndarray)])

    def generated(self, task: Task) -> Clip:
        if task.picture is not None:
            return self._generated_from(task, self.renderer.render([task.picture], 1)[0, 0])
        started = time.monotonic()
        frames = self.frames_of(task.prompt, task.seed)
        return Clip(_to_pixels(frames), time.monotonic() - started)

    def _generated_from(self, task: Task, picture: Tensor) -> Clip:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
            started = time.monotonic()
            frames = self.frames_of(task.prompt, task.seed, str(path))
            seconds = time.monotonic() - started
        pixels = _to_pixels(frames)
        return Clip(pixels, seconds, picture_psnr=float(psnr(pixels[:, 0], picture[None])))

    def real(self, task: Task) -> Clip:
        started = time.monotonic()
        pixels = self.renderer.render([task.scene], self.frames)
        return Clip(pixels, time.monotonic() - started)

    @torch.inference_mode()
    def reconstructed(self, task: Task) -> Clip:
        """Through the autoencoder and back: no generator that uses it can be sharper."""
        assert self.autoencoder is not None
        # The autoencoder takes 1 + 4k frames.
        pixels = self.renderer.render([task.scene], self.frames + (1 - self.frames) % TEMPORAL)
        started = time.monotonic()
        back = self.autoencoder.decode(self.autoencoder.encode(pixels)).clamp(0, 1)
        seconds = time.monotonic() - started
        return Clip(back[:, : self.frames], seconds, float(psnr(back, pixels)))


def _to_pixels(frames: np.ndarray) -> Tensor:
    """uint8 (T, H, W, 3) to (1, T, 3, H, W) in 0 … 1."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() / 255


class Journal:
    """Records on disk, one line each, so that an evaluation of hours survives an interruption.

    The file's name carries a hash of ``about``: other weights or another plan start their own.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
        self.path = folder / f"readings-{name}.jsonl"
        self.records = {(record.source, record.key): record for record in self._read()}
        # Written anew, because the last line may have been cut short.
        _write_text(self.path, "".join(_line(record) for record in self.records.values()))

    def add(self, record: Record) -> None:
        self.records[record.source, record.key] = record
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(record))
        except OSError as error:
            raise CannotWrite(self.path, str(error)) from error

    def _read(self) -> Iterator[Record]:
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            try:
                yield Record(**json.loads(line))
            except (ValueError, TypeError):
                return


def _line(record: Record) -> str:
    return json.dumps(asdict(record)) + "\n"


@torch.inference_mode()
def _read(oracle: Oracle, source: str, task: Task, clip: Clip) -> Record:
    reading = oracle(clip.pixels)
    x, y, log_half = reading.track[0, :, :3].median(0).values.tolist()
    around = min(1.2 * math.exp(log_half), 0.85)  # so that some of the set is always left
    still = flicker(clip.pixels[0], x, y, around) if task.suite == "still" else None
    return Record(
        source=source,
        key=task.key,
        answers=answers(oracle, reading, task.scene),
        embedding=[round(value, 4) for value in reading.embedding[0].tolist()],
        seam=seam(clip.pixels[0], TEMPORAL),
        flicker=still,
        psnr=clip.psnr,
        picture_psnr=clip.picture_psnr,
        seconds=clip.seconds,
    )


def _check(oracle: Oracle, vocabulary: Vocabulary) -> None:
    known = oracle.config.vocabulary
    for name in ("nouns", "settings", "motions", "styles", "lights", "weathers", "cameras", "colours", "sizes"):
        unknown = sorted(set(getattr(vocabulary, name)) - set(getattr(known, name)))
        if unknown:
            raise BadRequest(
                f"the oracle cannot read these {name}: {', '.join(unknown)}; train one with 'himmel train oracle'"
            )


def _about(backend: Backend, oracle: Oracle, vocabulary: Vocabulary, request: VideoRequest) -> dict[str, Any]:
    info = backend.info
    weights = hashlib.sha256()
    for tensor in oracle.state_dict().values():
        weights.update(tensor.contiguous().numpy().tobytes())
    return {
        "model": info.name,
        "weight_hash": info.weight_hash,
        "size": str(info.native_size),
        "fps": info.native_fps,
        "turbo": request.turbo,
        "steps": request.steps,
        "guidance": request.guidance,
        "oracle": weights.hexdigest()[:16],
        "vocabulary": asdict(vocabulary),
    }


def _show(studio: _Studio, folder: Path, report: Callable[[int], None]) -> None:
    clips: list[tuple[str, np.ndarray]] = []
    for number, (prompt, gloss) in enumerate(SHOW_PIECES):
        report(number)
        clips.append((gloss or prompt, studio.frames_of(prompt, studio.plan.seed + number)))
    write_contact_sheet(folder / "contact_sheet.png", clips, frames_per_clip=6)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CannotWrite(path, str(error)) from error


def headline(found: Sequence[Row]) -> dict[str, float]:
    """The three figures of the main suite for scores.json, as shares of all clips, and of the ceiling."""
    main = [row for row in found if row.suite == "single" and row.question in ("noun", "setting", "motion")]
    shares = {row.question: row.generated.value for row in main}
    shares |= {f"{row.question}_of_ceiling": row.ratio for row in main}
    return {name: round(share, 3) for name, share in shares.items() if not math.isnan(share)}
