"""What a server measures of itself, in Prometheus' words.

Owns: names and meanings of the metrics. How long requests and claims take is measured as they happen; everything
else is read from the database when it is asked for, so that it is true after a restart too. No prompt, no name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, func, select

from himmel.studio.database import Database
from himmel.studio.jobs import FINAL, Status
from himmel.studio.tables import accounts, deliveries, jobs
from himmel.studio.workers import State, Workers

MOST_ACCOUNTS = 100  # that are shown by themselves, those who were served most; the others together
OTHERS = "others"
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CLAIM_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1)


class Meters:
    """What is measured as it happens; counted from the start of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "himmel_request_seconds",
            "Requests by route and class of status.",
            ["route", "status"],
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self.claims = Histogram(
            "himmel_claim_seconds",
            "How long a worker waits to be given a job, or to hear that there is none.",
            buckets=CLAIM_SECONDS,
            registry=self.registry,
        )


def exposition(meters: Meters, database: Database, workers: Workers, free: int, now: float) -> bytes:
    """All metrics in Prometheus' text format. ``free`` is the bytes that clips have room in."""
    kept = CollectorRegistry()
    kept.register(_Kept(database, workers, free, now))
    return generate_latest(meters.registry) + generate_latest(kept)


class _Kept:
    """What is read from the database."""

    def __init__(self, database: Database, workers: Workers, free: int, now: float) -> None:
        self.database, self.workers, self.free, self.now = database, workers, free, now

    def collect(self) -> Iterator[Metric]:
        with self.database.read() as connection:
            yield from _queue(connection, self.now)
            yield from _shares(connection)
            yield _deliveries(connection)
        yield from _workers(self.workers)
        yield GaugeMetricFamily("himmel_storage_free_bytes", "Room on the disk of the clips.", value=self.free)


def _queue(connection: Connection, now: float) -> Iterator[Metric]:
    by_status = select(jobs.c.status, func.count()).group_by(jobs.c.status)
    counts = {str(status): int(count) for status, count in connection.execute(by_status)}
    oldest = connection.scalar(select(func.min(jobs.c.created_at)).where(jobs.c.status == Status.QUEUED))
    spent = connection.scalar(select(func.sum(jobs.c.cost)).where(jobs.c.status.in_(FINAL)))
    yield _gauges("himmel_jobs", "Jobs by status.", "status", {status: counts.get(status, 0) for status in Status})
    age = now - oldest if oldest is not None else 0.0
    yield GaugeMetricFamily("himmel_queue_age_seconds", "How long the oldest waiting job has waited.", value=age)
    yield CounterMetricFamily("himmel_compute_seconds", "Compute-seconds of all jobs that are over.", value=spent or 0)


def _shares(connection: Connection) -> Iterator[Metric]:
    """Per account what it was served, runs and waits for."""
    mine = select(jobs.c.account_id, func.count()).where(jobs.c.status == Status.IN_PROGRESS)
    running = {str(account): int(n) for account, n in connection.execute(mine.group_by(jobs.c.account_id))}
    by_share = select(accounts.c.id, accounts.c.served, accounts.c.queued).order_by(accounts.c.served.desc())
    served, queued = Counter[str](), Counter[str]()
    for number, row in enumerate(connection.execute(by_share)):
        name = row.id if number < MOST_ACCOUNTS else OTHERS
        served[name] += row.served
        queued[name] += row.queued
    making = Counter[str]()
    for account, count in running.items():
        making[account if account in served else OTHERS] += count
    yield _gauges("himmel_account_served", "Compute-seconds over weight.", "account", served)
    yield _gauges("himmel_account_running", "Jobs being made.", "account", {name: making[name] for name in served})
    yield _gauges("himmel_account_queued", "Waiting jobs.", "account", queued)


def _deliveries(connection: Connection) -> Metric:
    """An event that an endpoint has heard, one that it has still to hear, and one that was laid aside."""
    delivered, planned = deliveries.c.delivered_at.is_not(None), deliveries.c.next_at.is_not(None)
    states = {"delivered": delivered, "outstanding": ~delivered & planned, "dead": ~delivered & ~planned}
    counts = {name: connection.scalar(select(func.count()).where(is_so)) or 0 for name, is_so in states.items()}
    return _gauges("himmel_webhook_deliveries", "Webhook events by what became of them.", "state", counts)


def _workers(workers: Workers) -> Iterator[Metric]:
    rows = workers.all()
    states = [workers.state(row) for row in rows]
    yield _gauges("himmel_workers", "Workers by state.", "state", {state: states.count(state) for state in State})
    done, failed = sum(row.jobs_done for row in rows), sum(row.jobs_failed for row in rows)
    counts = {"completed": done, "failed": failed}
    yield _gauges("himmel_worker_jobs", "Jobs that known workers ended.", "outcome", counts)


def _gauges(name: str, meaning: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family
