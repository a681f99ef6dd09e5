"""A finished clip in other forms: GIF, WebP, PNG frames, one frame. Each is made when somebody asks for it.

Owns: the child process that makes it, how many may be at it, and how long that may take. The server decodes nothing
itself. What the forms are like stands in ``himmel.media.excerpt``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from himmel.errors import ApiError
from himmel.media.excerpt import BAD
from himmel.studio.gate import Gate
from himmel.studio.jobs import Job, Status
from himmel.studio.server import Server

SECONDS = 120.0  # by the clock, for one
GATE = Gate("too many clips are turned into other forms already", max(1, (os.cpu_count() or 1) // 2), 8, 60.0, each=4)
ENDINGS = {"gif": ".gif", "webp": ".webp", "frames": ".zip", "frame": ".png"}


def excerpt(server: Server, job: Job, kind: str, number: int = 1) -> BinaryIO:
    """A clip in another form, one of ``ENDINGS``, as a file that is gone when it is closed.

    ``number`` is the frame's, from 1. Raises ApiError (400, 404, 503, 507).
    """
    if job.status != Status.COMPLETED:
        raise ApiError(404, "not_found", "there is no such file, or not yet")
    with GATE.passed(), tempfile.TemporaryDirectory(prefix="himmel-") as folder:
        clip, target = Path(folder, "clip.mp4"), Path(folder, f"made{ENDINGS[kind]}")
        with clip.open("wb") as file:
            file.writelines(server.storage.chunks(job.results["video"]))
        _ask(kind, clip, target, number)
        copy: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (whoever sends it closes it)
        with target.open("rb") as made:
            shutil.copyfileobj(made, copy)
    copy.seek(0)
    return copy


def _ask(kind: str, clip: Path, target: Path, number: int) -> None:
    command = [sys.executable, "-m", "himmel.media.excerpt", kind, str(clip), str(target), str(number)]
    # Of our environment the child gets what Python needs to start, and no secrets.
    environment = {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LD_"))}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=SECONDS,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ApiError(400, "invalid_value", "this clip is too long to be turned into that") from None
    if done.returncode == BAD:
        raise ApiError(400, "invalid_value", done.stdout[:300].replace(f"{clip.parent}{os.sep}", ""))
    if done.returncode:
        raise ApiError(400, "invalid_value", "this clip could not be turned into that; try the MP4")
