"""Account: who one is here, which browsers are signed in, the password, and the keys of scripts.

Owns: this page and what can be done on it.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import ApiError, BadRequest
from himmel.studio.api_videos import TheServer
from himmel.studio.auth import Terms
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.web import PageRoute, TheVisitor, form_of, go_to, page

router = APIRouter(prefix="/account", route_class=PageRoute)


@router.get("")
def account(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The page."""
    return _page(request, server, visitor)


@router.post("/password")
async def password(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Change the password, or give the account its first; all other browsers are signed out."""
    fields = await form_of(request, visitor)
    old, new = str(fields.get("old", "")), str(fields.get("new", ""))

    def changed() -> Response:
        _check_whole(visitor)
        try:
            server.passwords.change(visitor.caller.account_id, old, new)
        except BadRequest as error:
            return _page(request, server, visitor, 400, problem=str(error))
        server.sessions.end(visitor.caller.account_id, but=visitor.session_id)
        return go_to("/account")

    return await run_in_threadpool(changed)


@router.post("/sessions/end")
async def end_session(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Sign another browser out, or all others."""
    fields = await form_of(request, visitor)
    _check_whole(visitor)
    session, account_id = str(fields.get("session", "")), visitor.caller.account_id
    if session:
        await run_in_threadpool(server.sessions.end, account_id, session)
    else:
        await run_in_threadpool(lambda: server.sessions.end(account_id, but=visitor.session_id))
    return go_to("/account")


@router.post("/keys")
async def make_key(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Make a key for scripts, and show it: only now."""
    fields = await form_of(request, visitor)

    def made() -> Response:
        _check_whole(visitor)
        try:
            key = server.keys.create_for(visitor.caller.account_id, str(fields.get("name", "")).strip(), Terms())
        except BadRequest as error:
            return _page(request, server, visitor, 400, problem=str(error))
        return _page(request, server, visitor, key=key)

    return await run_in_threadpool(made)


@router.post("/keys/revoke")
async def revoke_key(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """End a key of the account."""
    fields = await form_of(request, visitor)

    def revoked() -> Response:
        _check_whole(visitor)
        number = str(fields.get("key", ""))
        if not server.keys.revoke(number, visitor.caller.account_id):
            raise ApiError(404, "key_not_found", "there is no such key that is still good")
        server.callers.forget()
        return go_to("/account")

    return await run_in_threadpool(revoked)


def _check_whole(visitor: Visitor) -> None:
    """Raise ApiError (403) for who signed in with a key that may not do all that the account may."""
    if visitor.caller.terms != Terms() or visitor.caller.parent_id is not None:
        raise ApiError(403, "scope_missing", "you signed in with a narrow key; this needs the whole account")


def _page(
    request: Request, server: Server, visitor: Visitor, status: int = 200, problem: str = "", key: str = ""
) -> Response:
    number = visitor.caller.account_id
    return page(
        request,
        "account.html",
        status,
        problem=problem,
        key=key,
        address=str(request.base_url).rstrip("/"),
        sessions=server.sessions.of(number),
        keys=[row for row in server.keys.list(number) if row.revoked_at is None],
        has_password=server.passwords.has(number),
    )
