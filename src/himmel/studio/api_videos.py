"""The Videos API: making clips, asking after them, fetching and deleting them.

Owns: these routes. What a body may say stands in ``schemas``, what happens to a job in ``queue``.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from sqlalchemy import select

from himmel.errors import ApiError
from himmel.studio.auth import Caller
from himmel.studio.bodies import read_body
from himmel.studio.database import jobs
from himmel.studio.jobs import FINAL, Job, Status, find
from himmel.studio.schemas import CreateVideo, Deleted, Video, VideoList
from himmel.studio.server import Server, caller_of, server_of
from himmel.studio.videos import create_video, refuse_task

MEDIA = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": CreateVideo.model_json_schema()} for kind in ("multipart/form-data", "application/json")
        },
    }
}

router = APIRouter(prefix="/v1/videos", tags=["videos"])
TheServer = Annotated[Server, Depends(server_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
Found = TypeVar("Found", Job, Video)


@router.post("", status_code=201, openapi_extra=BODY)
async def create(request: Request, server: TheServer, caller: TheCaller) -> Video:
    """Make a clip from a prompt, and from a first frame where one is given."""
    fields = await read_body(request, server.settings.upload_bytes)
    once = request.headers.get("idempotency-key")
    return await run_in_threadpool(lambda: server.shown(create_video(server, caller.account_id, fields, once)))


@router.post("/edits", status_code=201)
async def edit(request: Request, server: TheServer, caller: TheCaller) -> Video:
    """Change a clip by a prompt. No model of ours can yet: the job fails with the code ``task_not_supported``."""
    return await _derived("edit", request, server, caller)


@router.post("/extensions", status_code=201)
async def extend(request: Request, server: TheServer, caller: TheCaller) -> Video:
    """Go on from a clip. No model of ours can yet: the job fails with the code ``task_not_supported``."""
    return await _derived("extend", request, server, caller)


@router.post("/{video_id}/remix", status_code=201)
async def remix(video_id: str, request: Request, server: TheServer, caller: TheCaller) -> Video:
    """Make a clip anew in another way. No model of ours can yet, see :func:`edit`."""
    return await _derived("remix", request, server, caller, video_id)


async def _derived(task: str, request: Request, server: Server, caller: Caller, video_id: str | None = None) -> Video:
    fields = await read_body(request, server.settings.upload_bytes)
    given = fields.get("video")
    parent_id = video_id or (str(given.get("id")) if isinstance(given, dict) else None)

    def refused() -> Video:
        parent = _own(server, caller, parent_id) if parent_id else None
        return server.shown(refuse_task(server, caller.account_id, task, fields, parent))

    return await run_in_threadpool(refused)


@router.get("")
def listed(
    server: TheServer,
    caller: TheCaller,
    after: str | None = None,
    limit: Annotated[int, Query(ge=0, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> VideoList:
    """The account's clips, newest first, page by page."""
    mine = select(jobs).where(jobs.c.account_id == caller.account_id, jobs.c.deleted_at.is_(None))
    with server.database.read() as connection:
        if after:
            cursor = _known(find(connection, after, caller.account_id), after)
            mine = mine.where(jobs.c.number < cursor.number if order == "desc" else jobs.c.number > cursor.number)
        by_age = jobs.c.number.desc() if order == "desc" else jobs.c.number
        rows = connection.execute(mine.order_by(by_age).limit(limit + 1)).all()
    page = [Job.of(row) for row in rows[:limit]]
    return VideoList(
        data=server.all_shown(page),
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        has_more=len(rows) > limit,
    )


@router.get("/{video_id}")
async def retrieve(video_id: str, server: TheServer, caller: TheCaller, response: Response) -> Video:
    """How a clip is getting on."""
    video = _known(await server.looks.ask((caller.account_id, video_id)), video_id)
    if video.status not in FINAL:
        response.headers["openai-poll-after-ms"] = str(server.settings.poll_ms)
    return video


@router.delete("/{video_id}")
def delete(video_id: str, server: TheServer, caller: TheCaller) -> Deleted:
    """Take a clip away; one that is still being made is cancelled."""
    _known(server.queue.cancel(video_id, caller.account_id, delete=True), video_id)
    return Deleted(id=video_id)


@router.post("/{video_id}/cancel")
def cancel(video_id: str, server: TheServer, caller: TheCaller) -> Video:
    """Stop making a clip; one that is done stays as it is."""
    return server.shown(_known(server.queue.cancel(video_id, caller.account_id), video_id))


@router.get("/{video_id}/content")
def content(
    video_id: str,
    server: TheServer,
    caller: TheCaller,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> FileResponse:
    """The finished clip, its first frame, or its frames on one sheet. Ranges are served."""
    job = _own(server, caller, video_id)
    if job.status != Status.COMPLETED:
        raise ApiError(404, "video_not_ready", f"the clip is not there: the job is {job.status}")
    ending = MEDIA[variant].partition("/")[2]
    return FileResponse(
        server.storage.path(job.results[variant]), media_type=MEDIA[variant], filename=f"{video_id}.{ending}"
    )


def _own(server: Server, caller: Caller, video_id: str) -> Job:
    with server.database.read() as connection:
        return _known(find(connection, video_id, caller.account_id), video_id)


def _known(found: Found | None, video_id: str) -> Found:
    if found is None:
        raise ApiError(404, "video_not_found", f"there is no video '{video_id[:80]}'", param="video_id")
    return found
