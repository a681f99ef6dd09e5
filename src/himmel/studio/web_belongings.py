"""What belongs to an account as a whole: taking it along, bringing it from elsewhere, deleting it.

Owns: these three acts on the Account page. What they do stands in ``export``, ``bringing`` and ``accounts``.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select
from starlette.datastructures import UploadFile

from himmel.errors import ApiError, BadRequest
from himmel.studio.accounts import check_may_go, delete_account
from himmel.studio.api_videos import TheServer
from himmel.studio.bodies import file_name
from himmel.studio.bringing import accept, latest
from himmel.studio.export import clips_zip
from himmel.studio.jobs import FINAL
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.tables import jobs
from himmel.studio.web import (
    PageRoute,
    TheVisitor,
    asked_by_script,
    check_whole,
    form_of,
    page,
    signed_out,
    streamed,
    went,
)
from himmel.studio.web_account import account_page

TEXT = 10_000  # bytes of a field beside the file
router = APIRouter(prefix="/account", route_class=PageRoute)


@router.get("/export.zip")
def export(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """All clips with what they were made of, as a zip that is made as it is sent."""
    chunks = clips_zip(server, visitor.caller.account_id, visitor.name)
    return streamed(request, server, chunks, "himmel-export.zip")


@router.post("/import")
async def bring(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Read an export, ours or a Sora account's, into the library."""
    if request.headers.get("content-length", "").isdecimal():
        await run_in_threadpool(server.space.check, float(request.headers["content-length"]))
    fields = await form_of(request, visitor, server.settings.import_bytes, TEXT)
    return await run_in_threadpool(_brought, request, server, visitor, fields.get("file"))


@router.post("/delete")
async def delete(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """End the account with everything in it, after its name was typed by who showed lately that it is theirs."""
    fields = await form_of(request, visitor)
    check_whole(visitor)
    visitor.check_fresh()
    if str(fields.get("name", "")).strip() != visitor.name:
        told = "type the account's name as it is written to delete it; nothing was deleted"
        return await run_in_threadpool(lambda: account_page(request, server, visitor, 400, problem=told))
    try:
        await run_in_threadpool(end_account, server, visitor.caller.account_id)
    except BadRequest as error:
        told = str(error)
        return await run_in_threadpool(lambda: account_page(request, server, visitor, 400, problem=told))
    return signed_out(request)


@router.get("/import")
def how_far(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """How far the latest import is, in words, for a page that shows it already."""
    row = latest(server.database, visitor.caller.account_id, server.queue.now())
    return page(request, "import.html", brought=row)


def _brought(request: Request, server: Server, visitor: Visitor, given: object) -> Response:
    try:
        if not isinstance(given, UploadFile) or not given.size:
            raise BadRequest("choose a zip first")
        accept(server, visitor.caller.account_id, file_name(given), given.file)
    except (BadRequest, ApiError) as error:
        if asked_by_script(request):
            raise
        status = error.status if isinstance(error, ApiError) else 400
        return account_page(request, server, visitor, status, problem=str(error))
    return went(request, "/account#import")


def end_account(server: Server, account_id: str) -> None:
    """Stop what is being made, so that the workers' books are right, then delete. Raises BadRequest."""
    still = (jobs.c.account_id == account_id) & jobs.c.status.not_in(FINAL)
    with server.database.write() as connection:
        check_may_go(connection, account_id)
        found = list(connection.scalars(select(jobs.c.id).where(still)))
    for number in found:
        server.queue.cancel(number, account_id)
    delete_account(server.database, account_id)
    server.callers.forget()
