"""Lineage: what a clip came from, what came from it, and what was asked for together with it.

Owns: finding these among the account's own jobs. A clip comes from its parent, and a cut or a storyboard from every
clip that is part of it. What is not shown is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from himmel.studio.database import Database
from himmel.studio.jobs import Job, find, find_all
from himmel.studio.tables import jobs

MOST_STEPS, MOST_PARTS, MOST_CHILDREN = 6, 12, 48  # that are shown of each
LONGEST = 100  # steps back that are counted


@dataclass(frozen=True)
class Lineage:
    """One job's relatives.

    ``above`` is its parent, that one's parent, and so on, the oldest first; ``parts`` are the other clips that are in
    it; ``below`` is what was made of it; ``group`` what was asked for with it. Each ``more`` is how many there are
    beyond these.
    """

    above: list[Job]
    more_above: int
    parts: list[Job]
    more_parts: int
    below: list[Job]
    more_below: int
    group: list[Job]

    @property
    def all(self) -> list[Job]:
        """Every one of them once."""
        return list({job.id: job for job in (*self.above, *self.parts, *self.below, *self.group)}.values())


def lineage_of(database: Database, job: Job) -> Lineage:
    """The relatives of a job, as far as they are its account's and not deleted."""
    with database.read() as connection:
        above, parts = _above(connection, job), _parts(connection, job)
        below, count = _below(connection, job)
        group = job.group_id or job.id
        together = _mine(job) & ((jobs.c.group_id == group) | (jobs.c.id == group))
        rows = connection.execute(select(jobs).where(together, jobs.c.id != job.id).order_by(jobs.c.number))
        return Lineage(
            above[:MOST_STEPS][::-1],
            max(0, len(above) - MOST_STEPS),
            parts[:MOST_PARTS],
            max(0, len(parts) - MOST_PARTS),
            below,
            count - len(below),
            [Job.of(row) for row in rows],
        )


def _above(connection: Connection, job: Job) -> list[Job]:
    """Its parent first."""
    found: dict[str, Job] = {}
    at = job.parent_id
    while at and at not in (job.id, *found) and len(found) < LONGEST:
        parent = find(connection, at, job.account_id)
        if parent is None:
            break
        found[at], at = parent, parent.parent_id
    return list(found.values())


def _parts(connection: Connection, job: Job) -> list[Job]:
    """The clips that are in it, in their order, but for its parent."""
    numbers = dict.fromkeys(part.get("video") for part in job.request.get("parts", ()))
    wanted = [number for number in numbers if number and number != job.parent_id]
    there = {one.id: one for one in find_all(connection, wanted)} if wanted else {}
    return [there[number] for number in wanted if number in there and there[number].account_id == job.account_id]


def _below(connection: Connection, job: Job) -> tuple[list[Job], int]:
    """The latest that were made of it, in the order in which they were asked for; and how many there are."""
    within = jobs.c.request["parts"].as_string().contains(f'"{job.id}"', autoescape=True)
    which = _mine(job) & ((jobs.c.parent_id == job.id) | ((jobs.c.request["task"].as_string() == "timeline") & within))
    latest = select(jobs).where(which).order_by(jobs.c.number.desc()).limit(MOST_CHILDREN)
    found = [Job.of(row) for row in connection.execute(latest)]
    return found[::-1], connection.scalar(select(func.count()).select_from(jobs).where(which)) or 0


def _mine(job: Job) -> ColumnElement[bool]:
    return (jobs.c.account_id == job.account_id) & jobs.c.deleted_at.is_(None)
