"""Who works for the server: every worker that was heard of lately, and what it does.

Owns: the table of workers. A worker's job and its counts change in the transactions that move jobs (``jobs``); that
it was heard is written only every few seconds, so that asking for work in vain costs no writing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, select, update

from himmel.studio.database import Database
from himmel.studio.tables import workers

WRITE_SECONDS = 5.0  # between two notes of the same worker's being heard
MOST_REMEMBERED = 10_000  # workers whose names this process has in mind
FORGET_SECONDS = 30 * 24 * 3600.0  # after which a silent worker is forgotten


class State(StrEnum):
    """What a worker does, as far as is known."""

    IDLE = "idle"
    BUSY = "busy"
    GONE = "gone"  # not heard for longer than a lease


@dataclass(frozen=True)
class Report:
    """What a worker says of itself."""

    name: str
    model: str = ""
    version: str = ""
    device: str = ""
    weights: str = ""  # their hash; empty where a worker is too old to tell it
    turbo_steps: tuple[int, ...] | None = None  # that its model's student knows; None where it is too old to tell it


@dataclass
class Workers:
    """The workers of one server; ``silence`` in seconds is how long one may say nothing."""

    database: Database
    silence: float
    now: Callable[[], float] = time.time
    heard: dict[str, float] = field(default_factory=dict)  # by name, when it was last written down
    told: dict[str, Report] = field(default_factory=dict)  # and what: of that, what is new is written at once

    def report(self, told: Report) -> None:
        """A worker asks for a job."""
        if self._lately(told.name) and self.told.get(told.name) == told:
            return
        if len(self.told) >= MOST_REMEMBERED:
            self.told = {}
        self.told[told.name] = told
        now = self.now()
        values = {name: value for name, value in asdict(told).items() if name in workers.c} | {"last_seen": now}
        with self.database.write() as connection:
            same = workers.c.name == told.name
            if not connection.execute(update(workers).where(same).values(**values)).rowcount:
                connection.execute(delete(workers).where(workers.c.last_seen < now - FORGET_SECONDS))
                new = {"first_seen": now, "jobs_done": 0, "jobs_failed": 0}
                connection.execute(workers.insert().values(**new, **values))

    def turbo_steps(self, model: str) -> list[Collection[int]] | None:
        """What the workers of a model that are there say of Turbo; None where one of them has not said it, or none is.

        Remembered by this process alone: what it has not heard since its start, it does not know.
        """
        there = [row.name for row in self.all() if row.model == model and self.state(row) != State.GONE]
        known = [told.turbo_steps for told in map(self.told.get, there) if told and told.turbo_steps is not None]
        return [*known] if there and len(known) == len(there) else None

    def alive(self, name: str) -> None:
        """A worker that has a job gives a sign of life."""
        if not self._lately(name):
            with self.database.write() as connection:
                connection.execute(update(workers).where(workers.c.name == name).values(last_seen=self.now()))

    def all(self) -> Sequence[Row[Any]]:
        """All that are known, the latest heard first."""
        with self.database.read() as connection:
            return connection.execute(select(workers).order_by(workers.c.last_seen.desc())).all()

    def at_work(self, connection: Connection) -> int:
        """How many workers there are, as far as is known; at least one, for else nothing could be foretold."""
        return max(1, connection.scalar(select(func.count()).where(self._there())) or 0)

    def weights(self, connection: Connection) -> set[str]:
        """Hashes of the weights that a job may be made with now: those of all who are there, else of who was last."""
        latest = select(workers.c.weights).order_by(workers.c.last_seen.desc())
        there = set(connection.scalars(latest.where(self._there())))
        return there or set(connection.scalars(latest.limit(1)))

    def state(self, row: Row[Any]) -> State:
        """What a worker does. One that was heard is written down late, never early."""
        if self.now() - row.last_seen > self.silence + WRITE_SECONDS:
            return State.GONE
        return State.BUSY if row.job_id else State.IDLE

    def _there(self) -> ColumnElement[bool]:
        """Which rows are of workers that were heard lately."""
        return workers.c.last_seen > self.now() - self.silence - WRITE_SECONDS

    def _lately(self, name: str) -> bool:
        """Whether a worker was written down a moment ago; if not, it is taken to be from now on."""
        now = self.now()
        if 0 <= now - self.heard.get(name, -WRITE_SECONDS) < WRITE_SECONDS:
            return True
        self.heard = {known: at for known, at in self.heard.items() if now - at < WRITE_SECONDS} | {name: now}
        return False


def took(connection: Connection, name: str, job_id: str) -> None:
    """A worker has a job now."""
    connection.execute(update(workers).where(workers.c.name == name).values(job_id=job_id))


def released(connection: Connection, name: str, job_id: str, *, done: bool, failed: bool) -> None:
    """A worker has this job no more: it was done, it failed, or it was taken away; it may have another by now."""
    left = case((workers.c.job_id == job_id, None), else_=workers.c.job_id)
    more = {"jobs_done": workers.c.jobs_done + int(done), "jobs_failed": workers.c.jobs_failed + int(failed)}
    connection.execute(update(workers).where(workers.c.name == name).values(job_id=left, **more))
