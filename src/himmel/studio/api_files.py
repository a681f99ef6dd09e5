"""Files: bringing, listing, reading and deleting them.

Owns: these routes.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import Row, true
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.batches import LARGEST
from himmel.studio.bodies import file_name, read_body
from himmel.studio.content import same_caller, stored_file
from himmel.studio.files import find_file, forget_file, keep_file
from himmel.studio.openapi import FILE, body
from himmel.studio.pages import ListOf, Wish, page_of, paging
from himmel.studio.schemas import Deleted, validated
from himmel.studio.tables import files

Purpose = Literal["batch", "user_data", "vision"]


class NewFile(BaseModel):
    """The body of a creation, beside the ``file``."""

    purpose: Purpose


class FileObject(BaseModel):
    """A file; ``batch_output`` and ``character`` are purposes that the server gives."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, row: Row[Any]) -> FileObject:
        told = {name: getattr(row, name) for name in ("id", "bytes", "filename", "purpose")}
        return cls(created_at=int(row.created_at), **told)


BYTES = {"application/octet-stream": {"schema": FILE}}
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": BYTES},
    206: {"description": "The part that `range` asked for.", "content": BYTES},
    304: {"description": "It is as `if-none-match` says."},
}

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.post("", openapi_extra=body(NewFile, "file", form={"file": FILE}))
async def create(request: Request, server: TheServer, caller: TheCaller) -> FileObject:
    """Bring a file: lines of a batch, or a picture that clips shall start from."""
    fields = await read_body(request, LARGEST, text=1000)
    purpose, file = validated(NewFile, fields).purpose, fields.get("file")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "invalid_value", "give the file", param="file")
    name = file_name(file)

    def kept() -> FileObject:
        server.space.check(file.size or 0)
        brought = (caller.account_id, name, purpose, file.file, caller.key_id)
        return FileObject.of(keep_file(server.database, server.storage, *brought))

    return await run_in_threadpool(kept)


@router.get("")
def listed(
    server: TheServer,
    caller: TheCaller,
    wish: Annotated[Wish, Depends(paging(10_000, 10_000))],
    purpose: str | None = None,
) -> ListOf[FileObject]:
    """The account's files, newest first, page by page."""
    wanted = files.c.deleted_at.is_(None) & (files.c.purpose == purpose if purpose else true())
    return page_of(server.database, files, wanted, wish, caller.account_id, partial(map, FileObject.of))


@router.get("/{file_id}")
def retrieve(file_id: str, server: TheServer, caller: TheCaller) -> FileObject:
    """One file."""
    return FileObject.of(find_file(server.database, caller.account_id, file_id))


@router.head("/{file_id}/content", include_in_schema=False)
@router.get("/{file_id}/content", response_class=Response, responses=CONTENT)
def content(file_id: str, request: Request, server: TheServer, caller: TheCaller) -> Response:
    """What is in a file."""
    file = find_file(server.database, caller.account_id, file_id)
    kind, good = "application/octet-stream", same_caller(request, server)
    return stored_file(request, server.storage, file.digest, kind=kind, name=file.id, still_good=good)


@router.delete("/{file_id}")
def delete(file_id: str, server: TheServer, caller: TheCaller) -> Deleted:
    """Take a file away."""
    forget_file(server.database, caller.account_id, file_id)
    return Deleted(id=file_id, object="file")
