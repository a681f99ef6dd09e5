"""The server's time: seconds since 1970 that go on evenly, also when somebody sets the machine's clock.

Owns: noticing that the clock was set, and moving along what is counted from it: leases, what running jobs have taken,
and when webhooks are due. What is told to people (when a job was accepted, when it was done) is as the clock says.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import update

from himmel.studio.database import Database
from himmel.studio.jobs import Status
from himmel.studio.tables import deliveries, jobs

LEAST_STEP = 1.0  # seconds; less is a clock that is kept right


class Clock:
    """One server's time. ``wall`` is the machine's clock, ``steady`` one that nobody sets."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._ahead = wall() - steady()

    def now(self) -> float:
        """Seconds since 1970; between two calls of ``follow`` it goes on evenly."""
        return self._steady() + self._ahead

    def follow(self, database: Database) -> float:
        """Take over what the machine's clock says now; gives the step in seconds, 0 where it was not set.

        The tables and this clock are changed while no other transaction writes, so nobody sees the one without the
        other. Called about once a second.
        """
        if not database.is_sqlite:  # other servers may share it: each goes on evenly from where it began
            return 0.0
        if abs(self._wall() - self.now()) < LEAST_STEP:
            return 0.0
        before = self._ahead
        try:
            with database.write() as connection:
                step = self._wall() - self.now()
                running = update(jobs).where(jobs.c.status == Status.IN_PROGRESS)
                leases = {"lease_until": jobs.c.lease_until + step, "started_at": jobs.c.started_at + step}
                connection.execute(running.values(**leases))
                due = update(deliveries).where(deliveries.c.next_at.is_not(None), deliveries.c.delivered_at.is_(None))
                connection.execute(due.values(next_at=deliveries.c.next_at + step))
                self._ahead += step
        except Exception:
            self._ahead = before
            raise
        return step
