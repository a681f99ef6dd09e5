"""The sweeper: takes away what has had its time, and deletes the bytes that nothing speaks of any more.

Owns: which files are still spoken of, when finished clips expire, and the order in which all this is looked at.
Bytes without a job or file come from deletions, from workers that lost their lease, and from uploads that were cut
off. They stay for a grace time, see ``storage.GRACE``, and what was deleted may be downloaded to its end in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from himmel.errors import BadRequest
from himmel.studio.batches import OVER
from himmel.studio.jobs import FINAL
from himmel.studio.lock import locked
from himmel.studio.server import Server
from himmel.studio.storage import GRACE, SCRATCH, Entry
from himmel.studio.tables import batches, characters, files, jobs

log = logging.getLogger("himmel.studio")
TOGETHER = 100  # files deleted before it is asked again what is spoken of


@dataclass(frozen=True)
class Swept:
    """What a sweep took away: expired clips, files that nothing spoke of and their bytes, pieces of uploads."""

    expired: int = 0
    files: int = 0
    bytes: int = 0
    pieces: int = 0


def sweep(server: Server, *, dry_run: bool = False, stop: Callable[[], bool] = lambda: False) -> Swept:
    """One round; with ``dry_run`` nothing is changed, ``stop`` ends it early.

    Raises ApiError (503) where the store is not there, BadRequest while a backup or another sweep is at work.
    """
    with _alone(server.settings.data_dir):
        server.storage.check(anew=True)
        done = Swept(expired=_expire(server, dry_run))
        entries = _idle(server)
        while (together := list(islice(entries, TOGETHER))) and not stop():
            with server.database.read() as connection:
                spoken = spoken_of(connection, server.queue.now() - GRACE)
            for entry in together:
                if entry.digest not in spoken and (dry_run or _remove(server, entry)):
                    done = _with(done, entry)
        return done


@contextmanager
def undisturbed(data_dir: Path) -> Iterator[None]:
    """While this block lasts no sweep is at work; waits for one that is."""
    with locked(data_dir / "locks" / "sweep", alone=False):
        yield


def spoken_of(connection: Connection, since: float) -> set[str]:
    """The digests that jobs, files and open batches speak of; those deleted after ``since`` still do."""
    found: set[str] = set()
    kept = jobs.c.deleted_at.is_(None) | (jobs.c.deleted_at > since)
    columns = (jobs.c.results, jobs.c.request["first_frame"], jobs.c.request["parts"], jobs.c.state_digest)
    for results, frame, parts, state in connection.execute(select(*columns).where(kept)):
        found.update(results.values(), filter(None, [frame, state]), _digests(parts, "picture"))
    # The clip that another is made from: also where it was deleted, but no longer than the job may still run.
    sources = select(jobs.c.request["source"].as_string()).where(jobs.c.status.not_in(FINAL))
    found.update(filter(None, connection.scalars(sources)))
    timelines = select(jobs.c.request["parts"]).where(jobs.c.status.not_in(FINAL))
    for parts in connection.scalars(timelines):
        found.update(_digests(parts, "clip", "picture"))
    found.update(connection.scalars(select(characters.c.digest)))
    kept = files.c.deleted_at.is_(None) | (files.c.deleted_at > since)
    needed = select(batches.c.input_file_id).where(batches.c.status.not_in(OVER))
    found.update(connection.scalars(select(files.c.digest).where(kept | files.c.id.in_(needed))))
    return found


def _digests(parts: list[dict[str, Any]] | None, *kinds: str) -> set[str]:
    """The stored files that a job's timeline is put together of."""
    return {part["digest"] for part in parts or () if part["kind"] in kinds}


def _expire(server: Server, dry_run: bool) -> int:
    """Delete the clips that are older than the setting says."""
    lasting = server.settings.retention_seconds
    if not lasting:
        return 0
    expired = server.queue.finished_before(server.queue.now() - lasting)
    for job in expired:
        if not dry_run:
            server.queue.cancel(job.id, job.account_id, delete=True)
    return len(expired)


def _idle(server: Server) -> Iterator[Entry]:
    """What is old enough to go, where nothing speaks of it; foreign files in the store are none of ours."""
    now = server.queue.now()
    with server.database.read() as connection:
        spoken = spoken_of(connection, now - GRACE)
    for entry in server.storage.entries():
        ours = entry.digest or entry.name.startswith(SCRATCH)
        if ours and entry.digest not in spoken and now - entry.modified >= GRACE:
            yield entry


def _remove(server: Server, entry: Entry) -> bool:
    if entry.digest is None:
        server.storage.remove_scratch(entry.name)
        return True
    return server.storage.remove_unused(entry.digest, server.queue.now())


def _with(done: Swept, entry: Entry) -> Swept:
    if entry.digest is None:
        return replace(done, pieces=done.pieces + 1)
    return replace(done, files=done.files + 1, bytes=done.bytes + entry.size)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    try:
        with locked(data_dir / "locks" / "sweep", alone=True, wait=False):
            yield
    except BlockingIOError:
        raise BadRequest("a backup or another sweep is at work; try again when it is done") from None
