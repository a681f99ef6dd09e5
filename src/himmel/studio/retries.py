"""A job once more: the same one, where it failed and an operator says so; or another one like it, for its maker.

Owns: whether what a job was made of is still there, and what its maker's "again" asks for. How a failed job comes to
wait again stands in ``queue``.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import select

from himmel.errors import ApiError
from himmel.spec import MAX_SEED
from himmel.studio.auth import Caller
from himmel.studio.jobs import Job, Status, find
from himmel.studio.published import find_readable
from himmel.studio.schemas import CreateVideo, validated
from himmel.studio.server import Server
from himmel.studio.tables import jobs
from himmel.studio.timelines import reckoned
from himmel.studio.videos import accepted, no_video, once_of, settled

LATELY = 7 * 86400.0  # how long ago a job may have failed to be told of
GONE = "a clip that it begins from is there no more; begin anew"
SAID = ("prompt", "size", "seed", "turbo", "negative_prompt", "steps", "guidance", "fps", "priority", "characters")


def failed_jobs(server: Server, most: int) -> list[Job]:
    """The jobs of all accounts that failed lately, the latest first; those that somebody stopped are none."""
    lately = (jobs.c.status == Status.FAILED) & (jobs.c.completed_at > server.queue.now() - LATELY)
    wanted = lately & (jobs.c.error_code != "cancelled") & jobs.c.deleted_at.is_(None)
    with server.database.read() as connection:
        query = select(jobs).where(wanted).order_by(jobs.c.completed_at.desc(), jobs.c.id).limit(most)
        return [Job.of(row) for row in connection.execute(query)]


def retry_job(server: Server, job_id: str) -> Job:
    """Have somebody's failed job tried once more, see ``Queue.retry``. Raises ApiError (404, 409, 503, 507)."""
    with server.database.read() as connection:
        job = find(connection, job_id)
    if job is None:
        raise ApiError(404, "job_not_found", f"there is no job '{job_id[:80]}'", param="job_id")
    _check_model(server, job.request)
    if job.status == Status.FAILED:
        _check_material(server, job)
        server.space.check_jobs(job.request, 1)
    again = server.queue.retry(job_id, server.cost_of(job.request))
    if again is None:
        raise ApiError(404, "job_not_found", f"there is no job '{job_id[:80]}'", param="job_id")
    server.space.take(job.request, 1)
    return again


def ask_again(
    server: Server,
    caller: Caller,
    job: Job,
    *,
    new_seed: bool = False,
    prompt: str | None = None,
    once: str | None = None,
) -> Job:
    """Another job like one of the account's, as any new one: within its limits, charged by itself.

    With another seed or another prompt, where one is told; one that begins from other clips begins from them again.
    ``once`` is an idempotency key, so that a form that comes twice makes one job. Raises ApiError (400, 409, 429, 503,
    507).
    """
    request = job.request if prompt is None else job.request | {"prompt": prompt}
    if request.get("task", "create") == "create":
        known = {name: request[name] for name in SAID if request.get(name) is not None}
        known |= {"n": 1, "seconds": request["asked_seconds"], "model": server.settings.model}
        if new_seed:
            del known["seed"]
        values = settled(server, caller, validated(CreateVideo, known), "create")
        values |= {name: request.get(name) for name in ("first_frame", "cast")}
    else:
        values = _remade(server, caller, job, request, new_seed)
    server.space.check_jobs(values, 1)
    return accepted(server, caller, values, once_of(once, job.id, new_seed, prompt), job.parent_id)


def may_again(job: Job) -> bool:
    """Whether ``ask_again`` takes a job: what was brought from elsewhere may lack what it was made of."""
    match job.request.get("task", "create"):
        case "create":
            return True
        case "timeline":
            return all(part["kind"] == "gap" or part["digest"] for part in job.request["parts"])
    return bool(job.request.get("source"))


def _remade(server: Server, caller: Caller, job: Job, request: dict[str, Any], new_seed: bool) -> dict[str, Any]:
    """The request of a job that begins from other clips, as it is kept when it is asked for today. Raises ApiError."""
    if not may_again(job):
        raise ApiError(409, "material_gone", GONE)
    values = request | {"n": 1} | ({"seed": secrets.randbelow(MAX_SEED + 1)} if new_seed else {})
    _check_model(server, values)
    said = values | {"model": values["asked_model"], "seconds": values["asked_seconds"]}
    settled(server, caller, validated(CreateVideo, said), values["task"])  # the rules of today hold
    _check_material(server, job)
    if values["task"] == "timeline":
        shots = values.get("shots")
        values |= reckoned(server, caller.account_id, values, [shot["parts"] for shot in shots] if shots else None)
    return values


def _check_model(server: Server, request: dict[str, Any]) -> None:
    if request["model"] != server.settings.model:
        told = f"it was asked of the model '{request['model']}', which this server has no more"
        raise ApiError(409, "model_not_found", told)


def _check_material(server: Server, job: Job) -> None:
    """Raise ApiError (409) unless the account may still read all clips that a job begins from, and all bytes are there.

    The bytes of an upload, which nothing else speaks of, are young afterwards: no sweeper takes them before the job
    is there to speak of them.
    """
    request = job.request
    source = request.get("source")
    clips = [part["video"] for part in request.get("parts", ()) if part["kind"] == "clip"]
    try:
        for number in [*clips, *([job.parent_id] if source and job.parent_id else [])]:
            find_readable(server.database, job.account_id, number)
        if source and not job.parent_id:
            server.storage.renew(source)
    except ApiError as error:
        if error.code not in (no_video("").code, "file_lost"):
            raise
        raise ApiError(409, "material_gone", GONE) from None
