"""Where waiting jobs stand: how many are served before each, and when each may be done.

Owns: this reckoning. What the account itself has waiting is read as it is now. What the others have waiting may be a
second old: hundreds of clients ask once a second each, and would otherwise read every account every time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, func, select

from himmel.studio.database import some_of
from himmel.studio.jobs import FINAL, TURN, Job, Status
from himmel.studio.tables import accounts, jobs

LEAST_COST = 1e-6  # compute-seconds: nothing is divided by zero


@dataclass(frozen=True)
class Place:
    """Where a job stands: how many will be served before it, and the seconds until its end, from … to."""

    ahead: int
    seconds: tuple[float, float]


@dataclass(frozen=True)
class Line:
    """All accounts that had something waiting at one moment: what they were served, and what waits."""

    read_at: float
    index: dict[str, int]
    served: np.ndarray
    weight: np.ndarray
    queued: np.ndarray
    mean: np.ndarray  # compute-seconds of a waiting job

    def before(self, start: float, account_id: str) -> tuple[int, float]:
        """How many jobs of other accounts, and of what cost, go before one whose turn comes at a virtual time."""
        counts = np.clip(np.ceil((start - self.served) * self.weight / self.mean), 0, self.queued)
        if account_id in self.index:
            counts[self.index[account_id]] = 0
        return int(counts.sum()), float(counts @ self.mean)


class Places:
    """The places of one server's jobs; ``now`` as the queue's. Others are read again after ``seconds``."""

    def __init__(self, now: Callable[[], float], seconds: float = 1.0) -> None:
        self.now, self.seconds = now, seconds
        self._line: Line | None = None

    def of(self, connection: Connection, found: Sequence[Job], workers: int) -> list[Place | None]:
        """The places of jobs, one for each; None for those that are over."""
        if all(job.status in FINAL for job in found):
            return [None] * len(found)
        own = _own(connection, [job for job in found if job.status == Status.QUEUED])
        line = self._others(connection)
        return [self._place(job, own, line, workers) for job in found]

    def foreseen(self, connection: Connection, account_id: str, cost: float, workers: int) -> tuple[float, float]:
        """Seconds, from … to, until a job would be done that the account asked for now, of these compute-seconds."""
        account = connection.execute(select(accounts).where(accounts.c.id == account_id)).one()
        line = self._others(connection)
        # Who has nothing waiting begins where the queue stands.
        behind = float(line.served.min()) if line.served.size and not account.queued else account.served
        start = max(account.served, behind) + account.queued_cost / account.weight
        _, others = line.before(start, account_id)
        wait = (account.queued_cost + others) / max(1, workers) + cost
        return wait / 2, 2 * wait

    def _place(self, job: Job, own: dict[str, tuple[int, float, float]], line: Line, workers: int) -> Place | None:
        if job.status in FINAL:
            return None
        if job.status == Status.QUEUED and job.id in own:
            count, cost, start = own[job.id]
            others, others_cost = line.before(start, job.account_id)
            wait = (cost + others_cost) / max(1, workers) + job.cost
            return Place(count + others, (wait / 2, 2 * wait))
        left = max(0.0, job.cost - max(0.0, self.now() - (job.started_at or self.now())))
        return Place(0, (left / 2, 2 * left))

    def _others(self, connection: Connection) -> Line:
        line, moment = self._line, time.monotonic()
        if line is None or moment - line.read_at >= self.seconds:
            columns = (accounts.c.id, accounts.c.served, accounts.c.weight, accounts.c.queued, accounts.c.queued_cost)
            rows = connection.execute(select(*columns).where(accounts.c.queued > 0)).all()
            served, weight, queued, cost = np.array([row[1:] for row in rows], float).reshape(-1, 4).T
            mean = np.maximum(LEAST_COST, cost / queued)
            index = {row.id: number for number, row in enumerate(rows)}
            self._line = line = Line(moment, index, served, weight, queued, mean)
        return line


def _own(connection: Connection, waiting: list[Job]) -> dict[str, tuple[int, float, float]]:
    """By job: how many of its account's jobs go before it, what they cost, and the virtual time of its turn."""
    if not waiting:
        return {}
    columns = (
        jobs.c.id,
        (func.row_number().over(partition_by=jobs.c.account_id, order_by=TURN) - 1).label("ahead"),
        (func.sum(jobs.c.cost).over(partition_by=jobs.c.account_id, order_by=TURN) - jobs.c.cost).label("cost"),
        accounts.c.served,
        accounts.c.weight,
    )
    theirs = jobs.c.account_id.in_(some_of({job.account_id for job in waiting})) & (jobs.c.status == Status.QUEUED)
    line = select(*columns).join(accounts, accounts.c.id == jobs.c.account_id).where(theirs).subquery()
    rows = connection.execute(select(line).where(line.c.id.in_(some_of([job.id for job in waiting]))))
    return {row.id: (row.ahead, row.cost, row.served + row.cost / row.weight) for row in rows}
