"""What a job is, and what may become of it.

Owns: the states, the legal moves between them, and reading jobs. Nobody else writes a status.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from himmel.studio.database import jobs


class Status(StrEnum):
    """The four words of the Videos API. A cancelled job is a failed one whose error code says "cancelled"."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


MOVES = {
    Status.QUEUED: {Status.IN_PROGRESS, Status.FAILED},
    Status.IN_PROGRESS: {Status.QUEUED, Status.COMPLETED, Status.FAILED},
    Status.COMPLETED: set[Status](),
    Status.FAILED: set[Status](),
}
FINAL = frozenset(status for status, following in MOVES.items() if not following)


@dataclass(frozen=True)
class Job:
    """A row of the table, see there."""

    id: str
    account_id: str
    number: int
    status: Status
    request: dict[str, Any]
    parent_id: str | None
    priority: int
    cost: float
    created_at: float
    started_at: float | None
    completed_at: float | None
    progress: int
    attempts: int
    worker: str | None
    lease_until: float | None
    error_code: str | None
    error_message: str | None
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


def find(connection: Connection, job_id: str, account_id: str | None = None) -> Job | None:
    """A job by its number; None where there is none, where it was deleted, or where it is another account's."""
    query = select(jobs).where(jobs.c.id == job_id, jobs.c.deleted_at.is_(None))
    if account_id is not None:
        query = query.where(jobs.c.account_id == account_id)
    return first(connection, query)


def find_all(connection: Connection, job_ids: Collection[str]) -> list[Job]:
    """The jobs of these numbers that there are, whoever's they are."""
    query = select(jobs).where(jobs.c.id.in_(job_ids), jobs.c.deleted_at.is_(None))
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
    return connection.execute(update(jobs).where(same).values(status=to, **changes)).rowcount == 1
