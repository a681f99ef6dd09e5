"""Clip: one clip, its player, its recipe, where it came from, and what can be made of it.

Owns: this page and what can be done on it. A clip's files are read through its session, not through the API.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import ApiError
from himmel.studio.api_videos import MEDIA, TheServer
from himmel.studio.cards import USUAL_FPS, Card, cards_of
from himmel.studio.content import stored_file
from himmel.studio.jobs import Job, Status, preview_of
from himmel.studio.lineage import lineage_of
from himmel.studio.published import published_clip
from himmel.studio.recipes import asked_of, recipe_of
from himmel.studio.remakes import extend_video, remix_video
from himmel.studio.retries import ask_again, may_again
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.shares import links_of
from himmel.studio.tables import jobs
from himmel.studio.timelines import LEAST_MADE
from himmel.studio.videos import find_video
from himmel.studio.web import (
    PageRoute,
    TheVisitor,
    form_of,
    go_to,
    once_of_form,
    page,
    page_language,
    same_session,
    went,
)
from himmel.studio.web_create import estimate_of, says_all
from himmel.studio.web_library import latest
from himmel.studio.web_recut import BRIDGES, MADE, other_form

STRENGTHS = {"subtle": 0.35, "mild": 0.6, "strong": 0.85}
ADDED = ("2", "4", "8")  # seconds
MOST_BLENDABLE = 24
FILES = {"video.mp4": "video", "thumbnail.webp": "thumbnail", "sheet.jpg": "spritesheet"}

router = APIRouter(prefix="/clips/{video_id}", route_class=PageRoute)


@router.get("")
def clip(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The page of a clip, or of one that is being made. Raises ApiError (404) for anybody else's."""
    return clip_page(request, server, visitor, video_id)


def clip_page(request: Request, server: Server, visitor: Visitor, video_id: str, link: str = "") -> Response:
    """The page; with a link to the clip that was just made. Raises ApiError (404)."""
    account, language = visitor.caller.account_id, page_language(request)
    job = find_video(server, account, video_id)
    kin = lineage_of(server.database, job)
    card, *others = cards_of(server, [job, *kin.all], language)
    by_id = {other.id: other for other in others}
    values: dict[str, Any] = {"card": card, "kin": kin, "strengths": STRENGTHS, "added": ADDED}
    values["above"] = [[by_id[one.id]] for one in kin.above[:-1]]
    if direct := [by_id[one.id] for one in (*kin.above[-1:], *kin.parts)]:
        values["above"].append(direct)
    values["children"] = [by_id[one.id] for one in kin.below]
    values["siblings"] = [by_id.get(number, card) for number in card.video.himmel.siblings]
    values |= {"made_lengths": MADE, "bridges": BRIDGES}
    if card.done:  # nothing is made of one that is not
        values["costs"] = _costs(server, account, float(card.video.seconds), language)
        values["blendable"], values["more_blendable"] = _blendable(server, job, language)
    values["frames"] = max(1, round(float(card.video.seconds) * (card.video.himmel.settings.fps or USUAL_FPS)))
    values["asked"] = asked_of(job)
    values |= {"can_again": may_again(job), "in_form": says_all(job), "once": secrets.token_urlsafe(12)}
    values |= {"link": link, "links": links_of(server.database, job.id)}
    values["published"] = published_clip(server.database, job.id)
    values["origin"] = None if kin.above else published_clip(server.database, job.parent_id)
    return page(request, "clip.html", **values)


