"""Links to a clip for whoever has them: made and ended on the Clip page, and the page that they lead to.

Owns: these forms, and the one page that shows a clip without an account. What a link is good for stands in ``shares``.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.content import as_long_as
from himmel.studio.onlookers import file_for_others
from himmel.studio.recipes import asked_for_others
from himmel.studio.shares import end_link, make_link, shared_clip
from himmel.studio.web import PageRoute, TheVisitor, form_of, go_to, page, page_language
from himmel.studio.web_clip import clip_page

UNLISTED = {"x-robots-tag": "noindex, nofollow, noarchive"}  # what search engines may do with it
router = APIRouter(route_class=PageRoute)


@router.post("/clips/{video_id}/share")
async def make(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Make a link, and show it: only now."""
    await form_of(request, visitor)

    def made() -> Response:
        token = make_link(server.database, visitor.caller.account_id, video_id)
        link = f"{str(request.base_url).rstrip('/')}/s/{token}"
        return clip_page(request, server, visitor, video_id, link)

    return await run_in_threadpool(made)


@router.post("/clips/{video_id}/share/end")
async def end(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """End a link, at once and for good."""
    number = str((await form_of(request, visitor)).get("share", ""))
    await run_in_threadpool(end_link, server.database, visitor.caller.account_id, video_id, number)
    return go_to(f"/clips/{video_id}")


@router.get("/s/{token}")
def shared(token: str, request: Request, server: TheServer) -> Response:
    """The clip and how it was made, for whoever has the link. Raises ApiError (404)."""
    job = shared_clip(server.database, token)
    card = cards_of(server, [job], page_language(request))[0]
    answer = page(request, "shared.html", card=card, home=f"/s/{token}", asked=asked_for_others(job))
    answer.headers.update(UNLISTED)
    return answer


@router.head("/s/{token}/{name}.{ending}")
@router.get("/s/{token}/{name}.{ending}")
def file(token: str, name: str, ending: str, request: Request, server: TheServer) -> Response:
    """The clip, its small pictures, its recipe: as long as the link is good."""

    def look() -> None:
        shared_clip(server.database, token)

    job = shared_clip(server.database, token)
    answer = file_for_others(request, server, job, f"{name}.{ending}", as_long_as(look))
    answer.headers.update(UNLISTED)
    return answer
