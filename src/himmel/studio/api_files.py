"""Files: bringing, listing, reading and deleting them.

Owns: these routes.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from sqlalchemy import Row
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.batches import LARGEST
from himmel.studio.bodies import file_name, read_body
from himmel.studio.files import find_file, forget_file, keep_file, list_files
from himmel.studio.schemas import whole_list

PURPOSES = ("batch", "user_data", "vision")
FORM = {"file": {"type": "string", "format": "binary"}, "purpose": {"type": "string", "enum": list(PURPOSES)}}
BODY = {"requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": FORM}}}}}

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.post("", openapi_extra=BODY)
async def create(request: Request, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    """Bring a file: lines of a batch, or a picture that clips shall start from."""
    fields = await read_body(request, LARGEST, text=1000)
    file, purpose = fields.get("file"), fields.get("purpose")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "invalid_value", "give the file", param="file")
    if purpose not in PURPOSES:
        raise ApiError(400, "invalid_value", f"allowed: {', '.join(PURPOSES)}", param="purpose")
    keeping = (server.database, server.storage, caller.account_id, file_name(file), purpose, file.file)
    return _shown(await run_in_threadpool(keep_file, *keeping))


@router.get("")
def listed(server: TheServer, caller: TheCaller, purpose: str | None = None) -> dict[str, Any]:
    return whole_list([_shown(row) for row in list_files(server.database, caller.account_id, purpose)])


@router.get("/{file_id}")
def retrieve(file_id: str, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    return _shown(find_file(server.database, caller.account_id, file_id))


@router.get("/{file_id}/content")
def content(file_id: str, server: TheServer, caller: TheCaller) -> FileResponse:
    file = find_file(server.database, caller.account_id, file_id)
    return FileResponse(server.storage.path(file.digest), media_type="application/octet-stream")


@router.delete("/{file_id}")
def delete(file_id: str, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    forget_file(server.database, caller.account_id, file_id)
    return {"id": file_id, "object": "file", "deleted": True}


def _shown(row: Row[Any]) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in ("id", "bytes", "filename", "purpose")}
    return {"object": "file", "created_at": int(row.created_at), "status": "processed", **told}
