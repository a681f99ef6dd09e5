"""Signing in and out, and the themes: the pages that need no session.

Owns: these routes. What a password or a key is good for stands in ``passwords`` and ``auth``.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import HimmelError, NotSignedIn
from himmel.studio.api_videos import TheServer
from himmel.studio.bodies import read_body
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.web import (
    THEMES,
    PageRoute,
    address_of,
    anybody_of,
    check_origin,
    cookie_name,
    form_of,
    go_to,
    page,
    safe_path,
    signed_in,
)

YEAR = 365 * 86400
Anybody = Annotated[Visitor, Depends(anybody_of)]
router = APIRouter(route_class=PageRoute)


@router.get("/")
def home() -> Response:
    """The first page, for whoever may see it."""
    return go_to("/create")


@router.get("/sign-in")
def ask(request: Request, server: TheServer, next: str = "") -> Response:
    """The form."""
    return page(request, "sign_in.html", **_values(server, next))


@router.post("/sign-in")
async def sign_in(request: Request, server: TheServer) -> Response:
    """Begin a session, under a new number whatever cookie was sent. Raises ForeignForm."""
    check_origin(request)
    fields = {name: str(value) for name, value in (await read_body(request, 10_000)).items()}
    old = request.cookies.get(cookie_name(request), "")

    def begun() -> Response:
        try:
            token = _begun(server, request, fields)
        except HimmelError as error:
            values = _values(server, fields.get("next", "")) | {"problem": str(error), "name": fields.get("name", "")}
            return page(request, "sign_in.html", 403, **values)
        _end_old(server, old)
        return signed_in(request, go_to(safe_path(fields.get("next"))), token)

    return await run_in_threadpool(begun)


@router.post("/sign-out")
async def sign_out(request: Request, server: TheServer, visitor: Anybody) -> Response:
    """End this session."""
    await form_of(request, visitor)
    await run_in_threadpool(server.sessions.end, visitor.caller.account_id, visitor.session_id)
    answer = go_to("/sign-in")
    answer.delete_cookie(cookie_name(request), secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return answer


@router.post("/theme")
async def theme(request: Request) -> Response:
    """Remember dark or light, or neither, and go back to the page it was chosen on."""
    check_origin(request)
    wanted = str((await read_body(request, 1000)).get("theme", ""))
    answer = go_to(safe_path(urlsplit(request.headers.get("referer", "")).path))
    if wanted in THEMES:
        answer.set_cookie("theme", wanted, max_age=YEAR, samesite="lax", secure=request.url.scheme == "https")
    else:
        answer.delete_cookie("theme")
    return answer


def _begun(server: Server, request: Request, fields: dict[str, str]) -> str:
    """A new session's token. Raises SignInRefused, ApiError."""
    device = request.headers.get("user-agent", "")
    if key := fields.get("key", "").strip():
        caller = server.keys.caller(f"Bearer {key}", address_of(request))
        return server.sessions.begin(caller.account_id, device, caller.key_id)
    name, password = fields.get("name", "").strip(), fields.get("password", "")
    return server.sessions.begin(server.passwords.account_of(name, password, address_of(request)), device)


def _end_old(server: Server, token: str) -> None:
    """End the session that a browser had before."""
    try:
        visitor = server.sessions.visitor(token)
    except NotSignedIn:
        return
    server.sessions.end(visitor.caller.account_id, visitor.session_id)


def _values(server: Server, wanted: str) -> dict[str, Any]:
    return {"next": safe_path(wanted), "problem": "", "name": "", "empty": not server.keys.any_account()}
