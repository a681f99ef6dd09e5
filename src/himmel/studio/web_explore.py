"""Explore: what members of this server chose to publish, how each was made, and remixing it; publishing itself.

Owns: these pages and forms. Who may read what stands in ``published``. No likes, no counts, no ranking: the newest
comes first.
"""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import ApiError
from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.content import as_long_as
from himmel.studio.onlookers import file_for_others
from himmel.studio.published import find_published, newest, publish, published_clip, take_back
from himmel.studio.recipes import asked_for_others
from himmel.studio.remakes import remix_video
from himmel.studio.web import (
    PageRoute,
    TheVisitor,
    cookie_name,
    form_of,
    go_to,
    once_of_form,
    page,
    page_language,
    went,
)
from himmel.studio.web_clip import STRENGTHS
from himmel.studio.web_create import estimate_of

TOGETHER = 36  # clips on a page
router = APIRouter(route_class=PageRoute)


@router.get("/explore")
def explore(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    before: str = Query(default="", max_length=80, pattern=r"^(\d{1,12}(\.\d{1,12})?_video_[0-9a-f]{32})?$"),
) -> Response:
    """The newest, from before one on: its time and its number."""
    at, _, number = before.partition("_")
    found = newest(server.database, TOGETHER + 1, (float(at), number) if before else None)
    shown = found[:TOGETHER]
    cards = cards_of(server, [one.job for one in shown], page_language(request))
    more = f"{shown[-1].at!r}_{shown[-1].job.id}" if len(found) > TOGETHER else ""
    return page(request, "explore.html", shown=list(zip(cards, shown, strict=True)), more=more, before=before)


@router.get("/explore/{video_id}")
def one(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """A published clip and how it was made. Raises ApiError (404) for any other."""
    found = find_published(server.database, video_id)
    values: dict[str, Any] = {"found": found, "mine": found.job.account_id == visitor.caller.account_id}
    account, language = visitor.caller.account_id, page_language(request)
    values["card"] = card = cards_of(server, [found.job], language)[0]
    values["remix_cost"] = estimate_of(server, account, {"seconds": card.video.seconds}, 1, language)
    values["asked"] = asked_for_others(found.job)
    values["origin"] = published_clip(server.database, found.job.parent_id)
    return page(request, "explored.html", strengths=STRENGTHS, once=secrets.token_urlsafe(12), **values)


@router.head("/explore/{video_id}/{name}.{ending}")
@router.get("/explore/{video_id}/{name}.{ending}")
def file(video_id: str, name: str, ending: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """A published clip, its small pictures, its recipe: as long as it is published and the session good."""
    token = request.cookies.get(cookie_name(request), "")

    def look() -> None:
        server.sessions.visitor(token)
        find_published(server.database, video_id)

    job = find_published(server.database, video_id).job
    return file_for_others(request, server, job, f"{name}.{ending}", as_long_as(look))


@router.post("/explore/{video_id}/remix")
async def remix(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """A clip of the visitor's own, made from a published one; as far from it as the form says."""
    fields = await form_of(request, visitor)
    once = once_of_form(request.url.path, fields)

    def made() -> Response:
        parent = find_published(server.database, video_id).job
        strength = STRENGTHS.get(str(fields.get("strength")), STRENGTHS["mild"])
        body = {"prompt": fields.get("prompt", ""), "strength": strength}
        return went(request, f"/clips/{remix_video(server, visitor.caller, parent, body, once).id}")

    return await run_in_threadpool(made)


@router.post("/clips/{video_id}/publish")
async def change(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Publish a clip of one's own, or take it back; both hold at once."""
    acts = {"publish": publish, "back": take_back}
    act = acts.get(str((await form_of(request, visitor)).get("act", "publish")))
    if act is None:
        raise ApiError(400, "invalid_value", "act: allowed are publish and back")
    await run_in_threadpool(act, server.database, visitor.caller.account_id, video_id)
    return go_to(f"/clips/{video_id}")
