"""What a clip is cut, closed to a loop and blended into, and the other forms that it can be had in.

Owns: these forms of a clip's page. What a timeline is stands in ``timelines``, the other forms in ``excerpts``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from himmel.errors import ApiError
from himmel.studio.api_videos import TheServer
from himmel.studio.auth import Caller
from himmel.studio.excerpts import excerpt
from himmel.studio.jobs import Job
from himmel.studio.server import Server
from himmel.studio.timelines import Kept, Made, Piece, blended, kept_of, make_timeline, seconds_of
from himmel.studio.web import PageRoute, TheVisitor, form_of, once_of_form, went
from himmel.studio.web_library import ID

MADE = ("0", "1", "2", "4")  # seconds before and after what is kept
BRIDGES = ("1", "2", "3")  # seconds that close a loop, or lead from one clip to another
FORMS = {
    "clip.gif": ("gif", "image/gif"),
    "clip.webp": ("webp", "image/webp"),
    "frames.zip": ("frames", "application/zip"),
}
PIECE = 1 << 16  # bytes

router = APIRouter(prefix="/clips/{video_id}", route_class=PageRoute)


@router.post("/recut")
async def recut(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The stretch between two moments, and seconds that are made before and after it."""
    fields = await form_of(request, visitor)

    def pieces(kept: Kept) -> list[Piece]:
        stop = seconds_of(fields["stop"], "stop") if fields.get("stop") else None
        cut = kept_of(server, kept.job.account_id, video_id, seconds_of(fields.get("start") or 0, "start"), stop)
        before, after = (seconds_of(fields.get(name) or 0, name) for name in ("before", "after"))
        if not (before or after) and cut == kept:
            raise ApiError(
                400, "invalid_value", "nothing would change; move an end, or have seconds made", param="start"
            )
        return [*([Made(before)] if before else []), cut, *([Made(after)] if after else [])]

    return await run_in_threadpool(_cut, request, server, visitor.caller, video_id, fields, pieces)


@router.post("/loop")
async def loop(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The clip, and seconds that lead from its end to its beginning."""
    fields = await form_of(request, visitor)

    def pieces(kept: Kept) -> list[Piece]:
        return [kept, Made(seconds_of(fields.get("seconds"), "seconds"))]

    return await run_in_threadpool(lambda: _cut(request, server, visitor.caller, video_id, fields, pieces, loop=True))


@router.post("/blend")
async def blend(video_id: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The clip, going over into another one."""
    fields = await form_of(request, visitor)

    def pieces(kept: Kept) -> list[Piece]:
        other = kept_of(server, kept.job.account_id, _other(fields))
        return blended(kept, other, seconds_of(fields.get("seconds"), "seconds"))

    return await run_in_threadpool(_cut, request, server, visitor.caller, video_id, fields, pieces)


def _other(fields: dict[str, Any]) -> str:
    """The clip to go over into: whose address was typed, else which was chosen. Raises ApiError (400)."""
    if typed := str(fields.get("address") or "").strip():
        found = re.search(ID, typed)
        chosen = found[0] if found else ""
    else:
        chosen = str(fields.get("other") or "")
    if not chosen:
        raise ApiError(400, "invalid_value", "choose a clip", param="other")
    return chosen


def _cut(
    request: Request,
    server: Server,
    caller: Caller,
    video_id: str,
    fields: dict[str, Any],
    pieces: Callable[[Kept], list[Piece]],
    *,
    loop: bool = False,
) -> Response:
    """Make what ``pieces`` makes of the whole clip. Raises ApiError."""
    kept = kept_of(server, caller.account_id, video_id)
    told = {"prompt": str(fields.get("prompt") or "").strip() or kept.job.request["prompt"]}
    once = once_of_form(request.url.path, fields)
    job = make_timeline(server, caller, pieces(kept), told, loop=loop, parent_id=kept.job.id, once=once)
    return went(request, f"/clips/{job.id}")


def other_form(server: Server, job: Job, name: str) -> Response | None:
    """A clip as ``FORMS`` say, or the frame that "frame-12.png" names; None for any other name. Raises ApiError."""
    frame = re.fullmatch(r"frame-(\d{1,5})\.png", name, re.ASCII)
    if name not in FORMS and not frame:
        return None
    kind, media = FORMS.get(name, ("frame", "image/png"))
    made = excerpt(server, job, kind, int(frame[1]) if frame else 1)
    called = f"{job.id}-{name}" if kind.startswith("frame") else f"{job.id}{name.removeprefix('clip')}"
    headers = {
        "content-disposition": f'attachment; filename="{called}"',
        "cache-control": "private, max-age=86400",
        "x-content-type-options": "nosniff",
        "content-length": str(made.seek(0, 2)),
    }
    made.seek(0)
    return StreamingResponse(_pieces(made), headers=headers, media_type=media, background=BackgroundTask(made.close))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
