"""What strangers upload, looked at before anything else touches it.

Owns: asking a limited child process what an upload is (``himmel.media.probe`` is what runs there), how many may ask
at a time, and what the account is told. The server itself decodes nothing: whatever happens to the child is an answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from himmel.errors import ApiError
from himmel.media.probe import NO_ROOM, Limits
from himmel.studio.gate import Gate
from himmel.studio.settings import Settings
from himmel.studio.storage import full

MEMORY = 240 << 20  # bytes of data in a child
PICTURE_CPU = 5  # seconds
CLIP_CPU = 20
FILM_CPU = 120  # of clips that were made before, of any length that can be asked for here
FASTEST = 60  # frames a second
PATIENCE = 3  # by the clock, a child may take so much longer than by its own CPU: the machine is shared
WAITING = 8  # how many may wait for a place; each holds a thread
LONGEST_ANSWER = 10_000
MP4 = ("video", "an MP4 clip")
WORDS = {"picture": ("image", "a JPEG, PNG or WebP picture"), "clip": MP4, "film": MP4}


@dataclass(frozen=True)
class Clip:
    """What an uploaded clip was found to be: pixels of the upright picture, frames, seconds."""

    width: int
    height: int
    frames: int
    seconds: float


@dataclass(frozen=True)
class Film:
    """A clip with its small pictures: a WebP of the first frame, a JPEG of many."""

    clip: Clip
    thumbnail: bytes
    sheet: bytes


class Intake:
    """The way in of one server."""

    def __init__(self, settings: Settings) -> None:
        processors = os.cpu_count() or 1
        busy = "too many uploads are looked at already"
        self._pictures, self._clips = Gate(busy, processors, WAITING), Gate(busy, max(1, processors // 2), WAITING)
        self.picture_limits = Limits(settings.upload_pixels, MEMORY, PICTURE_CPU)
        self.clip_limits = Limits(
            settings.clip_pixels, MEMORY, CLIP_CPU, settings.upload_frames, settings.upload_seconds
        )

        seconds = max(settings.upload_seconds, settings.job_seconds)
        frames = max(settings.upload_frames, round(seconds * FASTEST))
        self.film_limits = Limits(settings.clip_pixels, MEMORY, FILM_CPU, frames, seconds)

    def picture(self, source: BinaryIO, param: str) -> BinaryIO:
        """A clean PNG of a picture, from where the file stands. Raises ApiError (400, 413, 503, 507)."""
        with self._pictures.passed():
            return _asked("picture", source, self.picture_limits, param)[1]

    def clip(self, source: BinaryIO, param: str) -> Clip:
        """What a clip is. Raises ApiError (400, 413, 503, 507)."""
        with self._clips.passed():
            found, answer = _asked("clip", source, self.clip_limits, param)
            answer.close()
        return Clip(found["width"], found["height"], found["frames"], found["seconds"])

    def film(self, source: BinaryIO, param: str) -> Film:
        """What a clip is that was made before, and its pictures. Raises ApiError (400, 413, 503, 507)."""
        with self._clips.passed():
            found, answer = _asked("film", source, self.film_limits, param)
        with answer:
            thumbnail = answer.read(int(found["thumbnail"]))
            clip = Clip(found["width"], found["height"], found["frames"], found["seconds"])
            return Film(clip, thumbnail, answer.read())


def _asked(kind: str, source: BinaryIO, limits: Limits, param: str) -> tuple[dict[str, Any], BinaryIO]:
    """The child's answer, and the file that holds it, standing behind its first line."""
    command = [sys.executable, "-m", "himmel.media.probe", kind, json.dumps(asdict(limits))]
    # Of our environment the child gets what Python needs to start, and no secrets.
    environment = {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LD_"))}
    environment["OPENBLAS_NUM_THREADS"] = "1"  # its threads would take the memory that decoding needs
    source.flush()
    answer = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        subprocess.run(
            command,
            stdin=source.fileno(),
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=limits.cpu * PATIENCE,
            check=True,
        )
        answer.seek(0)
        found = json.loads(answer.readline(LONGEST_ANSWER))
    except (subprocess.SubprocessError, ValueError) as error:  # it was killed, by its limits or by us
        answer.close()
        if getattr(error, "returncode", None) == NO_ROOM:
            raise full() from None
        found = {"error": "decoding it takes too long, or does not end well"}
    if "error" in found:
        answer.close()
        raise _refused(kind, found, param)
    return found, answer


def _refused(kind: str, found: dict[str, Any], param: str) -> ApiError:
    word, allowed = WORDS[kind]
    status, code = (413, f"{word}_too_large") if found.get("too_large") else (400, f"invalid_{word}")
    return ApiError(status, code, f"this is not {allowed} that can be used: {found['error']}", param=param)
