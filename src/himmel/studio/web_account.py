"""Account: who one is here, which browsers are signed in, the password, the language, and the keys of scripts.

Owns: this page and what can be done on it.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import ApiError, BadRequest
from himmel.studio.accounts import find_account
from himmel.studio.api_videos import TheServer
from himmel.studio.auth import Terms
from himmel.studio.bringing import latest
from himmel.studio.limits import used, used_by_account
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.texts import LANGUAGES, NAMES
from himmel.studio.web import LANGUAGE, PageRoute, TheVisitor, check_whole, form_of, go_to, page
from himmel.studio.web_sign_in import YEAR, Anybody

router = APIRouter(prefix="/account", route_class=PageRoute)


@router.get("")
def account(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The page."""
    return account_page(request, server, visitor)


@router.post("/password")
async def password(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Change the password, or give the account its first; all other browsers are signed out."""
    fields = await form_of(request, visitor)
    old, new = str(fields.get("old", "")), str(fields.get("new", ""))

    def changed() -> Response:
        check_whole(visitor)
        if not server.passwords.has(visitor.caller.account_id):
            visitor.check_fresh()
        try:
            server.passwords.change(visitor.caller.account_id, old, new)
        except BadRequest as error:
            return account_page(request, server, visitor, 400, problem=str(error))
        server.sessions.end(visitor.caller.account_id, but=visitor.session_id)
        return go_to("/account")

    return await run_in_threadpool(changed)


@router.post("/sessions/end")
async def end_session(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Sign another browser out, or all others."""
    fields = await form_of(request, visitor)
    check_whole(visitor)
    session, account_id = str(fields.get("session", "")), visitor.caller.account_id
    if session:
        await run_in_threadpool(server.sessions.end, account_id, session)
    else:
        await run_in_threadpool(lambda: server.sessions.end(account_id, but=visitor.session_id))
    return go_to("/account")


@router.post("/language")
async def language(request: Request, visitor: Anybody) -> Response:
    """Remember a language, or none: then it is the browser's."""
    wanted = str((await form_of(request, visitor)).get("language", ""))
    answer = go_to("/account")
    if wanted in LANGUAGES:
        answer.set_cookie(LANGUAGE, wanted, max_age=YEAR, samesite="lax", secure=request.url.scheme == "https")
    else:
        answer.delete_cookie(LANGUAGE)
    return answer


@router.post("/keys")
async def make_key(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Make a key for scripts, and show it: only now. It opens what a password does, so it is asked who sits there."""
    fields = await form_of(request, visitor)

    def made() -> Response:
        check_whole(visitor)
        visitor.check_fresh()
        try:
            key = server.keys.create_for(visitor.caller.account_id, str(fields.get("name", "")).strip(), _terms(fields))
        except BadRequest as error:
            return account_page(request, server, visitor, 400, problem=str(error))
        return account_page(request, server, visitor, key=key)

    return await run_in_threadpool(made)


@router.post("/keys/revoke")
async def revoke_key(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """End a key of the account."""
    fields = await form_of(request, visitor)

    def revoked() -> Response:
        check_whole(visitor)
        number = str(fields.get("key", ""))
        if not server.keys.revoke(number, visitor.caller.account_id):
            raise ApiError(404, "key_not_found", "there is no such key that is still good")
        server.callers.forget()
        return go_to("/account")

    return await run_in_threadpool(revoked)


def account_page(
    request: Request,
    server: Server,
    visitor: Visitor,
    status: int = 200,
    problem: str = "",
    key: str = "",
) -> Response:
    """The page; with what went wrong, or a key that was just made."""
    number, now = visitor.caller.account_id, server.queue.now()
    mine = server.passkeys.of(number)
    good = [row for row in server.keys.list(number) if row.revoked_at is None]
    with server.database.read() as connection:
        spent = {row.id: used(connection, row.id, now) for row in good}
        lately = used_by_account(connection, number, now)
    return page(
        request,
        "account.html",
        status,
        problem=problem,
        key=key,
        brought=latest(server.database, number, now),
        address=str(request.base_url).rstrip("/"),
        sessions=server.sessions.of(number),
        keys=good,
        spent=spent,
        account=find_account(server.database, number),
        lately=lately,
        languages=NAMES,
        largest=server.settings.import_bytes / 1e9,
        has_password=server.passwords.has(number),
        passkeys={row.id: row.name for row in mine},
        codes=server.factors.is_on(number),
        codes_left=server.factors.codes_left(number),
    )


def _terms(fields: dict[str, Any]) -> Terms:
    """The limits that a form gives a key; what is left open has none. Raises BadRequest."""

    def number(name: str) -> float | None:
        told = str(fields.get(name, "")).strip()
        if told and not (told.isdecimal() and len(told) <= 9):
            raise BadRequest(f"{name} must be a whole number, 0 or more")
        return int(told) if told else None

    days, jobs = number("days"), number("open_jobs")
    return Terms(
        scopes=("read",) if fields.get("may") == "read" else None,
        expires_at=None if days is None else time.time() + 86400 * days,
        open_jobs=None if jobs is None else int(jobs),
        daily_seconds=number("daily_seconds"),
    )
