"""Operator, Workers and Models: who works, how much, with what; how long the queue is, how full the disk.

Owns: these two pages. What they show is measured in ``usage``, ``workers``, ``space`` and ``doctor``.
"""

from __future__ import annotations

import shutil
from typing import Any

from fastapi import APIRouter, Request, Response

from himmel.errors import ApiError
from himmel.studio.accounts import list_accounts
from himmel.studio.api_admin import OthersJob, others_jobs
from himmel.studio.api_models import names_of
from himmel.studio.api_videos import TheServer
from himmel.studio.doctor import look
from himmel.studio.jobs import Status
from himmel.studio.server import Server
from himmel.studio.tables import jobs
from himmel.studio.usage import HOUR, bytes_said, load, worked
from himmel.studio.web import PageRoute, page
from himmel.studio.web_operator import TheOperator
from himmel.studio.workers import State

MOST = 1000
router = APIRouter(prefix="/operator", route_class=PageRoute)


@router.get("/workers")
def workers(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """The workers, those who are there first; the queue and the disk."""
    now = server.queue.now()
    with server.database.read() as connection:
        line, busy = load(connection, now), worked(connection, now)
    running = others_jobs(server, jobs.c.status == Status.IN_PROGRESS, MOST)
    made = {job.worker: OthersJob.of(job) for job in running}
    found = [(row, server.workers.state(row), made.get(row.name), busy[row.name]) for row in server.workers.all()]
    found.sort(key=lambda one: (one[1] == State.GONE, one[0].name))
    told: dict[str, Any] = {"line": line, "workers": found, "hour": HOUR, "draining": server.queue.draining()}
    told["names"] = {row.id: row.name for row in list_accounts(server.database)}
    told["findings"] = list(look(server.settings, server.database))
    return page(request, "operator_workers.html", disk=_disk(server), **told)


@router.get("/models")
def models(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """The server's model and those that workers have, with the names that stand for each."""
    there = [row for row in server.workers.all() if server.workers.state(row) != State.GONE]
    names: dict[str, list[str]] = {server.settings.model: []}
    for name in names_of(server)[1:]:
        names.setdefault(server.settings.model_for(name), []).append(name)
    for row in there:
        names.setdefault(row.model, [])
    found = [(name, names[name], [row for row in there if row.model == name]) for name in names if name]
    speed = {name: server.speeds.average(name) for name in names}
    return page(request, "operator_models.html", models=found, speed=speed, promised=server.settings.model)


def _disk(server: Server) -> dict[str, Any] | None:
    """The disk of the clips, or of the data folder where they lie in a bucket; None where it cannot be looked at."""
    try:
        server.space.free()
        needed = server.space.needed()
    except ApiError:
        return None
    disk = shutil.disk_usage(server.storage.folder or server.storage.data_dir)
    told = {"used": disk.used, "free": disk.free, "total": disk.total, "needed": needed, "kept": server.space.reserve}
    return {name: bytes_said(count) for name, count in told.items()} | {"share": disk.used / disk.total}
