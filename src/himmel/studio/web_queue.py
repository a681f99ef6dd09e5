"""Queue: what waits and what is being made, what became of it lately, and how to stop it.

Owns: this page.
"""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response
from sqlalchemy import func, select

from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.jobs import FINAL, TURN, Job, Status
from himmel.studio.server import Server
from himmel.studio.tables import jobs
from himmel.studio.web import PageRoute, TheVisitor, page, page_language
from himmel.studio.web_create import says_all
from himmel.studio.web_library import latest

MOST_OPEN, MOST_OVER = 200, 20
router = APIRouter(route_class=PageRoute)


@router.get("/queue")
def queue(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The account's jobs that are not over, in the order of their turn, and the last that are."""
    account, language = visitor.caller.account_id, page_language(request)
    waiting, count = _open(server, account)
    over = latest(server, account, MOST_OVER, jobs.c.status.in_(FINAL))
    cards = cards_of(server, [*waiting, *over], language)
    return page(
        request,
        "queue.html",
        waiting=cards[: len(waiting)],
        more=count - len(waiting),
        over=cards[len(waiting) :],
        in_form={job.id for job in over if says_all(job)},
        once=secrets.token_urlsafe(12),
    )


def _open(server: Server, account_id: str) -> tuple[list[Job], int]:
    """The account's jobs that are not over, what runs first, as far as to MOST_OPEN; and how many there are."""
    which = (jobs.c.account_id == account_id) & jobs.c.status.not_in(FINAL) & jobs.c.deleted_at.is_(None)
    in_order = select(jobs).where(which).order_by(jobs.c.status == Status.QUEUED, *TURN).limit(MOST_OPEN)
    with server.database.read() as connection:
        found = [Job.of(row) for row in connection.execute(in_order)]
        return found, connection.scalar(select(func.count()).select_from(jobs).where(which)) or 0