@router.get("/card")
def card(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The clip's card alone, for a page that shows it already."""
    job = find_video(server, visitor.caller.account_id, video_id)
    language = page_language(request)
    return page(request, "card.html", card=cards_of(server, [job], language)[0])


@router.head("/{name}.{ending}")
@router.get("/{name}.{ending}")
def file(video_id: str, name: str, ending: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The clip, its first frame, its sheet of frames, its recipe; while it is made, its latest frame."""
    job, asked = find_video(server, visitor.caller.account_id, video_id), f"{name}.{ending}"
    if asked == "preview.webp":
        return _preview(server, job)
    if asked == "recipe.json":
        return _recipe(server, job)
    if (other := other_form(server, job, asked)) is not None:
        return other
    variant = FILES.get(asked)
    if variant is None or job.status != Status.COMPLETED:
        raise no_file()
    called = f"{job.id}.{ending}"
    answer = stored_file(
        request,
        server.storage,
        job.results[variant],
        kind=MEDIA[variant],
        name=called,
        still_good=same_session(request, server),
    )
    if variant != "video":  # pictures never change under their address
        answer.headers["cache-control"] = "private, max-age=86400"
    return answer


@router.post("/again")
async def again(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The same clip once more, or with another seed or other words. Sent twice by one page, it is made once."""
    fields = await form_of(request, visitor)
    once = once_of_form(request.url.path, fields)

    def made() -> Response:
        job, new_seed = find_video(server, visitor.caller.account_id, video_id), fields.get("seed") == "new"
        prompt = str(fields["prompt"]) if "prompt" in fields else None
        other = ask_again(server, visitor.caller, job, new_seed=new_seed, prompt=prompt, once=once)
        return went(request, "/queue" if fields.get("from") == "queue" else f"/clips/{other.id}")

    return await run_in_threadpool(made)


@router.post("/remix")
async def remix(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The clip in another way: as far from it as one of ``STRENGTHS`` says."""
    fields = await form_of(request, visitor)
    once = once_of_form(request.url.path, fields)

    def made() -> Response:
        parent = find_video(server, visitor.caller.account_id, video_id)
        strength = STRENGTHS.get(str(fields.get("strength")), STRENGTHS["mild"])
        body = {"prompt": fields.get("prompt", ""), "strength": strength}
        return went(request, f"/clips/{remix_video(server, visitor.caller, parent, body, once).id}")

    return await run_in_threadpool(made)


@router.post("/extend")
async def extend(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The clip, and what comes after it."""
    fields = await form_of(request, visitor)
    told = {"prompt": fields.get("prompt", ""), "seconds": fields.get("seconds", ""), "video": {"id": video_id}}
    once = once_of_form(request.url.path, fields)
    job = await run_in_threadpool(extend_video, server, visitor.caller, told, once)
    return went(request, f"/clips/{job.id}")


@router.post("/cancel")
async def cancel(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Stop making it; what it was asked for is still to be seen."""
    await form_of(request, visitor)
    account = visitor.caller.account_id
    await run_in_threadpool(find_video, server, account, video_id)
    await run_in_threadpool(server.queue.cancel, video_id, account)
    return go_to("/queue")


@router.post("/delete")
async def delete(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Take it away; for ten minutes it can be brought back."""
    await form_of(request, visitor)
    account = visitor.caller.account_id
    await run_in_threadpool(find_video, server, account, video_id)
    await run_in_threadpool(lambda: server.queue.cancel(video_id, account, delete=True))
    return go_to(f"/library?deleted={video_id}")


@router.post("/restore")
async def restore(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Bring back what was deleted."""
    await form_of(request, visitor)
    if not await run_in_threadpool(server.queue.restore, video_id, visitor.caller.account_id):
        raise ApiError(404, "video_not_found", "there is no such clip any more", param="video_id")
    return go_to(f"/clips/{video_id}")


def no_file() -> ApiError:
    return ApiError(404, "not_found", "there is no such file, or not yet")


def _costs(server: Server, account_id: str, seconds: float, language: str) -> dict[str, str]:
    """By what can be made of a clip of so many seconds: what it would cost, from the least that one may choose."""
    made = {"remix": (seconds, seconds), "recut": (LEAST_MADE, 2 * float(MADE[-1]))}
    made["extend"] = float(ADDED[0]), float(ADDED[-1])
    made["loop"] = made["blend"] = float(BRIDGES[0]), float(BRIDGES[-1])
    return {
        name: estimate_of(server, account_id, {"seconds": least}, 1, language, most)
        for name, (least, most) in made.items()
    }


def _blendable(server: Server, job: Job, language: str) -> tuple[list[Card], bool]:
    """The latest other clips that are finished, and whether there are older ones."""
    which = (jobs.c.status == Status.COMPLETED) & (jobs.c.id != job.id)
    found = latest(server, job.account_id, MOST_BLENDABLE + 1, which)
    return cards_of(server, found[:MOST_BLENDABLE], language), len(found) > MOST_BLENDABLE


def _preview(server: Server, job: Job) -> Response:
    with server.database.read() as connection:
        picture = preview_of(connection, job.id)
    if picture is None:
        raise ApiError(404, "no_preview", "there is nothing to be seen yet, or the clip is there already")
    return Response(picture, media_type="image/webp", headers={"cache-control": "no-store"})


def _recipe(server: Server, job: Job) -> Response:
    """All that is needed to make the clip again, as JSON."""
    content = json.dumps(recipe_of(server, job), ensure_ascii=False, indent=2)
    headers = {"content-disposition": f'attachment; filename="{job.id}.json"', "cache-control": "private, no-cache"}
    return Response(content, media_type="application/json", headers=headers)
