"""A server's health, and what to do where something is wrong.

Owns: the checks. Each looks at one thing, changes nothing that matters, and says in a line what it found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select

from himmel.errors import ApiError
from himmel.studio.database import MIGRATIONS, jobs
from himmel.studio.jobs import Status
from himmel.studio.server import Server
from himmel.studio.storage import reason

LONG_WAIT = 60.0  # seconds that a job may wait while nothing runs, before that is odd


@dataclass(frozen=True)
class Finding:
    """What one check found; ``advice`` is empty where all is well."""

    what: str
    found: str
    advice: str = ""


def examine(server: Server, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """All findings, one after the other."""
    yield _database(server)
    yield _storage(server)
    yield _disk(server)
    yield _workers(server, now())
    yield _clock(server, now())


def _database(server: Server) -> Finding:
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    try:
        with server.database.read() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            sound = not server.database.is_sqlite or connection.exec_driver_sql("PRAGMA quick_check").scalar() == "ok"
    except Exception as error:  # whatever is wrong with it
        return Finding("database", f"cannot be read: {error}", "restore a backup: himmel restore FILE")
    if not sound:
        return Finding("database", "is damaged", "stop the server and restore a backup: himmel restore FILE")
    if current != newest:
        return Finding("database", f"has version {current}, not {newest}", "start the server once: it brings it up")
    return Finding("database", f"sound, version {current}")


def _storage(server: Server) -> Finding:
    try:
        server.storage.probe()
    except ApiError as error:
        return Finding("storage", f"cannot be used: {reason(error.__cause__ or error)}", f"see '{server.storage.name}'")
    return Finding("storage", "can be used")


def _disk(server: Server) -> Finding:
    try:
        free, needed = min(server.space.free().values()), server.space.needed()
        told = f"{free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed for jobs that are not over"
        server.space.check()
    except ApiError as error:
        if error.status != 507:
            return Finding("disk", "cannot be looked at", "see what is said of the storage")
        return Finding("disk", told, "no new jobs are accepted; make room, or lower the setting 'reserve_bytes'")
    return Finding("disk", told)


def _workers(server: Server, now: float) -> Finding:
    with server.database.read() as connection:
        oldest = connection.scalar(select(func.min(jobs.c.created_at)).where(jobs.c.status == Status.QUEUED))
    running = server.queue.running()
    if server.queue.draining():
        return Finding("workers", f"{running} jobs run; the server is being drained", "go on with: himmel drain --off")
    if oldest is not None and not running and now - oldest > LONG_WAIT:
        told = f"a job has waited for {now - oldest:.0f} s and none runs"
        return Finding("workers", told, "start one with 'himmel worker', or set 'workers' above 0")
    return Finding("workers", f"{running} jobs run")


def _clock(server: Server, now: float) -> Finding:
    with server.database.read() as connection:
        latest = connection.scalar(select(func.max(jobs.c.created_at))) or 0.0
    if latest > now + 1:
        advice = "set the clock (NTP); leases and waiting times are wrong until then"
        return Finding("clock", f"stands {latest - now:.0f} s before the newest job", advice)
    return Finding("clock", "agrees with the jobs")
