"""What changes while a page is open: one stream of events to a browser's tab, and the same to ask for where it breaks.

Owns: these routes. An event's number is the time it tells of. A browser that comes back names the last one it had, and
gets from the database what changed since: no event is kept anywhere, so none can be lost.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from anyio import CapacityLimiter
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from himmel.errors import HimmelError
from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.jobs import FINAL, TURN, Job, Status
from himmel.studio.server import Server
from himmel.studio.tables import jobs
from himmel.studio.together import Together
from himmel.studio.web import HEADERS, PageRoute, TheVisitor, cookie_name, page_language

LOOK_SECONDS = 0.7
SILENT_SECONDS = 15.0  # after which something is said, so that nobody takes the line for dead
CHECK_SECONDS = 5.0  # between two looks whether the session is still good, whatever happens meanwhile
OVERLAP = 15.0  # seconds that are told again: a job's time is taken a moment before it can be read
MOST = 300  # jobs of one account that are told at a time, however long nobody asked
STREAM = {"cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}

Question = tuple[str, float, str]  # account, since when, language
router = APIRouter(route_class=PageRoute)
_looks: WeakKeyDictionary[Server, Together[Question, list[dict[str, Any]]]] = WeakKeyDictionary()


@router.get("/events")
async def stream(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    since: float = Query(default=0.0, ge=0),
    last: float | None = Header(default=None, alias="Last-Event-ID", ge=0),
) -> Response:
    """Events as they come, for as long as the session is good and the server goes on."""
    language = page_language(request)
    began = last or since or server.queue.now()
    events = _events(request, server, visitor.caller.account_id, began, language)
    return StreamingResponse(events, media_type="text/event-stream", headers=STREAM)


@router.get("/events/latest")
async def latest(
    request: Request, server: TheServer, visitor: TheVisitor, since: float = Query(default=0.0, ge=0)
) -> Response:
    """The same at once, for who cannot have a stream."""
    language = page_language(request)
    now = server.queue.now()
    told = await _looking(server).ask((visitor.caller.account_id, since or now, language))
    return Response(json.dumps({"id": f"{now:.3f}", "clips": told}), media_type="application/json", headers=HEADERS)


async def _events(request: Request, server: Server, account_id: str, since: float, language: str) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    known: dict[str, dict[str, Any]] = {}
    silent = unchecked = 0.0
    token = request.cookies.get(cookie_name(request), "")
    while not server.ending.is_set() and not await request.is_disconnected():
        now = server.queue.now()
        if unchecked >= CHECK_SECONDS:
            try:
                await anyio.to_thread.run_sync(server.sessions.visitor, token)
            except HimmelError:
                return
            unchecked = 0.0
        try:
            told = await _looking(server).ask((account_id, since, language))
        except SQLAlchemyError:
            return  # the database is away: the browser comes back
        news = [one for one in told if known.get(one["id"]) != one]
        known |= {one["id"]: one for one in news}
        if news:
            yield f"id: {now:.3f}\nevent: clips\ndata: {json.dumps(news)}\n\n"
            silent = 0.0
        elif silent >= SILENT_SECONDS:
            yield ": still here\n\n"
            silent = 0.0
        since = now
        await anyio.sleep(LOOK_SECONDS)
        silent, unchecked = silent + LOOK_SECONDS, unchecked + LOOK_SECONDS


def _looking(server: Server) -> Together[Question, list[dict[str, Any]]]:
    """One look into the database answers all tabs that ask at the same time."""
    if server not in _looks:
        _looks[server] = Together(lambda asked: _look(server, asked), CapacityLimiter(1))
    return _looks[server]


def _look(server: Server, asked: Sequence[Question]) -> list[list[dict[str, Any]]]:
    """For each account: how its open jobs are getting on, and those that ended or went since a time."""
    since: dict[str, float] = {}
    for account, moment, _ in asked:
        since[account] = min(moment - OVERLAP, since.get(account, moment))
    with server.database.read() as connection:
        found = [job for account, moment in since.items() for job in _changed(connection, account, moment)]
    here = [job for job in found if job.deleted_at is None]
    gone = [job for job in found if job.deleted_at is not None]
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for language in {language for _, _, language in asked}:
        cards = cards_of(server, here, language)
        for account in since:
            mine = [card.told() for card, job in zip(cards, here, strict=True) if job.account_id == account]
            mine += [{"id": job.id, "status": "deleted"} for job in gone if job.account_id == account]
            told[account, language] = mine
    return [told[account, language] for account, _, language in asked]


def _changed(connection: Connection, account_id: str, since: float) -> list[Job]:
    """The account's jobs that run, that ended or went since a time, and that wait: in this order, as far as to MOST."""
    ended = (jobs.c.completed_at > since) & jobs.c.deleted_at.is_(None)
    which = ended | (jobs.c.deleted_at > since) | (jobs.c.status.not_in(FINAL) & jobs.c.deleted_at.is_(None))
    waits, latest = jobs.c.status == Status.QUEUED, func.coalesce(jobs.c.deleted_at, jobs.c.completed_at)
    query = select(jobs).where(jobs.c.account_id == account_id, which)
    in_order = query.order_by(waits, jobs.c.completed_at.is_not(None), latest.desc(), *TURN)
    return [Job.of(row) for row in connection.execute(in_order.limit(MOST))]
