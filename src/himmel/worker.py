"""The worker: takes jobs from a server over HTTP, makes the clips, brings them back.

Owns: the life of one worker. Whether it runs beside the server or on another machine is the same to both. It
knows a server by its address and token, a model by the backend's protocol.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from himmel import logs
from himmel.backends.protocol import Backend
from himmel.errors import HimmelError, TaskNotSupported, TokenRefused
from himmel.media.material import Material, look
from himmel.media.recipe import Recipe
from himmel.media.thumbnails import Sheet, preview
from himmel.media.video_io import iterate_frames, write_video
from himmel.spec import RANGES, Character, Clip, Gap, Part, Picture, Progress, Remix, Size, VideoRequest, whole_fps

log = logging.getLogger("himmel.worker")
IDLE_SECONDS = 0.5
LONGEST_PAUSE = 10.0  # seconds, while the server is away
DELIVERY_PAUSES = (0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)  # seconds between tries to bring a clip
BEAT_SECONDS = 0.5  # cancelling is heard of with the answer to a beat
STATE_SECONDS = 5.0  # between states that another worker could go on from
LARGEST_STATE = 16 << 20  # bytes
LONGEST_MESSAGE = 2000


class LeaseLost(Exception):
    """The job was cancelled, deleted or given to somebody else."""


@dataclass
class Worker:
    """One worker. ``client`` speaks to the server, with its address and the token set."""

    client: httpx2.Client
    backend: Backend
    name: str = field(default_factory=lambda: name_of(os.getpid()))

    def run(self, parent: int | None = None) -> None:
        """Work until Ctrl-C, or until the process ``parent`` is gone; a server that is away is waited for.

        Raises TokenRefused.
        """
        pause = IDLE_SECONDS
        while parent is None or os.getppid() == parent:
            try:
                busy = self.work_once()
                pause = IDLE_SECONDS
            except httpx2.HTTPError as error:
                log.warning("the server cannot be worked for (%s); trying again", error)
                busy, pause = False, min(2 * pause, LONGEST_PAUSE)
            if not busy:
                time.sleep(pause)

    def work_once(self) -> bool:
        """Do one job, where there is one. Raises httpx2.HTTPError where the server is in trouble, TokenRefused."""
        answer = self.client.post("/workers/claim", json=self._report())
        if answer.status_code in (401, 403):
            raise TokenRefused
        answer.raise_for_status()
        if answer.status_code == 204:
            return False
        job = _LeasedJob(self.client, self.name, **answer.json())
        with logs.about(job_id=job.id, worker=self.name):
            self._try(job)
        return True

    def _report(self) -> dict[str, Any]:
        """What the server is told of this worker."""
        info = self.backend.info
        told = {"model": info.name, "version": version("himmel"), "device": self.backend.device}
        return {"worker": self.name, **told, "weights": info.weight_hash, "turbo_steps": list(info.turbo_steps)}

    def _try(self, job: _LeasedJob) -> None:
        """Do a job, or tell the server why not."""
        begun = time.monotonic()
        log.info("began")
        try:
            self._do(job)
        except LeaseLost:
            log.info("is not ours any more", extra={"seconds": _since(begun)})
        except HimmelError as error:
            code = "task_not_supported" if isinstance(error, TaskNotSupported) else "generation_failed"
            log.warning("cannot be done", extra={"seconds": _since(begun), "error_code": code})
            job.fail(code, job.without_paths(str(error)))
        except httpx2.HTTPError as error:
            if not _refused(error):
                raise  # the server's trouble, not the job's: its lease runs out, and it is tried again
            log.warning("the server refuses what the job needs (%s)", error, extra={"seconds": _since(begun)})
            job.fail("worker_fault", "the server and the worker did not agree on the job; it was noted")
        except Exception:  # the next job may be a better one
            log.exception("failed", extra={"seconds": _since(begun), "error_code": "worker_fault"})
            job.fail("worker_fault", "the worker made a mistake; it was noted")
        else:
            log.info("brought the clip", extra={"seconds": _since(begun)})

    def _do(self, job: _LeasedJob) -> None:
        with tempfile.TemporaryDirectory() as name, job.kept_alive():
            job.folder = Path(name)
            settled = [request.resolved(self.backend.info) for request in _requests(job)]
            first = settled[0]
            assert first.size and first.fps
            recipe = Recipe.of(
                first,
                self.backend.info,
                device=self.backend.device,
                himmel_version=version("himmel"),
                build=self.backend.build,
            )
            recipe = recipe.with_shots(settled) if len(settled) > 1 else recipe
            sheet, video = Sheet(sum(request.frame_count for request in settled)), job.folder / "clip.mp4"
            made = self._shots(job, settled) if job.request.get("shots") else self._made(job, first)
            frames, told = self._frames(made, job, sheet), job.without_paths(recipe.to_json())
            write_video(video, frames, size=first.size, fps=first.fps, metadata=told)
            details = {
                "native_size": str(self.backend.info.native_size),
                "settings": {name: getattr(first, name) for name in ("steps", "guidance", "fps", "turbo")},
            }
            job.finish(video, sheet.thumbnail(), sheet.spritesheet(), details)

    def _frames(self, made: Iterator[np.ndarray], job: _LeasedJob, sheet: Sheet) -> Iterator[np.ndarray]:
        """Frames as they are made; the sheet sees them too. Raises LeaseLost as soon as it is known."""
        for part in made:
            job.check()
            sheet.see(part)
            yield part

    def _shots(self, job: _LeasedJob, settled: list[VideoRequest]) -> Iterator[np.ndarray]:
        """The frames of all shots: those that were made before are fetched, all others made and brought, each whole."""
        for request in settled:  # what can be refused of any is refused before one is made
            with closing(self.backend.generate(request)) as begun:
                next(begun)
        weights, total = self.backend.info.weight_hash, sum(request.frame_count for request in settled)
        done = 0
        for number, request in enumerate(settled):
            assert request.size and request.fps
            job.share = (done / total, (done := done + request.frame_count) / total)
            if job.request["shots"][number]["key"] is None:
                yield from self._made(job, request)
                continue
            path = job.kept_shot(number, weights)
            if path is None:
                path, made = job.folder / f"shot-{number}.mp4", self._made(job, request, alone=len(settled) == 1)
                write_video(path, made, size=request.size, fps=request.fps, lossless=True)
                job.bring_shot(number, weights, path)
            yield from (frame[None] for frame in iterate_frames(path))
            path.unlink()

    def _made(self, job: _LeasedJob, request: VideoRequest, alone: bool = True) -> Iterator[np.ndarray]:
        """Frames as they are made, ``alone`` where the job is this request: then it can be gone on with."""
        made = self.backend.generate(request, job.state() if alone and job.has_state else None)
        try:
            for part in made:
                job.check()
                if isinstance(part, Progress):
                    begin, end = job.share
                    job.progress = int(100 * (begin + (end - begin) * part.done / max(1, part.total)))
                    if alone:
                        job.offer_state(part)
                else:
                    job.latest = part[-1]
                    yield part
        finally:
            made.close()


def _requests(job: _LeasedJob) -> list[VideoRequest]:
    """What the job asks for, its files fetched: one request, or one to a shot. Raises LeaseLost, UnreadableMedia."""
    asked = job.request  # what a server lacks that is older than us is left open
    first_frame = job.fetched("first-frame") if asked["first_frame"] else None
    source = look(job.fetched("source")) if asked.get("source") else None
    whole = VideoRequest(
        prompt=asked["prompt"],
        negative_prompt=asked["negative_prompt"],
        model=asked["model"],
        size=Size.parse(asked["size"]),
        fps=asked["fps"] or (whole_fps(source.fps) if source else None),
        seed=asked["seed"],
        turbo=asked.get("turbo"),
        steps=asked["steps"],
        guidance=asked["guidance"],
        seconds=max(RANGES["seconds"][0], asked["seconds"]),
        first_frame=str(first_frame) if first_frame else None,
        characters=tuple(
            Character(each["name"], str(job.fetched(f"characters/{number}")))
            for number, each in enumerate(asked.get("cast", ()))
        ),
    )
    if source:
        return [replace(whole, **_made_of(source, asked))]
    if parts := _parts(job):
        counts = [shot["parts"] for shot in asked.get("shots", ())]
        if not counts:
            return [_of_parts(whole, parts, asked["loop"])]
        shots = [parts[end - count : end] for count, end in zip(counts, accumulate(counts), strict=True)]
        return [_of_parts(replace(whole, prompt=_first_prompt(shot, whole.prompt)), shot, False) for shot in shots]
    return [whole]


def _made_of(source: Material, asked: dict[str, Any]) -> dict[str, Any]:
    """What of a request says how a clip becomes another, and how long that one is."""
    path = str(source.path)
    if asked["task"] == "extend":
        parts = (Clip(path, 0.0, source.seconds), Gap(asked["seconds"]))
        return {"seconds": sum(part.seconds for part in parts), "timeline": parts}
    return {"seconds": source.seconds, "remix": Remix(path, asked["strength"], asked["mask"])}


def _parts(job: _LeasedJob) -> list[Part]:
    """What the clip is put together of; nothing where it is made in one go."""
    parts: list[Part] = []
    for number, told in enumerate(job.request.get("parts", ())):
        if told["kind"] == "gap":
            parts.append(Gap(told["seconds"], told["prompt"]))
            continue
        path = job.fetched(f"parts/{number}")
        if told["kind"] == "picture":
            parts.append(Picture(str(path)))
        else:  # a clip has whole frames, so that it may be a little shorter than was asked of it
            parts.append(Clip(str(path), told["start"], min(told["stop"], look(path).seconds)))
    return parts


def _of_parts(whole: VideoRequest, parts: list[Part], loop: bool) -> VideoRequest:
    return replace(whole, seconds=sum(part.seconds for part in parts), timeline=tuple(parts), loop=loop)


def _first_prompt(shot: list[Part], otherwise: str) -> str:
    """A shot is called as the first thing is that is made of it: wherever it stands, it is the same."""
    return next((part.prompt for part in shot if isinstance(part, Gap) and part.prompt), otherwise)


@dataclass
class _LeasedJob:
    """A job that is ours as long as the server says so."""

    client: httpx2.Client
    worker: str
    id: str
    token: int
    request: dict[str, Any]
    lease_seconds: float
    has_state: bool = False
    progress: int = 0
    lost: bool = False
    latest: np.ndarray | None = None  # frame, until it is shown
    kept_at: float = field(default_factory=time.monotonic)
    share: tuple[float, float] = (0.0, 1.0)  # of the whole, what is made now begins and ends at
    unkept: bytes | None = None  # state, until it is brought
    folder: Path = Path()  # where its files lie while it is done

    def check(self) -> None:
        if self.lost:
            raise LeaseLost(self.id)

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Signs of life from another thread, until the block ends."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS):
            told = {"worker": self.worker, "token": self.token, "progress": self.progress}
            try:
                answer = self._post("beat", json={**told, **self._preview()})
                if self.unkept is not None:
                    state, self.unkept = self.unkept, None
                    self._post("state", data={"token": str(self.token)}, files={"state": state})
            except httpx2.HTTPError:
                continue  # the lease outlives some silence
            self.lost = self.lost or answer.status_code == 409

    def _preview(self) -> dict[str, str]:
        frame, self.latest = self.latest, None
        return {} if frame is None else {"preview": base64.b64encode(preview(frame)).decode()}

    def offer_state(self, progress: Progress) -> None:
        """Have a state brought to the server, where there is one, every few seconds."""
        if progress.state is None or time.monotonic() - self.kept_at < STATE_SECONDS:
            return
        self.kept_at = time.monotonic()
        state = progress.state()
        if len(state) <= LARGEST_STATE:
            self.unkept = state

    def fetched(self, what: str, **query: str) -> Path:
        """A file that the clip is made from, brought here, however long it is."""
        path = self.folder / what.replace("/", "-")
        url = f"/workers/jobs/{self.id}/{what}"
        with self.client.stream("GET", url, params={"token": self.token, **query}) as answer, path.open("wb") as file:
            if answer.status_code == 409:
                raise LeaseLost(self.id)
            file.writelines(answer.raise_for_status().iter_bytes())
        return path

    def kept_shot(self, number: int, weights: str) -> Path | None:
        """A shot that these weights made before; None where there is none."""
        try:
            return self.fetched(f"shots/{number}", weights=weights)
        except httpx2.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            return None

    def bring_shot(self, number: int, weights: str, path: Path) -> None:
        """Have a finished shot kept; where the server cannot, it is made again another time."""
        self.check()
        with path.open("rb") as file:
            told = {"token": str(self.token), "weights": weights}
            try:
                answer = self._post(f"shots/{number}", data=told, files={"shot": file})
            except httpx2.TransportError as error:
                log.warning("a shot could not be kept (%s)", error)
                return
        if answer.status_code == 409:
            raise LeaseLost(self.id)
        if answer.is_error:
            log.warning("a shot could not be kept (%d)", answer.status_code)

    def without_paths(self, text: str) -> str:
        """A text in which files are named without the place where they lie: that tells nobody anything, and changes."""
        return text.replace(f"{self.folder}{os.sep}", "")

    def state(self) -> bytes | None:
        """What another worker left to go on from; None where it cannot be had: then it is begun anew."""
        try:
            return self.fetched("state").read_bytes()
        except httpx2.HTTPStatusError as error:
            log.warning("the state cannot be had (%d); begun anew", error.response.status_code)
            return None

    def finish(self, video: Path, thumb: bytes, sheet: bytes, details: dict[str, Any]) -> None:
        """Bring the clip; a server that is away or full is tried again, for a clip is dear."""
        parts = {"video": video.read_bytes(), "thumbnail": thumb, "spritesheet": sheet}
        form = {"token": str(self.token), "details": json.dumps(details)}
        for pause in DELIVERY_PAUSES:
            try:
                answer = self._post("result", data=form, files=parts)
                if answer.status_code < 500:
                    break
            except httpx2.TransportError:
                pass
            time.sleep(pause)
        else:
            answer = self._post("result", data=form, files=parts)
        if answer.status_code == 409:
            raise LeaseLost(self.id)
        answer.raise_for_status()

    def fail(self, code: str, message: str) -> None:
        """Tell why there will be no clip; a server in trouble is told again."""
        told = {"token": self.token, "code": code, "message": message[:LONGEST_MESSAGE]}
        for pause in DELIVERY_PAUSES[:4]:
            if self._post("failure", json=told).status_code < 500:
                return
            time.sleep(pause)

    def _post(self, what: str, **values: Any) -> httpx2.Response:
        return self.client.post(f"/workers/jobs/{self.id}/{what}", **values)


def _refused(error: httpx2.HTTPError) -> bool:
    """Whether the server said no, which it would say again; one that is busy or in trouble may change its mind."""
    status = error.response.status_code if isinstance(error, httpx2.HTTPStatusError) else 500
    return 400 <= status < 500 and status not in (401, 403, 408, 429)


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def name_of(process: int) -> str:
    """What the worker in a process of this machine is called."""
    return f"{socket.gethostname()}-{process}"


def connect(server: str, token: str) -> httpx2.Client:
    """A client for a server's address and worker token."""
    return httpx2.Client(base_url=server, headers={"authorization": f"Bearer {token}"}, timeout=30.0)
