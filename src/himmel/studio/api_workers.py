"""What workers say to the server: give me a job, I am alive, here is the clip.

Owns: these routes. A job's token is the number of its claim; whoever lost its lease has an older one and is
answered 409 from then on.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.api_videos import MEDIA, TheServer
from himmel.studio.bodies import StrictRoute, read_body
from himmel.studio.jobs import find
from himmel.studio.schemas import validated
from himmel.studio.server import Server, check_worker
from himmel.studio.strict_json import parsed

LARGEST = 2_000_000_000  # bytes of a clip with its pictures

router = APIRouter(route_class=StrictRoute, prefix="/workers", tags=["workers"], dependencies=[Depends(check_worker)])


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


class Result(BaseModel):
    """A clip that was made: the form's fields."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    token: int
    details: str = Field(max_length=100_000)
    video: UploadFile
    thumbnail: UploadFile
    spritesheet: UploadFile


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
async def result(job_id: str, request: Request, server: TheServer) -> None:
    # Read here and not by the framework, which would take a stranger's files before it asks who sends them.
    await run_in_threadpool(_keep, server, job_id, validated(Result, await read_body(request, LARGEST, text=100_000)))


def _keep(server: Server, job_id: str, made: Result) -> None:
    digests = {name: server.storage.put(getattr(made, name).file) for name in MEDIA}
    _still_its_own(server.queue.finish(job_id, made.token, digests, parsed(made.details.encode())))
    with server.database.read() as connection:
        if job := find(connection, job_id):
            server.learn_speed(job)


@router.post("/jobs/{job_id}/failure", status_code=204)
def failure(job_id: str, body: Failure, server: TheServer) -> None:
    _still_its_own(server.queue.fail(job_id, body.token, body.code, body.message))


def _still_its_own(good: bool) -> None:
    if not good:
        raise ApiError(409, "lease_lost", "this job is not yours any more; leave it")
