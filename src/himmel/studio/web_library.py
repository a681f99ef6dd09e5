"""Library: the finished clips of an account, found by the words of their prompts, page by page.

Owns: this page, and reading an account's jobs for pages.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import ColumnElement, select

from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.database import jobs
from himmel.studio.jobs import Job, Status
from himmel.studio.server import Server
from himmel.studio.texts import language_of
from himmel.studio.web import PageRoute, TheVisitor, page

TOGETHER = 48  # clips on a page
router = APIRouter(route_class=PageRoute)


@router.get("/library")
def library(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    q: str = Query(default="", max_length=200),
    before: int = Query(default=0, ge=0, le=2**31 - 1),
    deleted: str = Query(default="", max_length=40, pattern=r"^(video_[0-9a-f]{32})?$"),
) -> Response:
    """The newest clips whose prompts hold all words of ``q``, from before a number on."""
    mine = jobs.c.status == Status.COMPLETED
    if before:
        mine &= jobs.c.number < before
    for word in q.split()[:10]:
        mine &= jobs.c.request["prompt"].as_string().icontains(word, autoescape=True)
    found = latest(server, visitor.caller.account_id, TOGETHER + 1, mine)
    language = language_of(request.headers.get("accept-language", ""))
    values: dict[str, Any] = {"q": q, "before": before, "deleted": deleted}
    values["more"] = found[TOGETHER - 1].number if len(found) > TOGETHER else 0
    return page(request, "library.html", cards=cards_of(server, found[:TOGETHER], language), **values)


def latest(server: Server, account_id: str, most: int, which: ColumnElement[bool] | None = None) -> list[Job]:
    """The account's jobs, the newest first."""
    query = select(jobs).where(jobs.c.account_id == account_id, jobs.c.deleted_at.is_(None))
    query = query if which is None else query.where(which)
    with server.database.read() as connection:
        return [Job.of(row) for row in connection.execute(query.order_by(jobs.c.number.desc()).limit(most))]
