"""A server's health, and what to do where something is wrong.

Owns: the checks. Each looks at one thing and says in a line what it found; none changes anything. They need no running
server: a folder that is not one's own, a database of another version, a missing secret are found before they do harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from himmel.errors import ApiError
from himmel.studio.audit import broken, started_with
from himmel.studio.batches import OVER
from himmel.studio.database import Database, is_newer, versions
from himmel.studio.jobs import Status
from himmel.studio.server import DRAINING, address_of
from himmel.studio.settings import FILE, Settings
from himmel.studio.space import Space
from himmel.studio.storage import Storage, reason
from himmel.studio.tables import audit, batches, deliveries, jobs
from himmel.studio.workers import State, Workers

LONG_WAIT = 60.0  # seconds that a job may wait while nobody works, and a lease be over, before that is odd
LATE = 3600.0  # seconds after which something that was due is overdue
STEP = 1.0  # seconds that clocks may differ by
SECRET_BYTES = 32
RESTORE = "restore a backup into a new folder: himmel restore FILE --data-dir FOLDER"


@dataclass(frozen=True)
class Finding:
    """What one check found; ``advice`` is empty where all is well."""

    what: str
    found: str
    advice: str = ""


def examine(
    settings: Settings, models: Collection[str] = (), now: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """All findings from outside, the server running or not. ``models`` are the names of those that are here."""
    yield (folder := _folder(settings))
    if folder.advice:
        return
    yield _secret(settings.data_dir / "pepper")
    database = Database.looked_at(address_of(settings))
    try:
        findings = list(look(settings, database, now))
        yield from findings
        if findings[0].advice:
            return  # nothing more can be read
        yield _damage(database)
        yield _audit(database)
        yield _model(settings, database, models)
        yield _overdue(database, now())
    finally:
        database.close()


def look(settings: Settings, database: Database, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """What is quickly seen, and what a server needs to do its work; the database is the first of it."""
    yield (opened := _database(database))
    storage = Storage(settings.data_dir, settings.storage_url)
    yield _storage(storage)
    if opened.advice:
        return
    if storage.is_marked:
        yield _disk(Space(database, storage, settings.reserve_bytes))
    yield _workers(settings, database, now)
    yield _clock(database, now())


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    if not folder.is_dir():
        return Finding("folder", f"'{folder}' is not there", "name the server's folder: --data-dir FOLDER")
    known = {"himmel.sqlite3", "pepper", "files"}
    if not any((folder / name).exists() for name in known):
        advice = "name the server's folder: --data-dir FOLDER; or make one of it: himmel serve"
        return Finding("folder", f"'{folder}' is no server's: none of {', '.join(sorted(known))} is in it", advice)
    return Finding("folder", f"'{folder}'" + (f", with {FILE}" if (folder / FILE).exists() else ""))


def _secret(path: Path) -> Finding:
    lost = f"take 'pepper' from a backup into '{path.parent}'; without it no key is known, and new ones must be made"
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return Finding("secret", "the file 'pepper' is missing", lost)
    except OSError as error:
        return Finding("secret", f"cannot be read: {error.strerror}", f"let the server's user read '{path}'")
    if len(found) < SECRET_BYTES:
        return Finding("secret", f"is cut short: {len(found)} bytes, not {SECRET_BYTES}", lost)
    if path.stat().st_mode & 0o077:
        return Finding("secret", "others on this machine may read it", f"chmod 600 '{path}'")
    return Finding("secret", "is there, and for its owner only")


def _database(database: Database) -> Finding:
    newest = versions()[0]
    path = Path(str(database.engine.url.database or database.url.removeprefix("sqlite:///")))
    if database.is_sqlite and not path.exists():
        return Finding("database", f"'{path}' is missing", RESTORE)
    try:
        current = database.version()
    except Exception as error:  # whatever is wrong with it
        why = " ".join(str(getattr(error, "orig", None) or error).split())
        advice = f"see that '{path}' can be read; if it is damaged, {RESTORE}"
        advice = advice if database.is_sqlite else "see that it runs, and that the setting 'database_url' is right"
        return Finding("database", f"cannot be opened: {why}", advice)
    if is_newer(current):
        advice = f"install the newer Himmel that made it; or {RESTORE}"
        return Finding("database", f"has version {current}; this Himmel knows {newest} and older", advice)
    if current != newest:
        advice = "back it up, then start the server: it brings it up"
        return Finding("database", f"has version {current}; this Himmel works with {newest}", advice)
    return Finding("database", f"version {current}")


def _damage(database: Database) -> Finding:
    """Reads the whole database, so that it is asked for by people only."""
    if not database.is_sqlite:
        return Finding("pages", "are PostgreSQL's to check")
    try:
        with database.read() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    except Exception as error:  # damage has many faces
        found = str(getattr(error, "orig", error))
    if found != "ok":
        return Finding("pages", f"of the database are damaged: {found}", f"stop the server; {RESTORE}")
    return Finding("pages", "of the database are sound")


def _storage(storage: Storage) -> Finding:
    if not storage.is_marked:
        return Finding("storage", "is made when the server starts")
    try:
        storage.probe()
    except ApiError as error:
        advice = f"see that '{storage.name}' is there and can be written; or bring it back: {RESTORE}"
        return Finding("storage", f"cannot be used: {reason(error.__cause__ or error)}", advice)
    return Finding("storage", "can be used")


def _disk(space: Space) -> Finding:
    try:
        free, needed = min(space.free().values()), space.needed()
        told = f"{free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed for jobs that are not over"
        space.check()
    except ApiError as error:
        if error.status != 507:
            return Finding("disk", "cannot be looked at", "see what is said of the storage")
        return Finding("disk", told, "no new jobs are accepted; make room, or lower the setting 'reserve_bytes'")
    return Finding("disk", told)


def _workers(settings: Settings, database: Database, now: Callable[[], float]) -> Finding:
    workers = Workers(database, settings.lease_seconds, now)
    known = [(row, workers.state(row)) for row in workers.all()]
    living = [row for row, state in known if state != State.GONE]
    with database.read() as connection:
        oldest = connection.scalar(select(func.min(jobs.c.created_at)).where(jobs.c.status == Status.QUEUED))
        promised = started_with(connection).get("model", settings.model)
    if (settings.data_dir / DRAINING).exists():
        return Finding("workers", f"{len(living)} there; jobs are not given out", "go on with: himmel drain --off")
    for row in living:
        if row.model and row.model != promised:
            found = f"'{row.name}' has the model '{row.model}', the server promises '{promised}'"
            advice = f"start it anew with --model {promised}, or change the setting 'model'"
            return Finding("workers", found, advice)
    if oldest is not None and not living and now() - oldest > LONG_WAIT:
        last = f"; one was heard {now() - known[0][0].last_seen:.0f} s ago" if known else ", and never was"
        found = f"a job has waited for {now() - oldest:.0f} s, and no worker is there{last}"
        return Finding("workers", found, "start one with 'himmel worker', or set 'workers' above 0")
    busy = sum(state == State.BUSY for _, state in known)
    return Finding("workers", f"{len(living)} there, {busy} busy" if living else "none was heard lately")


def _clock(database: Database, now: float) -> Finding:
    with database.read() as connection:  # by status, as the index has it
        asked = [select(func.max(jobs.c.created_at)).where(jobs.c.status == status) for status in Status]
        asked.append(select(audit.c.at).order_by(audit.c.number.desc()).limit(1))
        latest = max(connection.scalar(one) or 0.0 for one in asked)
    if latest > now + STEP:
        advice = "set the clock (NTP); leases and waiting times are wrong until then"
        return Finding("clock", f"stands {latest - now:.0f} s before what was written last", advice)
    return Finding("clock", "agrees with what was written")


def _audit(database: Database) -> Finding:
    with database.read() as connection:
        count = connection.scalar(select(func.count()).select_from(audit))
        number = broken(connection)
    if number is not None:
        advice = "somebody changed it around the server: compare it with the audit lines of the log, and with a backup"
        return Finding("audit", f"does not hold together from row {number} on", advice)
    return Finding("audit", f"{count} rows, each follows from the one before")


def _model(settings: Settings, database: Database, models: Collection[str]) -> Finding:
    """A model is known by being installed here, or by a worker elsewhere that has it."""
    workers = Workers(database, settings.lease_seconds)
    elsewhere = [row.name for row in workers.all() if row.model == settings.model]
    if settings.model in models:
        return Finding("model", f"'{settings.model}' is installed")
    if elsewhere and not settings.workers:
        return Finding("model", f"'{settings.model}' is at the worker '{elsewhere[0]}'")
    advice = f"set 'model' to one that is here: {', '.join(sorted(models)) or 'none'}; or 'workers' to 0"
    return Finding("model", f"'{settings.model}' is not installed here", f"{advice}, and start a worker that has it")


def _overdue(database: Database, now: float) -> Finding:
    """What should have ended by itself."""
    due = {
        "leases": (jobs.c.status == Status.IN_PROGRESS) & (jobs.c.lease_until < now - LONG_WAIT),
        "batches": batches.c.status.not_in(OVER) & (batches.c.expires_at < now - LATE),
        "webhooks": deliveries.c.delivered_at.is_(None) & (deliveries.c.next_at < now - LATE),
    }
    with database.read() as connection:
        counts = {what: connection.scalar(select(func.count()).where(is_due)) for what, is_due in due.items()}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    if told:
        return Finding("overdue", told, "start the server, which takes them up; if it runs, its log says what fails")
    return Finding("overdue", "nothing")
