"""Batches over HTTP.

Owns: these routes. What becomes of a batch stands in ``batches``.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import Row, true

from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.batches import ENDPOINT, OVER, WINDOW, NewBatch, cancel_batch, counts_of, create_batch, find_batch
from himmel.studio.bodies import read_body
from himmel.studio.openapi import body
from himmel.studio.pages import ListOf, Wish, page_of, paging
from himmel.studio.schemas import validated
from himmel.studio.server import Server
from himmel.studio.tables import batches


class Counts(BaseModel):
    """Lines of a batch."""

    total: int
    completed: int
    failed: int


class Problem(BaseModel):
    """Why a file cannot be worked through."""

    code: str
    line: int | None
    message: str
    param: str | None


class Problems(BaseModel):
    """The form in which clients expect them."""

    object: Literal["list"] = "list"
    data: list[Problem]


class Batch(BaseModel):
    """A batch as clients know it."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str = ENDPOINT
    completion_window: str = WINDOW
    input_file_id: str
    output_file_id: str | None
    error_file_id: None = None
    status: Literal["in_progress", "cancelling", "completed", "failed", "expired", "cancelled"]
    errors: Problems | None
    created_at: int
    expires_at: int
    completed_at: int | None
    failed_at: int | None
    cancelled_at: int | None
    expired_at: int | None
    request_counts: Counts
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, server: Server, row: Row[Any]) -> Batch:
        ended = int(row.ended_at) if row.ended_at else None
        times: dict[str, Any] = {f"{word}_at": ended if row.status == word else None for word in OVER}
        told = {name: getattr(row, name) for name in ("id", "input_file_id", "output_file_id", "status", "metadata")}
        return cls(
            errors=Problems(data=[row.problem]) if row.problem else None,
            created_at=int(row.created_at),
            expires_at=int(row.expires_at),
            request_counts=Counts(**counts_of(server, row)),
            **times,
            **told,
        )


router = APIRouter(prefix="/v1/batches", tags=["batches"])


@router.post("", openapi_extra=body(NewBatch, json={}))
async def create(request: Request, server: TheServer, caller: TheCaller) -> Batch:
    """Work through a file of requests."""
    fields = await read_body(request, server.settings.upload_bytes)
    wanted = validated(NewBatch, fields)
    return await run_in_threadpool(lambda: Batch.of(server, create_batch(server, caller, wanted)))


@router.get("")
def listed(server: TheServer, caller: TheCaller, wish: Annotated[Wish, Depends(paging(20, 100))]) -> ListOf[Batch]:
    """The account's batches, newest first, page by page."""
    return page_of(server.database, batches, true(), wish, caller.account_id, partial(map, partial(Batch.of, server)))


@router.get("/{batch_id}")
def retrieve(batch_id: str, server: TheServer, caller: TheCaller) -> Batch:
    """How a batch is getting on."""
    return Batch.of(server, find_batch(server, caller.account_id, batch_id))


@router.post("/{batch_id}/cancel")
def cancel(batch_id: str, server: TheServer, caller: TheCaller) -> Batch:
    """Begin no more lines; what is done is in the output."""
    return Batch.of(server, cancel_batch(server, caller.account_id, batch_id))
