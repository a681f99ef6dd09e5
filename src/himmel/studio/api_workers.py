"""What workers say to the server: give me a job, I am alive, here is the clip.

Owns: these routes. A job's token is the number of its claim; whoever lost its lease has an older one and is
answered 409 from then on.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from himmel.errors import ApiError
from himmel.studio.api_videos import MEDIA, TheServer
from himmel.studio.jobs import find
from himmel.studio.server import check_worker

router = APIRouter(prefix="/workers", tags=["workers"], dependencies=[Depends(check_worker)])


class Claim(BaseModel):
    """Who wants a job."""

    worker: str = Field(min_length=1, max_length=80)


class Leased(BaseModel):
    """A job for a worker."""

    id: str
    token: int
    request: dict[str, Any]
    lease_seconds: float


class Beat(BaseModel):
    """A sign of life."""

    token: int
    progress: int = Field(ge=0, le=100)


class Failure(BaseModel):
    """Why a worker could not make a clip."""

    token: int
    code: str = Field(max_length=64)
    message: str = Field(max_length=2000)


@router.post("/claim", responses={204: {"description": "nothing waits"}})
def claim(body: Claim, server: TheServer, response: Response) -> Leased | None:
    job = server.queue.claim(body.worker)
    if job is None:
        response.status_code = 204
        return None
    return Leased(id=job.id, token=job.attempts, request=job.request, lease_seconds=server.settings.lease_seconds)


@router.post("/jobs/{job_id}/beat", status_code=204)
def beat(job_id: str, body: Beat, server: TheServer) -> None:
    _still_its_own(server.queue.beat(job_id, body.token, body.progress))


@router.get("/jobs/{job_id}/first-frame")
def first_frame(job_id: str, token: int, server: TheServer) -> FileResponse:
    with server.database.read() as connection:
        job = find(connection, job_id)
    _still_its_own(job is not None and job.attempts == token)
    if job is None or not job.request["first_frame"]:
        raise ApiError(404, "no_first_frame", "this job has no first frame")
    return FileResponse(server.storage.path(job.request["first_frame"]))


@router.post("/jobs/{job_id}/result", status_code=204)
def result(
    job_id: str,
    server: TheServer,
    token: Annotated[int, Form()],
    details: Annotated[str, Form(max_length=100_000)],
    video: Annotated[UploadFile, File()],
    thumbnail: Annotated[UploadFile, File()],
    spritesheet: Annotated[UploadFile, File()],
) -> None:
    try:
        told = dict(json.loads(details))
    except (ValueError, TypeError, RecursionError):
        raise ApiError(400, "invalid_json", "details: this is no JSON object", param="details") from None
    parts = {"video": video, "thumbnail": thumbnail, "spritesheet": spritesheet}
    assert parts.keys() == MEDIA.keys()
    digests = {name: server.storage.put(part.file) for name, part in parts.items()}
    _still_its_own(server.queue.finish(job_id, token, digests, told))
    with server.database.read() as connection:
        if job := find(connection, job_id):
            server.learn_speed(job)


@router.post("/jobs/{job_id}/failure", status_code=204)
def failure(job_id: str, body: Failure, server: TheServer) -> None:
    _still_its_own(server.queue.fail(job_id, body.token, body.code, body.message))


def _still_its_own(good: bool) -> None:
    if not good:
        raise ApiError(409, "lease_lost", "this job is not yours any more; leave it")
