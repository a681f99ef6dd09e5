"""What accounts and workers have used: compute-seconds, bytes, hours of work.

Owns: adding this up from jobs, files and the store, for who looks after the server. Knows no prompts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Table, func, select, true

from himmel.errors import ApiError
from himmel.studio.jobs import FINAL, Status
from himmel.studio.server import Server
from himmel.studio.tables import accounts, files, jobs

HOUR = 3600.0
FEW = 50  # files that are asked for one by one; of more, the whole store is listed
# How many bytes files have, by digest: what is in a file never changes, so each is looked at once.
_sizes: WeakKeyDictionary[Server, dict[str, int]] = WeakKeyDictionary()


def computed(connection: Connection, account_id: str | None = None) -> dict[str, float]:
    """Compute-seconds of all jobs that are over, by account, or of this one alone."""
    spent = select(jobs.c.account_id, func.sum(jobs.c.cost)).where(jobs.c.status.in_(FINAL), _of(jobs, account_id))
    return {account: float(seconds) for account, seconds in connection.execute(spent.group_by(jobs.c.account_id))}


def stored(server: Server, account_id: str | None = None) -> dict[str, int] | None:
    """Bytes of clips and files by account, or of this one alone; None where the store cannot be reached.

    What an account has twice is counted once.
    """
    found: dict[str, set[str]] = defaultdict(set)
    with server.database.read() as connection:
        clips = select(jobs.c.account_id, jobs.c.results)
        done = (jobs.c.status == Status.COMPLETED) & jobs.c.deleted_at.is_(None)
        for account, results in connection.execute(clips.where(done, _of(jobs, account_id))):
            found[account].update(results.values())
        brought = select(files.c.account_id, files.c.digest).where(files.c.deleted_at.is_(None))
        for account, digest in connection.execute(brought.where(_of(files, account_id))):
            found[account].add(digest)
    try:
        sizes = _known(server, set().union(*found.values()))
    except ApiError:
        return None
    return {account: sum(sizes[digest] for digest in digests) for account, digests in found.items()}


def _of(table: Table, account_id: str | None) -> ColumnElement[bool]:
    return true() if account_id is None else table.c.account_id == account_id


def _known(server: Server, digests: set[str]) -> dict[str, int]:
    """The sizes of these files; 0 for one that was lost. Raises ApiError (503)."""
    sizes = _sizes.setdefault(server, {})
    missing = digests - set(sizes)
    if len(missing) > FEW:
        for entry in server.storage.entries():
            if entry.digest:
                sizes[entry.digest] = entry.size
        missing -= set(sizes)
    for digest in missing:
        try:
            sizes[digest] = server.storage.size(digest)
        except ApiError as error:
            if error.status != 500:
                raise
            sizes[digest] = 0
    return sizes


def worked(connection: Connection, now: float, seconds: float = HOUR) -> Counter[str]:
    """Seconds within the last ``seconds`` that each worker was at jobs, as far as they were its last attempt."""
    since, total = now - seconds, Counter[str]()
    latest = (jobs.c.status == Status.IN_PROGRESS) | (jobs.c.status.in_(FINAL) & (jobs.c.completed_at > since))
    columns = (jobs.c.worker, jobs.c.started_at, jobs.c.completed_at)
    known = jobs.c.worker.is_not(None) & jobs.c.started_at.is_not(None)
    for worker, begun, ended in connection.execute(select(*columns).where(latest, known)):
        total[worker] += max(0.0, min(now, ended or now) - max(since, begun))
    return total


@dataclass(frozen=True)
class Load:
    """The queue as a whole: jobs that wait and run, and how many seconds the oldest waiting one has waited."""

    queued: int
    running: int
    age: float


def load(connection: Connection, now: float) -> Load:
    """How much there is to do."""
    oldest = select(func.min(jobs.c.created_at)).where(jobs.c.status == Status.QUEUED).scalar_subquery()
    running = select(func.count()).where(jobs.c.status == Status.IN_PROGRESS).scalar_subquery()
    queued = select(func.coalesce(func.sum(accounts.c.queued), 0)).scalar_subquery()
    return Load(*connection.execute(select(queued, running, func.coalesce(now - oldest, 0.0))).one())


def bytes_said(count: float) -> str:
    """Bytes in words: "820 kB", "1.2 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
