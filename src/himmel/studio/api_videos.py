"""The Videos API: making clips, asking after them, fetching and deleting them.

Owns: these routes. What a body may say stands in ``schemas``, what happens to a job in ``queue``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Row

from himmel.errors import ApiError
from himmel.studio.auth import Caller
from himmel.studio.bodies import read_body
from himmel.studio.characters import find_character
from himmel.studio.content import same_caller, stored_file
from himmel.studio.jobs import FINAL, Job, Status, preview_of
from himmel.studio.openapi import BY_NUMBER, FILE, body
from himmel.studio.pages import ListOf, Wish, page_of, paging
from himmel.studio.remakes import edit_video, extend_video, remix_video
from himmel.studio.schemas import (
    Character,
    CreateVideo,
    Deleted,
    EditVideo,
    ExtendVideo,
    NewCharacter,
    RemixVideo,
    Video,
)
from himmel.studio.server import Server, caller_of, manager_of, operator_of, server_of
from himmel.studio.tables import jobs
from himmel.studio.videos import LONGEST_TEXT, REFERENCE, create_video, find_video, new_character, no_video

MEDIA = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
TEXT = {"type": "string"}
FIRST_FRAME = {
    "anyOf": [
        {"type": "object", "properties": {name: TEXT}, "required": [name], "additionalProperties": False}
        for name in ("file_id", "image_url")
    ]
    + [{"type": "null"}]
}
CREATE = body(CreateVideo, form={REFERENCE: FILE}, json={REFERENCE: FIRST_FRAME})
EDIT, EXTEND = (body(m, "video", form={"video": FILE}, json={"video": BY_NUMBER}) for m in (EditVideo, ExtendVideo))
REMIX = body(RemixVideo, form={}, json={})
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": {kind: {"schema": FILE} for kind in MEDIA.values()}},
    206: {"description": "The part that `range` asked for.", "content": {"video/mp4": {"schema": FILE}}},
    304: {"description": "It is as `if-none-match` says."},
}
PREVIEW: dict[int | str, dict[str, Any]] = {
    200: {"description": "A small picture.", "content": {"image/webp": {"schema": FILE}}}
}

router = APIRouter(prefix="/v1/videos", tags=["videos"])
TheServer = Annotated[Server, Depends(server_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
TheManager = Annotated[Caller, Depends(manager_of)]
TheOperator = Annotated[Caller, Depends(operator_of)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


@router.post("", status_code=201, openapi_extra=CREATE)
async def create(request: Request, server: TheServer, caller: TheCaller, once: Key = None) -> Video:
    """Make a clip from a prompt, and from a first frame where one is given."""
    fields = await read_body(request, server.settings.upload_bytes, LONGEST_TEXT)
    return await run_in_threadpool(lambda: server.shown(create_video(server, caller, fields, once)))


@router.post("/edits", status_code=201, openapi_extra=EDIT)
async def edit(request: Request, server: TheServer, caller: TheCaller, once: Key = None) -> Video:
    """Change a clip by a prompt, all of it or what lies in a box; what lies outside stays as it is."""
    fields = await read_body(request, server.settings.upload_bytes, LONGEST_TEXT)
    return await run_in_threadpool(lambda: server.shown(edit_video(server, caller, fields, once)))


@router.post("/extensions", status_code=201, openapi_extra=EXTEND)
async def extend(request: Request, server: TheServer, caller: TheCaller, once: Key = None) -> Video:
    """Go on from a clip: the answer's clip is the given one and, after it, the new seconds."""
    fields = await read_body(request, server.settings.upload_bytes, LONGEST_TEXT)
    return await run_in_threadpool(lambda: server.shown(extend_video(server, caller, fields, once)))


@router.post("/characters", openapi_extra=body(NewCharacter, "video", form={"video": FILE}))
async def create_character(request: Request, server: TheServer, caller: TheCaller) -> Character:
    """Keep a clip that shows somebody, and the name that prompts call them by."""
    fields = await read_body(request, server.settings.upload_bytes, LONGEST_TEXT)
    return await run_in_threadpool(lambda: Character.of(new_character(server, caller, fields)))


@router.get("/characters/{character_id}")
def get_character(character_id: str, server: TheServer, caller: TheCaller) -> Character:
    """One character."""
    return Character.of(find_character(server.database, caller.account_id, character_id))


@router.post("/{video_id}/remix", status_code=201, openapi_extra=REMIX)
async def remix(video_id: str, request: Request, server: TheServer, caller: TheCaller, once: Key = None) -> Video:
    """Make a clip anew in another way, as far from it as ``strength`` says."""
    fields = await read_body(request, server.settings.upload_bytes, LONGEST_TEXT)

    def remixed() -> Video:
        parent = find_video(server, caller.account_id, video_id)
        return server.shown(remix_video(server, caller, parent, fields, once))

    return await run_in_threadpool(remixed)


@router.get("")
def listed(server: TheServer, caller: TheCaller, wish: Annotated[Wish, Depends(paging(20, 100))]) -> ListOf[Video]:
    """The account's clips, newest first, page by page."""
    there = jobs.c.deleted_at.is_(None)

    def shown(rows: Sequence[Row[Any]]) -> list[Video]:
        return server.all_shown([Job.of(row) for row in rows])

    return page_of(server.database, jobs, there, wish, caller.account_id, shown)


@router.get("/{video_id}")
async def retrieve(video_id: str, server: TheServer, caller: TheCaller, response: Response) -> Video:
    """How a clip is getting on."""
    video = await server.looks.ask((caller.account_id, video_id))
    if video is None:
        raise no_video(video_id)
    if video.status not in FINAL:
        response.headers["openai-poll-after-ms"] = str(server.settings.poll_ms)
    return video


@router.delete("/{video_id}")
def delete(video_id: str, server: TheServer, caller: TheCaller) -> Deleted:
    """Take a clip away; one that is still being made is cancelled."""
    if server.queue.cancel(video_id, caller.account_id, delete=True) is None:
        raise no_video(video_id)
    return Deleted(id=video_id, object="video.deleted")


@router.post("/{video_id}/cancel")
def cancel(video_id: str, server: TheServer, caller: TheCaller) -> Video:
    """Stop making a clip; one that is done stays as it is."""
    job = server.queue.cancel(video_id, caller.account_id)
    if job is None:
        raise no_video(video_id)
    return server.shown(job)


@router.head("/{video_id}/content", include_in_schema=False)
@router.get("/{video_id}/content", response_class=Response, responses=CONTENT)
def content(
    video_id: str,
    request: Request,
    server: TheServer,
    caller: TheCaller,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> Response:
    """The finished clip, its first frame, or its frames on one sheet. Ranges are served."""
    job = find_video(server, caller.account_id, video_id)
    if job.status != Status.COMPLETED:
        raise ApiError(404, "video_not_ready", f"the clip is not there: the job is {job.status}")
    kind = MEDIA[variant]
    name, good = f"{job.id}.{kind.partition('/')[2]}", same_caller(request, server)
    return stored_file(request, server.storage, job.results[variant], kind=kind, name=name, still_good=good)


@router.get("/{video_id}/preview", response_class=Response, responses=PREVIEW)
def preview(video_id: str, server: TheServer, caller: TheCaller) -> Response:
    """How a clip looks that is being made: its latest frame, small."""
    find_video(server, caller.account_id, video_id)
    with server.database.read() as connection:
        picture = preview_of(connection, video_id)
    if picture is None:
        raise ApiError(404, "no_preview", "there is nothing to be seen yet, or the clip is there already")
    return Response(picture, media_type="image/webp", headers={"cache-control": "no-store"})
