"""Looking after a server over HTTP: accounts, and jobs of whoever's.

Owns: these routes, which are for the owner and operators. Prompts are not in their answers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StrictBool
from sqlalchemy import ColumnElement, Row, select

from himmel.errors import ApiError
from himmel.studio.accounts import (
    LIMITS,
    change_account,
    check_may_change,
    find_account,
    limit_account,
    list_accounts,
)
from himmel.studio.api_videos import TheOperator, TheServer
from himmel.studio.auth import MOST
from himmel.studio.bodies import StrictRoute
from himmel.studio.jobs import Job, Status
from himmel.studio.limits import lately_by_account, used_by_account
from himmel.studio.retries import failed_jobs, retry_job
from himmel.studio.server import Server, operator_of
from himmel.studio.tables import jobs

router = APIRouter(route_class=StrictRoute, prefix="/v1/admin", tags=["admin"], dependencies=[Depends(operator_of)])


class Account(BaseModel):
    """An account as operators see it."""

    id: str
    object: Literal["account"] = "account"
    name: str
    role: str
    weight: float = Field(description="Its share of the queue against others': 1 is everybody's.")
    created_at: int
    suspended_at: int | None
    queued: int
    running: int
    served: float = Field(description="Compute-seconds over weight: who has least is next.")
    used_seconds: float = Field(description="Compute-seconds of the jobs of the last 24 hours.")
    open_jobs: int | None = Field(description="How many jobs may wait or run at a time; null for any number.")
    daily_seconds: float | None = Field(description="How many compute-seconds 24 hours may have; null for any number.")

    @classmethod
    def of(cls, row: Row[str], used: float) -> Account:
        known = {"object", "used_seconds"}
        values = {name: getattr(row, name) for name in cls.model_fields if name not in known}
        suspended = None if row.suspended_at is None else int(row.suspended_at)
        values |= {"created_at": int(row.created_at), "suspended_at": suspended}
        return cls(**values, used_seconds=round(used, 3))


class AccountList(BaseModel):
    """All accounts."""

    object: Literal["list"] = "list"
    data: list[Account]


class Changes(BaseModel):
    """What to change of an account: what is left out stays, a limit of null goes. Roles are the owner's to give."""

    role: Literal["owner", "operator", "member"] | None = None
    weight: float | None = Field(default=None, strict=True, ge=0.01, le=100)
    suspended: StrictBool | None = None
    open_jobs: int | None = Field(default=None, strict=True, ge=0, le=MOST)
    daily_seconds: float | None = Field(default=None, strict=True, ge=0, le=MOST)


class OthersJob(BaseModel):
    """A job as operators see it."""

    id: str
    object: Literal["job"] = "job"
    account_id: str
    status: Status
    progress: int
    created_at: int
    started_at: int | None
    worker: str | None
    attempts: int
    compute_seconds: float = Field(description="Estimated until the job is over.")
    error_code: str | None

    @classmethod
    def of(cls, job: Job) -> OthersJob:
        plain = ("id", "account_id", "status", "progress", "worker", "attempts", "error_code")
        values = {name: getattr(job, name) for name in plain} | {"created_at": int(job.created_at)}
        values |= {"started_at": job.started_at and int(job.started_at), "compute_seconds": round(job.cost, 3)}
        return cls(**values)


class JobList(BaseModel):
    """Jobs of all accounts."""

    object: Literal["list"] = "list"
    data: list[OthersJob]


@router.get("/accounts")
def listed(server: TheServer) -> AccountList:
    """All accounts, what they use and what waits of theirs."""
    with server.database.read() as connection:
        used = lately_by_account(connection, server.queue.now())
    return AccountList(data=[Account.of(row, used.get(row.id, 0.0)) for row in list_accounts(server.database)])


@router.post("/accounts/{account_id}")
def change(account_id: str, body: Changes, server: TheServer, caller: TheOperator) -> Account:
    """Give an account another role, weight or limits, suspend it, or let it go on."""
    check_may_change(caller, find_account(server.database, account_id), body.role)
    change_account(server.database, account_id, **body.model_dump(exclude=set(LIMITS)))
    if limits := body.model_dump(include=body.model_fields_set & set(LIMITS)):
        limit_account(server.database, account_id, **limits)
    server.callers.forget()
    with server.database.read() as connection:
        used = used_by_account(connection, account_id, server.queue.now())[1]
    return Account.of(find_account(server.database, account_id), used)


@router.get("/jobs")
def open_jobs(server: TheServer, limit: Annotated[int, Field(ge=1, le=1000)] = 100, failed: bool = False) -> JobList:
    """Jobs of all accounts that run or wait, running ones first; or that failed within a week, the latest first."""
    if failed:
        return JobList(data=[OthersJob.of(job) for job in failed_jobs(server, limit)])
    still = jobs.c.status.in_((Status.IN_PROGRESS, Status.QUEUED))
    return JobList(data=[OthersJob.of(job) for job in others_jobs(server, still, limit)])


def others_jobs(server: Server, which: ColumnElement[bool], limit: int) -> list[Job]:
    """Jobs of all accounts, running ones first, then as they came."""
    with server.database.read() as connection:
        rows = connection.execute(select(jobs).where(which).order_by(jobs.c.status, jobs.c.created_at).limit(limit))
        return [Job.of(row) for row in rows]


@router.post("/jobs/{job_id}/cancel")
def cancel(job_id: str, server: TheServer) -> OthersJob:
    """Stop somebody's job."""
    ended = server.queue.cancel(job_id)
    if ended is None:
        raise ApiError(404, "job_not_found", f"there is no job '{job_id[:80]}'", param="job_id")
    return OthersJob.of(ended)


@router.post("/jobs/{job_id}/retry")
def retry(job_id: str, server: TheServer) -> OthersJob:
    """Have somebody's failed job tried once more; its account is charged for the last attempt alone."""
    return OthersJob.of(retry_job(server, job_id))
