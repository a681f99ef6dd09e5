"""What a job is, and what may become of it.

Owns: the states, the legal moves between them, and reading jobs. Nobody else writes a status; so it is here that a
move is logged, and told to the table of workers.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from himmel.studio import workers
from himmel.studio.database import after_commit, some_of
from himmel.studio.tables import jobs, previews

log = logging.getLogger("himmel.jobs")


class Status(StrEnum):
    """The four words of the Videos API. A cancelled job is a failed one whose error code says "cancelled"."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


MOVES = {
    Status.QUEUED: {Status.IN_PROGRESS, Status.FAILED},
    Status.IN_PROGRESS: {Status.IN_PROGRESS, Status.QUEUED, Status.COMPLETED, Status.FAILED},
    Status.COMPLETED: set[Status](),
    Status.FAILED: {Status.QUEUED},  # by an operator who has it tried again, see ``Queue.retry``
}
EVENTS = {  # what the log says of a move
    Status.QUEUED: "lost lease",
    Status.IN_PROGRESS: "claimed",
    Status.COMPLETED: "finished",
    Status.FAILED: "failed",
}
FINAL = frozenset({Status.COMPLETED, Status.FAILED})  # where nothing happens to a job of itself
TURN = (jobs.c.priority.desc(), jobs.c.number)  # the order in which an account's waiting jobs are served


@dataclass(frozen=True)
class Job:
    """A row of the table, see there."""

    id: str
    account_id: str
    key_id: str | None
    number: int
    status: Status
    request: dict[str, Any]
    parent_id: str | None
    group_id: str | None
    priority: int
    cost: float
    created_at: float
    started_at: float | None
    completed_at: float | None
    progress: int
    attempts: int
    lost: int
    worker: str | None
    lease_until: float | None
    error_code: str | None
    error_message: str | None
    state_digest: str | None
    results: dict[str, str]
    details: dict[str, Any]
    idempotency_key: str | None
    body_digest: str | None
    deleted_at: float | None

    @classmethod
    def of(cls, row: Row[Any]) -> Job:
        values = {name: getattr(row, name) for name in FIELDS}
        return cls(**{**values, "status": Status(row.status)})


FIELDS = tuple(field.name for field in fields(Job))


def find(connection: Connection, job_id: str, account_id: str | None = None, *, lock: bool = False) -> Job | None:
    """A job by its number; None where there is none, where it was deleted, or where it is another account's.

    With ``lock`` nobody else changes it until the transaction ends.
    """
    query = select(jobs).where(jobs.c.id == job_id, jobs.c.deleted_at.is_(None))
    if account_id is not None:
        query = query.where(jobs.c.account_id == account_id)
    return first(connection, query.with_for_update() if lock else query)


def siblings(connection: Connection, found: Collection[Job]) -> dict[str, list[str]]:
    """By job: the numbers of all that its request asked for, its own among them, in the order of their seeds.

    Only of jobs that are not alone.
    """
    groups = {job.id: job.group_id or job.id for job in found if job.request.get("n", 1) > 1}
    if not groups:
        return {}
    together = func.coalesce(jobs.c.group_id, jobs.c.id).label("together")
    mine = some_of(set(groups.values()))
    wanted = (jobs.c.id.in_(mine) | jobs.c.group_id.in_(mine)) & jobs.c.deleted_at.is_(None)
    members: dict[str, list[str]] = {group: [] for group in mine}
    for row in connection.execute(select(jobs.c.id, together).where(wanted).order_by(jobs.c.number)):
        members[row.together].append(row.id)
    return {job_id: members[group] for job_id, group in groups.items()}


def preview_of(connection: Connection, job_id: str) -> bytes | None:
    """How a clip looks that is being made, a small WebP; None where nothing is to be seen."""
    return connection.scalar(select(previews.c.picture).where(previews.c.job_id == job_id))


def find_all(connection: Connection, job_ids: Collection[str]) -> list[Job]:
    """The jobs of these numbers that there are, whoever's they are."""
    query = select(jobs).where(jobs.c.id.in_(some_of(job_ids)), jobs.c.deleted_at.is_(None))
    return [Job.of(row) for row in connection.execute(query)]


def first(connection: Connection, query: Select[Any]) -> Job | None:
    """The first job of a query on the table."""
    row = connection.execute(query.limit(1)).first()
    return Job.of(row) if row else None


def move(connection: Connection, job: Job, to: Status, **changes: object) -> bool:
    """Change a job's status, and with it what else changes; False where somebody else has moved it meanwhile.

    Raises ValueError for a move that is not legal: that is a mistake of ours, not of a user.
    """
    if to not in MOVES[job.status]:
        raise ValueError(f"a job that is {job.status} cannot become {to}")
    # Status and attempts together fence: who has lost its lease knows an older number.
    same = (jobs.c.id == job.id) & (jobs.c.status == job.status) & (jobs.c.attempts == job.attempts)
    if connection.execute(update(jobs).where(same).values(status=to, **changes)).rowcount != 1:
        return False
    if to != job.status:
        _follow(connection, job, to, changes)
    return True


def _follow(connection: Connection, job: Job, to: Status, changes: Mapping[str, object]) -> None:
    """What else a move brings with it: its worker's row, and a line of the log."""
    code = changes.get("error_code")
    if to == Status.IN_PROGRESS:
        workers.took(connection, str(changes["worker"]), job.id)
    elif job.worker and job.status == Status.IN_PROGRESS:
        failed = to == Status.FAILED and code != "cancelled"
        workers.released(connection, job.worker, job.id, done=to == Status.COMPLETED, failed=failed)
    told = {"worker": changes.get("worker") or job.worker, "error_code": code, "seconds": changes.get("cost")}
    event = "retried" if job.status == Status.FAILED else "cancelled" if code == "cancelled" else EVENTS[to]
    tell(connection, job, event, **told)


def tell(connection: Connection, job: Job, event: str, **fields: object) -> None:
    """Log what became of a job, when it is kept. ``fields`` as ``himmel.logs`` names them."""
    told = {"job_id": job.id, "account_id": job.account_id, **fields}
    after_commit(connection, lambda: log.info(event, extra=told))
