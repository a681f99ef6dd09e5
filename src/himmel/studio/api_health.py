"""Whether the server is alive, whether it can work, and how it is getting on, for machines that ask.

Owns: these routes. Metrics are read from the database when they are asked for, so that they are true after a
restart too; no prompt is in them.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select

from himmel.studio.api_videos import TheServer
from himmel.studio.database import accounts, jobs
from himmel.studio.doctor import examine
from himmel.studio.jobs import Status
from himmel.studio.server import Server

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "A part needs help.", "model": dict[str, str]}})
def ready(server: TheServer, response: Response) -> dict[str, str]:
    """What each part found; 503 where one needs help."""
    findings = list(examine(server))
    if any(finding.advice for finding in findings):
        response.status_code = 503
    return {finding.what: "; ".join(filter(None, (finding.found, finding.advice))) for finding in findings}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(server: TheServer) -> Response:
    """Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(server))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")


class _Collector:
    def __init__(self, server: Server) -> None:
        self.server = server

    def collect(self) -> Iterator[Metric]:
        with self.server.database.read() as connection:
            by_status = select(jobs.c.status, func.count()).group_by(jobs.c.status)
            counts = {str(status): int(count) for status, count in connection.execute(by_status)}
            oldest = connection.scalar(select(func.min(jobs.c.created_at)).where(jobs.c.status == Status.QUEUED))
            spent = connection.scalar(select(func.sum(jobs.c.cost)).where(jobs.c.status == Status.COMPLETED))
            shares = connection.execute(select(accounts.c.id, accounts.c.served, accounts.c.queued)).all()
        family = GaugeMetricFamily("himmel_jobs", "Jobs by status.", labels=["status"])
        for status in Status:
            family.add_metric([status], counts.get(status, 0))
        yield family
        age = self.server.queue.now() - oldest if oldest is not None else 0.0
        yield GaugeMetricFamily("himmel_queue_age_seconds", "How long the oldest waiting job has waited.", value=age)
        yield GaugeMetricFamily("himmel_compute_seconds", "Compute-seconds of all finished jobs.", value=spent or 0.0)
        served = GaugeMetricFamily("himmel_account_served", "Compute-seconds over weight.", labels=["account"])
        queued = GaugeMetricFamily("himmel_account_queued", "Waiting jobs.", labels=["account"])
        for row in shares:
            served.add_metric([row.id], row.served)
            queued.add_metric([row.id], row.queued)
        yield from (served, queued)
