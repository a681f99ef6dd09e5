"""Clips that their makers let every member of this server see: published at once, and taken back at once.

Owns: the table of them, and who may read what. A clip is published while it has a row there, is finished and not
deleted, and its maker is not suspended: so a deletion ends it without a word from here. Nobody approves anything, and
nothing is counted. Knows nothing of pages.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, select, tuple_

from himmel.errors import ApiError
from himmel.studio.database import Database
from himmel.studio.jobs import Job, Status, find
from himmel.studio.tables import accounts, jobs, published
from himmel.studio.videos import no_video


@dataclass(frozen=True)
class Published:
    """A clip that every member may read, its maker's name, and since when (seconds since 1970)."""

    job: Job
    maker: str
    at: float

    @classmethod
    def of(cls, row: Row[Any]) -> Published:
        return cls(Job.of(row), row.maker, row.published_at)


def publish(database: Database, account_id: str, job_id: str) -> None:
    """Let every member see a finished clip of the account's; twice is once. Raises ApiError (400, 404)."""
    with database.write() as connection:
        job = find(connection, job_id, account_id, lock=True)
        if job is None:
            raise no_video(job_id)
        if job.status != Status.COMPLETED:
            raise ApiError(400, "video_not_ready", "only a clip that is finished can be published")
        if connection.scalar(select(published.c.job_id).where(published.c.job_id == job_id)) is None:
            connection.execute(published.insert().values(job_id=job_id, published_at=time.time()))


def take_back(database: Database, account_id: str, job_id: str) -> None:
    """Let nobody else see a clip of the account's any more. Raises ApiError (404)."""
    with database.write() as connection:
        if find(connection, job_id, account_id, lock=True) is None:
            raise no_video(job_id)
        connection.execute(delete(published).where(published.c.job_id == job_id))


def newest(database: Database, most: int, before: tuple[float, str] | None = None) -> list[Published]:
    """What was published last, the newest first; ``before`` is the time and the number of the one that comes before."""
    query = _readable().order_by(published.c.published_at.desc(), published.c.job_id.desc()).limit(most)
    if before is not None:
        query = query.where(tuple_(published.c.published_at, published.c.job_id) < tuple_(*before))
    with database.read() as connection:
        return [Published.of(row) for row in connection.execute(query)]


def published_clip(database: Database, job_id: str | None) -> Published | None:
    """One published clip; None for any other."""
    with database.read() as connection:
        row = connection.execute(_readable().where(jobs.c.id == job_id)).first()
    return Published.of(row) if row else None


def find_published(database: Database, job_id: str) -> Published:
    """One published clip. Raises ApiError (404) for any other, the caller's own among them."""
    found = published_clip(database, job_id)
    if found is None:
        raise no_video(job_id)
    return found


def find_readable(database: Database, account_id: str, job_id: str) -> Job:
    """A clip of the account's, or one that is published. Raises ApiError (404)."""
    with database.read() as connection:
        own = find(connection, job_id, account_id)
    return own or find_published(database, job_id).job


def _readable() -> Select[Any]:
    there = (jobs.c.status == Status.COMPLETED) & jobs.c.deleted_at.is_(None) & accounts.c.suspended_at.is_(None)
    query = select(jobs, accounts.c.name.label("maker"), published.c.published_at)
    return query.join(published, published.c.job_id == jobs.c.id).join(accounts).where(there)
