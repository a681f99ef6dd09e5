"""The queue: who is served next, by whom, and what happens when a worker falls silent.

Owns: accepting, claiming, leases, finishing, cancelling and fair shares. Where a job stands is told by ``places``.

Shares are fair in compute-seconds (start-time fair queueing, Goyal et al. 1996, by account): every account has a
virtual time, the compute-seconds that it was served over its weight. The account that is furthest behind goes
next, and one that comes back from idling begins where the queue stands, so nobody saves up or falls behind. A
claim is charged by its estimate and corrected by what it really took. Priority counts within an account only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from himmel.errors import ApiError
from himmel.studio.audit import actor, record
from himmel.studio.database import Database
from himmel.studio.jobs import FINAL, TURN, Job, Status, find, first, move, tell
from himmel.studio.limits import check_account_limits, check_limits
from himmel.studio.tables import accounts, jobs, previews, workers
from himmel.studio.webhooks import announce

MOST_LOST_LEASES = 2  # then a job is taken to be what kills its workers
UNDO_SECONDS = 600.0  # a deletion can be taken back for so long; the sweeper leaves the files for longer


class Queue:
    """All jobs of one server.

    ``now`` gives the time in seconds since 1970; while ``draining`` says so, jobs are accepted and none is given out.
    """

    def __init__(
        self,
        database: Database,
        lease_seconds: float,
        most_queued: int,
        now: Callable[[], float] = time.time,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self.database, self.lease_seconds, self.most_queued, self.now = database, lease_seconds, most_queued, now
        self.draining = draining

    def accept(
        self,
        account_id: str,
        requests: list[dict[str, Any]],
        cost: float,
        *,
        key_id: str | None = None,
        parent_id: str | None = None,
        priority: int = 0,
        once: tuple[str, str] | None = None,
    ) -> Job:
        """Keep new jobs, all or none; when this returns, they are on disk. Gives the first of them.

        ``cost`` in compute-seconds, of each; ``once`` an idempotency key and the digest of the body that came with
        it: the same pair gives the job of the first time. Raises ApiError where that key came with another body
        before, where the account has too many jobs waiting, or where it or the API key is at its limits.
        """
        with self.database.write() as connection:
            account = connection.execute(select(accounts).where(accounts.c.id == account_id).with_for_update()).one()
            if once and (known := _accepted_before(connection, account_id, *once)):
                return known
            self._check_room(account.queued, len(requests))
            check_account_limits(connection, account, len(requests), cost, self.now())
            if key_id:
                check_limits(connection, key_id, len(requests), cost, self.now())
            if account.queued == 0:
                _join(connection, account)
            _count(connection, account_id, len(requests), cost)
            values = {"status": Status.QUEUED, "cost": cost, "priority": priority, "parent_id": parent_id}
            key, digest = once or (None, None)
            job = self._insert(
                connection, account_id, requests[0], key_id=key_id, idempotency_key=key, body_digest=digest, **values
            )
            for request in requests[1:]:
                self._insert(connection, account_id, request, key_id=key_id, group_id=job.id, **values)
            return job

    def _check_room(self, waiting: int, more: int) -> None:
        if waiting + more > self.most_queued:
            told = f"{waiting} jobs are waiting already, and {self.most_queued} may; ask again later"
            raise ApiError(429, "too_many_queued", told, retry_after=60)

    def _insert(self, connection: Connection, account_id: str, request: dict[str, Any], **values: object) -> Job:
        """A new row; the account must be locked, for its jobs are numbered."""
        job_id = f"video_{secrets.token_hex(16)}"
        mine = jobs.c.account_id == account_id
        number = (connection.scalar(select(func.max(jobs.c.number)).where(mine)) or 0) + 1
        new = {"id": job_id, "account_id": account_id, "number": number, "request": request}
        new |= {"created_at": self.now(), "progress": 0, "attempts": 0, "results": {}, "details": {}}
        connection.execute(jobs.insert().values(**new | values))
        job = _existing(connection, job_id)
        tell(connection, job, "accepted")
        return job

    def keep(
        self,
        account_id: str,
        request: dict[str, Any],
        results: dict[str, str],
        details: dict[str, Any],
        created_at: float | None,
        once: str,
        **relations: str | None,
    ) -> str:
        """Keep a clip that was made elsewhere, finished from the beginning and free of charge; gives its number.

        The one that is there under this key already is not kept twice, however close together both come.
        """
        now = self.now()
        values = {"status": Status.COMPLETED, "results": results, "details": details, "progress": 100, "cost": 0.0}
        values |= {"created_at": min(now, created_at or now), "completed_at": now, "priority": 0}
        with self.database.write() as connection:
            connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()).one()
            same = (jobs.c.account_id == account_id) & (jobs.c.idempotency_key == once)
            if known := connection.scalar(select(jobs.c.id).where(same, jobs.c.deleted_at.is_(None))):
                return str(known)
            connection.execute(update(jobs).where(same).values(idempotency_key=None))  # it was deleted
            return self._insert(connection, account_id, request, **values, idempotency_key=once, **relations).id

    def kept_before(self, account_id: str, once: str) -> str | None:
        """The number of the clip that was kept under this key, if it is still there."""
        same = (jobs.c.account_id == account_id) & (jobs.c.idempotency_key == once) & jobs.c.deleted_at.is_(None)
        with self.database.read() as connection:
            return connection.scalar(select(jobs.c.id).where(same))

    def claim(self, worker: str) -> Job | None:
        """Lease the next job to a worker; None where nothing waits."""
        if self.draining():
            return None
        self.take_back()
        with self.database.write() as connection:
            # In the order in which jobs end: worker, then account. Nobody waits in a circle.
            connection.execute(select(workers.c.name).where(workers.c.name == worker).with_for_update())
            # Where writers run side by side, rows that another one is at are passed over, not waited for.
            turn = select(accounts).where(accounts.c.queued > 0).order_by(accounts.c.served, accounts.c.id).limit(1)
            account = connection.execute(turn.with_for_update(skip_locked=True)).first()
            if account is None:
                return None
            waiting = select(jobs).where(jobs.c.account_id == account.id, jobs.c.status == Status.QUEUED)
            job = first(connection, waiting.order_by(*TURN).with_for_update(skip_locked=True))
            if job is None:
                if first(connection, waiting) is None:
                    raise RuntimeError(f"account {account.id} counts {account.queued} waiting jobs and has none")
                return None
            return self._lease(connection, job, account, worker)

    def _lease(self, connection: Connection, job: Job, account: Row[Any], worker: str) -> Job:
        now = self.now()
        move(
            connection,
            job,
            Status.IN_PROGRESS,
            attempts=job.attempts + 1,
            worker=worker,
            lease_until=now + self.lease_seconds,
            started_at=now,
            progress=0,
        )
        _count(connection, account.id, -1, job.cost)
        _change(connection, account.id, served=account.served + job.cost / account.weight)
        return _existing(connection, job.id)

    def beat(self, job_id: str, token: int, progress: int, preview: bytes | None = None) -> bool:
        """A worker's sign of life; False where the job is not its own any more: cancelled, deleted or given away.

        ``preview`` is a small WebP of how the clip looks now.
        """
        with self.database.write() as connection:
            job = _leased(connection, job_id, token)
            if job is None:
                return False
            lease = self.now() + self.lease_seconds
            values = {"lease_until": lease, "progress": max(job.progress, min(99, progress))}
            if not move(connection, job, Status.IN_PROGRESS, **values):
                return False
            if preview is not None:
                connection.execute(delete(previews).where(previews.c.job_id == job_id))
                connection.execute(previews.insert().values(job_id=job_id, picture=preview))
            return True

    def keep_state(self, job_id: str, token: int, digest: str) -> bool:
        """Remember the stored file with which another worker can go on; False like ``beat``."""
        with self.database.write() as connection:
            job = _leased(connection, job_id, token)
            return job is not None and move(connection, job, Status.IN_PROGRESS, state_digest=digest)

    def keep_shot(self, job_id: str, token: int, name: str, digest: str) -> bool:
        """Remember a finished shot among the job's results, whatever becomes of the job; False like ``beat``."""
        with self.database.write() as connection:
            job = _leased(connection, job_id, token)
            if job is None:
                return False
            return move(connection, job, Status.IN_PROGRESS, results=job.results | {name: digest})

    def finish(self, job_id: str, token: int, results: dict[str, str], details: dict[str, Any]) -> bool:
        """Publish a result; False where the job is not this worker's any more. Exactly one result is published."""
        with self.database.write() as connection:
            job = _leased(connection, job_id, token)
            if job is None:
                return False
            known = job.results | results
            return self._end(connection, job, Status.COMPLETED, progress=100, results=known, details=details)

    def fail(self, job_id: str, token: int, code: str, message: str) -> bool:
        """End a job with an error; False where it is not this worker's any more."""
        with self.database.write() as connection:
            job = _leased(connection, job_id, token)
            if job is None:
                return False
            return self._end(connection, job, Status.FAILED, error_code=code, error_message=message)

    def cancel(self, job_id: str, account_id: str | None = None, *, delete: bool = False) -> Job | None:
        """End a job (of this account) that is not over, and with ``delete`` take it out of sight; None where none.

        Without an account it is an operator's act, which is kept in the audit log.
        """
        with self.database.write() as connection:
            job = find(connection, job_id, account_id, lock=True)
            if job is None:
                return None
            if job.status not in FINAL:
                why = {"error_code": "cancelled", "error_message": "the job was cancelled"}
                if self._end(connection, job, Status.FAILED, **why) and account_id is None:
                    record(connection, actor(), "job.cancelled", job_id, account=job.account_id)
            ended = _existing(connection, job_id)
            if delete:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(deleted_at=self.now()))
            return ended

    def retry(self, job_id: str, cost: float) -> Job | None:
        """Have a failed job wait once more, which is an operator's act; None where there is none.

        ``cost`` is its estimate in compute-seconds. What the attempts before were charged is given back, as with a lost
        lease: a job is charged for the attempt that ends it. The account's limits are not asked. Raises ApiError (409)
        for a job that did not fail or that was cancelled, so of two who do this at once one is refused.
        """
        with self.database.write() as connection:
            job = find(connection, job_id, lock=True)
            if job is None:
                return None
            if job.status != Status.FAILED or job.error_code == "cancelled":
                what = "cancelled" if job.error_code == "cancelled" else str(job.status)
                raise ApiError(409, "job_not_failed", f"the job is {what}; only one that failed is tried again")
            account = connection.execute(
                select(accounts).where(accounts.c.id == job.account_id).with_for_update()
            ).one()
            _join(connection, account, job.cost)
            anew = {"worker": None, "started_at": None, "completed_at": None, "progress": 0, "lost": 0}
            move(connection, job, Status.QUEUED, cost=cost, error_code=None, error_message=None, **anew)
            _count(connection, job.account_id, 1, cost)
            record(connection, actor(), "job.retried", job_id, account=job.account_id, error_code=job.error_code)
            return _existing(connection, job_id)

    def restore(self, job_id: str, account_id: str) -> bool:
        """Bring back what the account deleted a moment ago; False where there is no such job any more."""
        mine = (jobs.c.id == job_id) & (jobs.c.account_id == account_id)
        with self.database.write() as connection:
            lately = mine & (jobs.c.deleted_at > self.now() - UNDO_SECONDS)
            return connection.execute(update(jobs).where(lately).values(deleted_at=None)).rowcount == 1

    def finished_before(self, moment: float) -> list[Job]:
        """The clips that were done before a time in seconds since 1970, and not deleted."""
        old = (jobs.c.status == Status.COMPLETED) & (jobs.c.completed_at < moment) & jobs.c.deleted_at.is_(None)
        with self.database.read() as connection:
            return [Job.of(row) for row in connection.execute(select(jobs).where(old))]

    def spare(self) -> None:
        """Begin all leases anew: after a pause of the server's, workers need time to be heard again."""
        with self.database.write() as connection:
            lease = self.now() + self.lease_seconds
            running = jobs.c.status == Status.IN_PROGRESS
            connection.execute(update(jobs).where(running).values(lease_until=lease))

    def running(self) -> int:
        """How many jobs are being made."""
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).where(jobs.c.status == Status.IN_PROGRESS)) or 0

    def take_back(self) -> None:
        """Give the jobs of silent workers to others; after two lost leases the job is at fault."""
        self._give_back((jobs.c.status == Status.IN_PROGRESS) & (jobs.c.lease_until < self.now()), 1)

    def release(self, worker: str, *, silent: bool) -> None:
        """Give the jobs of a worker that has ended to others, at once; ``silent`` where nobody had told it to end."""
        self._give_back((jobs.c.status == Status.IN_PROGRESS) & (jobs.c.worker == worker), int(silent))

    def _give_back(self, which: ColumnElement[bool], lost: int) -> None:
        with self.database.read() as connection:
            found = list(connection.scalars(select(jobs.c.id).where(which)))
        for job_id in found:  # one to a transaction: who holds an account never waits for a second job
            self._give_one_back(which & (jobs.c.id == job_id), lost)

    def _give_one_back(self, which: ColumnElement[bool], lost: int) -> None:
        with self.database.write() as connection:
            job = first(connection, select(jobs).where(which).with_for_update())
            if job is None:  # it was heard of meanwhile
                return
            if job.lost + lost >= MOST_LOST_LEASES:
                message = f"its worker fell silent {job.lost + lost} times; the job is not tried again"
                self._end(connection, job, Status.FAILED, error_code="worker_lost", error_message=message)
            elif move(connection, job, Status.QUEUED, lease_until=None, worker=None, progress=0, lost=job.lost + lost):
                _count(connection, job.account_id, 1, job.cost)
                _charge(connection, job.account_id, -job.cost)

    def _end(self, connection: Connection, job: Job, to: Status, **changes: object) -> bool:
        """Bring a job to its end and settle what the account was charged."""
        now = self.now()
        took = max(0.0, now - job.started_at) if job.status == Status.IN_PROGRESS and job.started_at else 0.0
        if not move(connection, job, to, completed_at=now, lease_until=None, cost=took, state_digest=None, **changes):
            return False
        connection.execute(delete(previews).where(previews.c.job_id == job.id))
        if job.status == Status.QUEUED:
            _count(connection, job.account_id, -1, job.cost)
        else:
            _charge(connection, job.account_id, took - job.cost)
        announce(connection, job.account_id, job.id, f"video.{to}", now)
        return True


