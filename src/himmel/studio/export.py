"""Everything that an account made, as one zip: clips, and beside each what it was made of and where it stands.

Owns: the form of that zip, which docs/howto/studio.md tells, and making it as it is sent: no more than a piece of one
clip is in memory at a time. ``imports`` reads it. Knows nothing of requests and pages.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, cast

from sqlalchemy import ColumnElement, Row, func, select

from himmel.studio.characters import characters_of
from himmel.studio.database import Database, some_of
from himmel.studio.folders import folders_of, shelved
from himmel.studio.jobs import Job, Status
from himmel.studio.server import Server
from himmel.studio.storage import Storage
from himmel.studio.tables import jobs

FORMAT = 2  # raised whenever a field is added, removed or means something else
INDEX, CLIPS, CAST = "himmel.json", "clips/", "characters/"
TOGETHER = 100  # clips that are read at a time
ASKED = (
    "prompt",
    "negative_prompt",
    "size",
    "seed",
    "steps",
    "guidance",
    "fps",
    "turbo",
    "strength",
    "mask",
    "n",
    "loop",
)


def clips_zip(
    server: Server,
    account_id: str,
    name: str,
    chosen: Sequence[str] | None = None,
    told: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """A zip of all finished clips of an account and its characters, or of the ``chosen`` clips, in pieces.

    None of them is empty; ``told`` hears of every clip that is done. Raises ApiError where the store cannot be read.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(cast("IO[bytes]", pipe), "w") as archive:
        kept = [row.name for row in folders_of(server.database, account_id)]
        shown = characters_of(server.database, account_id) if chosen is None else []
        index = {"format": FORMAT, "account": name, "made_at": round(time.time(), 3), "folders": kept}
        index |= {"characters": [{"id": row.id, "name": row.name, "created_at": row.created_at} for row in shown]}
        archive.writestr(INDEX, _json(index))
        for one in shown:
            yield from _stored(archive, pipe, f"{CAST}{one.id}.mp4", server.storage, one.digest)
        for job, row in _clips(server.database, account_id, chosen):
            files = {"mp4": job.results["video"], "first-frame.png": job.request.get("first_frame")}
            for number, part in enumerate(job.request.get("parts", ())):
                files[f"part-{number}.png"] = part["digest"] if part["kind"] == "picture" else None
            archive.writestr(f"{CLIPS}{job.id}.json", _json(told_of(job, row)))
            for ending, digest in files.items():
                if digest:
                    yield from _stored(archive, pipe, f"{CLIPS}{job.id}.{ending}", server.storage, digest)
            told()
    if rest := pipe.taken():
        yield rest


def told_of(job: Job, row: Row[Any] | None) -> dict[str, Any]:
    """What the zip says of a clip; ``row`` is what ``folders.shelved`` knows of it."""
    request = job.request
    return {
        "id": job.id,
        "created_at": job.created_at,
        "model": request["asked_model"],
        "task": request.get("task", "create"),
        "seconds": request["asked_seconds"],
        **{name: request.get(name) for name in ASKED},
        "parts": [
            {name: value for name, value in part.items() if name != "digest"} for part in request.get("parts", ())
        ],
        "shots": [shot["parts"] for shot in request.get("shots", ())],
        "characters": request.get("characters", []),
        "native_size": job.details.get("native_size"),
        "settings": job.details.get("settings"),
        "parent_id": job.parent_id,
        "group_id": job.group_id,
        "starred_at": row.starred_at if row else None,
        "folder": row.folder if row else None,
    }


def count_of(database: Database, account_id: str) -> int:
    """How many finished clips an account has."""
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(jobs).where(_finished(account_id))) or 0


def _finished(account_id: str) -> ColumnElement[bool]:
    return (jobs.c.account_id == account_id) & (jobs.c.status == Status.COMPLETED) & jobs.c.deleted_at.is_(None)


def _clips(database: Database, account_id: str, chosen: Sequence[str] | None) -> Iterator[tuple[Job, Row[Any] | None]]:
    """The clips in the order in which they were asked for, a page at a time."""
    mine = _finished(account_id)
    if chosen is not None:
        mine &= jobs.c.id.in_(some_of(chosen))
    last = 0
    while True:
        query = select(jobs).where(mine, jobs.c.number > last).order_by(jobs.c.number).limit(TOGETHER)
        with database.read() as connection:
            found = [Job.of(row) for row in connection.execute(query)]
            kept = shelved(connection, [job.id for job in found])
        if not found:
            return
        yield from ((job, kept.get(job.id)) for job in found)
        last = found[-1].number


def _stored(archive: zipfile.ZipFile, pipe: _Pipe, name: str, storage: Storage, digest: str) -> Iterator[bytes]:
    """A file of the store put into the zip as it is: clips and pictures are packed already."""
    entry = zipfile.ZipInfo(name, time.localtime()[:6])
    entry.file_size = storage.size(digest)  # so that large ones get the fields that they need
    with archive.open(entry, "w") as target:
        for chunk in storage.chunks(digest):
            target.write(chunk)
            if piece := pipe.taken():
                yield piece


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


class _Pipe:
    """What a zip is written to: holds what nobody has taken yet."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()

    def write(self, data: bytes, /) -> int:
        return self.buffer.write(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        found = self.buffer.getvalue()
        self.buffer = io.BytesIO()
        return found
