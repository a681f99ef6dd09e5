"""Operator, Queue: the jobs of all accounts, by account, stopping them, and trying those again that failed; giving out
none for a while.

Owns: this page. Of others' jobs it knows what ``/v1/admin/jobs`` tells: prompts are not in it.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import ColumnElement, select

from himmel.errors import ApiError
from himmel.studio.accounts import find_account, list_accounts
from himmel.studio.api_admin import OthersJob, others_jobs
from himmel.studio.api_videos import TheServer
from himmel.studio.jobs import FINAL, Status
from himmel.studio.retries import failed_jobs, retry_job
from himmel.studio.server import Server, set_draining
from himmel.studio.tables import jobs
from himmel.studio.usage import load
from himmel.studio.web import PageRoute, form_of, go_to, page
from himmel.studio.web_operator import TheOperator, asked_first

HERE = "/operator/queue"
MOST, MOST_OF_ONE, MOST_FAILED = 1000, 12, 20  # jobs that are looked at, and shown of an account, and that failed
router = APIRouter(prefix=HERE, route_class=PageRoute)


@router.get("")
def queue(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """What runs and waits, by account, those first whose turn is next; and what failed lately."""
    now = server.queue.now()
    open_jobs = _jobs(server, jobs.c.status.not_in(FINAL), MOST)
    rows = {row.id: row for row in list_accounts(server.database)}
    mine: dict[str, list[OthersJob]] = {}
    for job in open_jobs:
        mine.setdefault(job.account_id, []).append(job)
    known = sorted(set(mine) & set(rows), key=lambda number: (rows[number].served, number))
    with server.database.read() as connection:
        line = load(connection, now)
    told: dict[str, Any] = {
        "accounts": rows,
        "groups": [(rows[number], mine[number]) for number in known],
        "line": line,
    }
    told |= {"most": MOST_OF_ONE, "failed": [OthersJob.of(job) for job in failed_jobs(server, MOST_FAILED)]}
    return page(request, "operator_queue.html", draining=server.queue.draining(), **told)


@router.post("/cancel")
async def cancel(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Stop somebody's job, once that was asked."""
    fields = await form_of(request, visitor)
    number = str(fields.get("job", ""))[:80]
    if asking := asked_first(request, fields, "cancel", number, HERE):
        return asking
    if await run_in_threadpool(server.queue.cancel, number) is None:
        raise ApiError(404, "job_not_found", f"there is no job '{number}'")
    return go_to(HERE)


@router.post("/cancel-all")
async def cancel_all(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Stop all that waits of one account, once that was asked; what runs goes on."""
    fields = await form_of(request, visitor)
    account = await run_in_threadpool(find_account, server.database, str(fields.get("account", "")))
    if asking := asked_first(request, fields, "cancel-all", account.name, HERE):
        return asking

    def cancelled() -> None:
        mine = (jobs.c.account_id == account.id) & (jobs.c.status == Status.QUEUED)
        with server.database.read() as connection:
            found = list(connection.scalars(select(jobs.c.id).where(mine, jobs.c.deleted_at.is_(None))))
        for number in found:
            server.queue.cancel(number)

    await run_in_threadpool(cancelled)
    return go_to(HERE)


@router.post("/retry")
async def retry(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Have somebody's failed job tried once more."""
    fields = await form_of(request, visitor)
    await run_in_threadpool(retry_job, server, str(fields.get("job", ""))[:80])
    return go_to(HERE)


@router.post("/drain")
async def drain(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Give out no more jobs, or give them out again."""
    fields = await form_of(request, visitor)
    await run_in_threadpool(set_draining, server, fields.get("draining") == "1")
    return go_to("/operator/settings" if fields.get("from") == "settings" else HERE)


def _jobs(server: Server, which: ColumnElement[bool], most: int) -> list[OthersJob]:
    """Jobs with no more than operators may see."""
    return [OthersJob.of(job) for job in others_jobs(server, which & jobs.c.deleted_at.is_(None), most)]
