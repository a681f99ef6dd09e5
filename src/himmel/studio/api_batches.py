"""Batches over HTTP.

Owns: these routes. What becomes of a batch stands in ``batches``.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Row

from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.auth import Caller
from himmel.studio.batches import ENDPOINT, WINDOW, cancel_batch, counts_of, create_batch, find_batch, list_batches
from himmel.studio.bodies import read_body
from himmel.studio.schemas import whole_list
from himmel.studio.server import Server

TEXT = {"type": "string"}
FIELDS = {"endpoint": TEXT, "completion_window": TEXT, "input_file_id": TEXT, "metadata": {"type": "object"}}
BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": FIELDS}}}}}

router = APIRouter(prefix="/v1/batches", tags=["batches"])


@router.post("", openapi_extra=BODY)
async def create(request: Request, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    """Work through a file of requests."""
    fields = await read_body(request, server.settings.upload_bytes)
    return await run_in_threadpool(_created, server, caller, fields)


def _created(server: Server, caller: Caller, fields: dict[str, Any]) -> dict[str, Any]:
    return _shown(server, create_batch(server, caller, fields))


@router.get("")
def listed(server: TheServer, caller: TheCaller) -> dict[str, Any]:
    return whole_list([_shown(server, row) for row in list_batches(server, caller.account_id)])


@router.get("/{batch_id}")
def retrieve(batch_id: str, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    return _shown(server, find_batch(server, caller.account_id, batch_id))


@router.post("/{batch_id}/cancel")
def cancel(batch_id: str, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    return _shown(server, cancel_batch(server, caller.account_id, batch_id))


def _shown(server: Server, row: Row[Any]) -> dict[str, Any]:
    ended = int(row.ended_at) if row.ended_at else None
    times = {f"{word}_at": ended if row.status == word else None for word in ("completed", "failed", "cancelled")}
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": ENDPOINT,
        "completion_window": WINDOW,
        "input_file_id": row.input_file_id,
        "output_file_id": row.output_file_id,
        "error_file_id": None,
        "status": row.status,
        "errors": {"object": "list", "data": [row.problem]} if row.problem else None,
        "created_at": int(row.created_at),
        "expires_at": int(row.expires_at),
        "expired_at": ended if row.status == "expired" else None,
        **times,
        "request_counts": counts_of(server, row),
        "metadata": row.metadata,
    }
