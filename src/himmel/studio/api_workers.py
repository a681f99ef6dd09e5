"""What workers say to the server: give me a job, I am alive, here is the clip.

Owns: these routes. A job's token is the number of its claim; whoever lost its lease has an older one and is
answered 409 from then on.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, StrictInt
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.api_videos import MEDIA, TheServer
from himmel.studio.bodies import StrictRoute, read_body
from himmel.studio.content import always, stored_file
from himmel.studio.jobs import Job, find
from himmel.studio.openapi import FILE, body
from himmel.studio.schemas import validated
from himmel.studio.server import Server, check_worker
from himmel.studio.shots import find_shot, name_of
from himmel.studio.strict_json import parsed
from himmel.studio.workers import Report

LARGEST = 2_000_000_000  # bytes of a clip with its pictures
LARGEST_STATE = 20_000_000

router = APIRouter(route_class=StrictRoute, prefix="/workers", tags=["workers"], dependencies=[Depends(check_worker)])


class Claim(BaseModel):
    """Who wants a job."""

    worker: str = Field(min_length=1, max_length=80)
    model: str = Field(default="", max_length=80)
    version: str = Field(default="", max_length=80)
    device: str = Field(default="", max_length=80)
    turbo_steps: list[StrictInt] | None = Field(
        default=None, max_length=80, description="Numbers of steps that its model's few-step student knows."
    )
    weights: str = Field(default="", pattern="^[0-9a-f]{0,40}$", description="The hash of those that it has.")


class Leased(BaseModel):
    """A job for a worker."""

    id: str
    token: int
    request: dict[str, Any]
    lease_seconds: float
    has_state: bool = Field(description="Whether another worker began, and left from where to go on.")


class Beat(BaseModel):
    """A sign of life."""

    worker: str = Field(default="", max_length=80)
    token: int
    progress: int = Field(ge=0, le=100)
    preview: str | None = Field(default=None, max_length=80_000, description="How it looks now: a WebP in base64.")


class Failure(BaseModel):
    """Why a worker could not make a clip."""

    token: int
    code: str = Field(max_length=64)
    message: str = Field(max_length=2000)


class Made(BaseModel):
    """The settings that a worker used."""

    steps: int
    guidance: float
    fps: int
    turbo: bool | None = None  # a worker that is older than this field says nothing of it


class Details(BaseModel):
    """What a worker tells of a clip."""

    native_size: str = Field(max_length=20)
    settings: Made


class NewState(BaseModel):
    """The fields, beside the ``state``, of what another worker can go on from."""

    token: int


class NewShot(BaseModel):
    """The fields, beside the ``shot``, of a finished shot: the hash of the weights that made it."""

    token: int
    weights: str = Field(pattern="^[0-9a-f]{1,40}$")


class NewResult(BaseModel):
    """The fields, beside the files, of a clip that was made; ``details`` is a JSON object."""

    token: int
    details: str = Field(max_length=100_000)


RESULT = body(NewResult, *MEDIA, form=dict.fromkeys(MEDIA, FILE))


@router.post("/claim", responses={204: {"description": "nothing waits"}})
def claim(body: Claim, server: TheServer, response: Response) -> Leased | None:
    server.storage.check()  # a clip that cannot be brought is not begun
    with server.meters.claims.time():
        steps = None if body.turbo_steps is None else tuple(body.turbo_steps)
        server.workers.report(Report(body.worker, body.model, body.version, body.device, body.weights, steps))
        job = server.queue.claim(body.worker)
    if job is None:
        response.status_code = 204
        return None
    return Leased(
        id=job.id,
        token=job.attempts,
        request=job.request,
        lease_seconds=server.settings.lease_seconds,
        has_state=job.state_digest is not None,
    )


@router.post("/jobs/{job_id}/beat", status_code=204)
def beat(job_id: str, body: Beat, server: TheServer) -> None:
    try:
        preview = None if body.preview is None else base64.b64decode(body.preview, validate=True)
    except binascii.Error:
        raise ApiError(400, "invalid_value", "the preview is no base64", param="preview") from None
    _still_its_own(server.queue.beat(job_id, body.token, body.progress, preview))
    server.workers.alive(body.worker)


@router.get("/jobs/{job_id}/first-frame")
def first_frame(job_id: str, token: int, request: Request, server: TheServer) -> Response:
    return _file(request, server, job_id, _leased(server, job_id, token).request["first_frame"])


@router.get("/jobs/{job_id}/source")
def source(job_id: str, token: int, request: Request, server: TheServer) -> Response:
    return _file(request, server, job_id, _leased(server, job_id, token).request.get("source"))


@router.get("/jobs/{job_id}/parts/{number}")
def part(job_id: str, number: int, token: int, request: Request, server: TheServer) -> Response:
    parts = _leased(server, job_id, token).request.get("parts", [])
    return _file(request, server, job_id, parts[number].get("digest") if 0 <= number < len(parts) else None)


@router.get("/jobs/{job_id}/characters/{number}")
def character(job_id: str, number: int, token: int, request: Request, server: TheServer) -> Response:
    cast = _leased(server, job_id, token).request.get("cast", [])
    return _file(request, server, job_id, cast[number]["digest"] if 0 <= number < len(cast) else None)


@router.get("/jobs/{job_id}/shots/{number}")
def shot(
    job_id: str,
    number: int,
    token: int,
    request: Request,
    server: TheServer,
    weights: str = Query(pattern="^[0-9a-f]{1,40}$"),
) -> Response:
    """A shot that was made before; the job speaks of it from now on."""
    job = _leased(server, job_id, token)
    key = _key(job, number)
    with server.database.read() as connection:
        digest = find_shot(connection, job.account_id, key, weights)
    if digest:
        _still_its_own(server.queue.keep_shot(job_id, token, name_of(key, weights), digest))
    return _file(request, server, job_id, digest)


@router.post("/jobs/{job_id}/shots/{number}", status_code=204, openapi_extra=body(NewShot, "shot", form={"shot": FILE}))
async def keep_shot(job_id: str, number: int, request: Request, server: TheServer) -> None:
    fields = await read_body(request, LARGEST, text=1000)
    await run_in_threadpool(_keep_shot, server, job_id, number, validated(NewShot, fields), fields.get("shot"))


def _keep_shot(server: Server, job_id: str, number: int, made: NewShot, shot: Any) -> None:
    if not isinstance(shot, UploadFile):
        raise ApiError(400, "invalid_value", "give the shot as a file", param="shot")
    key = _key(_leased(server, job_id, made.token), number)
    server.space.check(shot.size or 0)
    digest = server.storage.put(shot.file)
    _still_its_own(server.queue.keep_shot(job_id, made.token, name_of(key, made.weights), digest))


def _key(job: Job, number: int) -> str:
    shots = job.request.get("shots", [])
    key = shots[number]["key"] if 0 <= number < len(shots) else None
    if key is None:
        raise ApiError(404, "file_not_found", "this job has no such shot, or nothing of it is made")
    return str(key)


@router.get("/jobs/{job_id}/state")
def state(job_id: str, token: int, request: Request, server: TheServer) -> Response:
    return _file(request, server, job_id, _leased(server, job_id, token).state_digest)


@router.post("/jobs/{job_id}/state", status_code=204, openapi_extra=body(NewState, "state", form={"state": FILE}))
async def keep_state(job_id: str, request: Request, server: TheServer) -> None:
    fields = await read_body(request, LARGEST_STATE, text=1000)
    await run_in_threadpool(_keep_state, server, job_id, validated(NewState, fields).token, fields.get("state"))


def _keep_state(server: Server, job_id: str, token: int, state: Any) -> None:
    if not isinstance(state, UploadFile):
        raise ApiError(400, "invalid_value", "give the state as a file", param="state")
    _leased(server, job_id, token)
    server.space.check(state.size or 0)
    _still_its_own(server.queue.keep_state(job_id, token, server.storage.put(state.file)))


def _leased(server: Server, job_id: str, token: int) -> Job:
    with server.database.read() as connection:
        job = find(connection, job_id)
    if job is None or job.attempts != token:
        raise _lost()
    return job


def _file(request: Request, server: Server, job_id: str, digest: str | None) -> Response:
    if digest is None:
        raise ApiError(404, "file_not_found", "this job has no such file")
    kind = "application/octet-stream"
    return stored_file(request, server.storage, digest, kind=kind, name=job_id, still_good=always)


@router.post("/jobs/{job_id}/result", status_code=204, openapi_extra=RESULT)
async def result(job_id: str, request: Request, server: TheServer) -> None:
    # Read here and not by the framework, which would take a stranger's files before it asks who sends them.
    fields = await read_body(request, LARGEST, text=100_000)
    await run_in_threadpool(_publish, server, job_id, validated(NewResult, fields), fields)


def _publish(server: Server, job_id: str, made: NewResult, fields: dict[str, Any]) -> None:
    try:
        told = validated(Details, dict(parsed(made.details.encode()))).model_dump()
    except (ApiError, TypeError, ValueError):
        raise ApiError(400, "invalid_json", "details: these are none of a clip", param="details") from None
    parts = {name: part for name in MEDIA if isinstance(part := fields.get(name), UploadFile)}
    if missing := set(MEDIA) - set(parts):
        raise ApiError(400, "invalid_value", f"{min(missing)}: give it as a file", param=min(missing))
    digests = {name: server.storage.put(part.file) for name, part in parts.items()}
    _still_its_own(server.queue.finish(job_id, made.token, digests, told))
    with server.database.read() as connection:
        if job := find(connection, job_id):
            server.speeds.learn(job)
            server.space.learn(job, sum(part.size or 0 for part in parts.values()))


@router.post("/jobs/{job_id}/failure", status_code=204)
def failure(job_id: str, body: Failure, server: TheServer) -> None:
    _still_its_own(server.queue.fail(job_id, body.token, body.code, body.message))


def _still_its_own(good: bool) -> None:
    if not good:
        raise _lost()


def _lost() -> ApiError:
    return ApiError(409, "lease_lost", "this job is not yours any more; leave it")
