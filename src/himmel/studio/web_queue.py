"""Queue: what waits and what is being made, what became of it lately, and how to stop it.

Owns: this page.
"""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response

from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.jobs import FINAL
from himmel.studio.tables import jobs
from himmel.studio.web import PageRoute, TheVisitor, page, page_language
from himmel.studio.web_library import latest

MOST_OPEN, MOST_OVER = 200, 20
router = APIRouter(route_class=PageRoute)


@router.get("/queue")
def queue(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The account's jobs that are not over, in the order of their turn, and the last that are."""
    account, language = visitor.caller.account_id, page_language(request)
    waiting = latest(server, account, MOST_OPEN, jobs.c.status.not_in(FINAL))[::-1]
    over = latest(server, account, MOST_OVER, jobs.c.status.in_(FINAL))
    waiting.sort(key=lambda job: (job.started_at is None, -job.priority, job.number))
    cards = cards_of(server, [*waiting, *over], language)
    return page(
        request,
        "queue.html",
        waiting=cards[: len(waiting)],
        over=cards[len(waiting) :],
        once=secrets.token_urlsafe(12),
    )