def _accepted_before(connection: Connection, account_id: str, key: str, digest: str) -> Job | None:
    same = (jobs.c.account_id == account_id) & (jobs.c.idempotency_key == key)
    known = first(connection, select(jobs).where(same))
    if known and known.body_digest != digest:
        raise ApiError(409, "idempotency_key_reused", "this Idempotency-Key came with another body before")
    return known


def _existing(connection: Connection, job_id: str) -> Job:
    return Job.of(connection.execute(select(jobs).where(jobs.c.id == job_id)).one())


def _leased(connection: Connection, job_id: str, token: int) -> Job | None:
    """The job, where it runs and this is the latest claim's token."""
    job = find(connection, job_id)
    return job if job and job.status == Status.IN_PROGRESS and job.attempts == token else None


def _virtual_time(connection: Connection) -> float:
    """Where the queue stands: the account that is furthest behind among those that wait, else the furthest of all."""
    behind = connection.scalar(select(func.min(accounts.c.served)).where(accounts.c.queued > 0))
    return float(behind if behind is not None else connection.scalar(select(func.max(accounts.c.served))) or 0.0)


def _join(connection: Connection, account: Row[Any], given_back: float = 0.0) -> None:
    """Begin where the queue stands, not before, whatever compute-seconds are given back."""
    served = max(account.served - given_back / account.weight, _virtual_time(connection))
    _change(connection, account.id, served=served)


def _count(connection: Connection, account_id: str, jobs_more: int, cost_more: float) -> None:
    values = {"queued": accounts.c.queued + jobs_more, "queued_cost": accounts.c.queued_cost + jobs_more * cost_more}
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(**values))


def _charge(connection: Connection, account_id: str, seconds: float) -> None:
    more = seconds / accounts.c.weight
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(served=accounts.c.served + more))


def _change(connection: Connection, account_id: str, **values: float) -> None:
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(**values))
