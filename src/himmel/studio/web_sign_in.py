"""Signing in and out, and the themes: the pages that need no session.

Owns: these routes. What a password, a key, a code or a passkey is good for stands in ``passwords``, ``auth``,
``factors`` and ``passkeys``.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from himmel.errors import BadRequest, HimmelError, NotSignedIn, SignInRefused
from himmel.studio.api_videos import TheServer
from himmel.studio.bodies import read_body
from himmel.studio.passkeys import CHALLENGE_SECONDS, SIGN_IN, Place
from himmel.studio.server import Server
from himmel.studio.sessions import HALF_SECONDS, Visitor
from himmel.studio.web import (
    HEADERS,
    THEMES,
    PageRoute,
    address_of,
    anybody_of,
    came_from,
    check_origin,
    cookie_name,
    form_of,
    go_to,
    page,
    place_of,
    safe_path,
    signed_in,
    signed_out,
    with_cookie,
)

YEAR = 365 * 86400
HALF, DOOR = "-half", "-door"  # cookies: a code is owed; a passkey is asked for
Anybody = Annotated[Visitor, Depends(anybody_of)]
router = APIRouter(route_class=PageRoute)


@router.get("/")
def home() -> Response:
    """The first page, for whoever may see it."""
    return go_to("/create")


@router.get("/sign-in")
def ask(request: Request, server: TheServer, next: str = "") -> Response:
    """The form."""
    return page(request, "sign_in.html", **_values(request, server, next))


@router.post("/sign-in")
async def sign_in(request: Request, server: TheServer) -> Response:
    """Begin a session, under a new number whatever cookie was sent; or ask for a code. Raises ForeignForm."""
    fields = await _fields(request)

    def begun() -> Response:
        try:
            return _begun(server, request, fields)
        except HimmelError as error:
            return _refused(request, server, fields, error)

    return await run_in_threadpool(begun)


@router.get("/sign-in/code")
def ask_code(request: Request, server: TheServer, next: str = "") -> Response:
    """The form for a code, after the right password. Raises NotSignedIn without that, or when it is too long ago."""
    server.sessions.half(request.cookies.get(cookie_name(request, HALF), ""))
    return page(request, "code.html", next=safe_path(next), problem="")


@router.post("/sign-in/code")
async def give_code(request: Request, server: TheServer) -> Response:
    """Begin the session that a password and a code are good for. Raises ForeignForm, NotSignedIn."""
    fields = await _fields(request)
    half = request.cookies.get(cookie_name(request, HALF), "")

    def begun() -> Response:
        account_id = server.sessions.half(half)
        try:
            used = server.factors.check(account_id, fields.get("code", ""))
        except SignInRefused as error:
            return page(request, "code.html", 403, next=safe_path(fields.get("next")), problem=str(error))
        server.sessions.end_half(half)
        token = server.sessions.begin(account_id, device_of(request), by=f"password and {used}")
        return _welcome(server, request, fields, token)

    return await run_in_threadpool(begun)


@router.post("/sign-in/passkey/challenge")
async def ask_passkey(request: Request, server: TheServer) -> Response:
    """What the browser shall have signed, as JSON, and a cookie by which it is known again. Raises ForeignForm."""
    await _fields(request)
    place, door = needed_place(request), secrets.token_urlsafe(32)
    asked = (door, SIGN_IN, place, address_of(request))
    options = await run_in_threadpool(server.passkeys.options, *asked)
    answer = JSONResponse(options, headers=HEADERS)
    return with_cookie(request, answer, cookie_name(request, DOOR), door, CHALLENGE_SECONDS)


@router.post("/sign-in/passkey")
async def give_passkey(request: Request, server: TheServer) -> Response:
    """Begin a session of whoever's passkey signed it. Raises ForeignForm."""
    fields = await _fields(request)
    door, place = request.cookies.get(cookie_name(request, DOOR), ""), needed_place(request)

    def begun() -> Response:
        try:
            found = server.passkeys.prove(door, SIGN_IN, place, fields.get("credential", ""))
        except SignInRefused as error:
            return _refused(request, server, fields, error)
        token = server.sessions.begin(found.account_id, device_of(request), passkey_id=found.id)
        return _welcome(server, request, fields, token)

    return await run_in_threadpool(begun)


@router.post("/sign-out")
async def sign_out(request: Request, server: TheServer, visitor: Anybody) -> Response:
    """End this session."""
    await form_of(request, visitor)
    await run_in_threadpool(server.sessions.end, visitor.caller.account_id, visitor.session_id)
    return signed_out(request)


@router.post("/theme")
async def theme(request: Request) -> Response:
    """Remember dark or light, or neither, and go back to the page it was chosen on."""
    check_origin(request)
    wanted = str((await read_body(request, 1000)).get("theme", ""))
    answer = go_to(came_from(request))
    if wanted in THEMES:
        answer.set_cookie("theme", wanted, max_age=YEAR, samesite="lax", secure=request.url.scheme == "https")
    else:
        answer.delete_cookie("theme")
    return answer


def needed_place(request: Request) -> Place:
    """Where the browser sees this server. Raises BadRequest where there are no passkeys."""
    if (place := place_of(request)) is None:
        raise BadRequest("browsers offer passkeys over https, or at http://localhost")
    return place


def device_of(request: Request) -> str:
    """What the browser calls itself."""
    return request.headers.get("user-agent", "")


async def _fields(request: Request) -> dict[str, str]:
    """What a form says that needs no session. Raises ForeignForm."""
    check_origin(request)
    return {name: str(value) for name, value in (await read_body(request, 30_000)).items()}


def _begun(server: Server, request: Request, fields: dict[str, str]) -> Response:
    """Signed in with a key or a password, or sent on to give a code. Raises SignInRefused, ApiError."""
    if key := fields.get("key", "").strip():
        caller = server.keys.caller(f"Bearer {key}", address_of(request))
        token = server.sessions.begin(caller.account_id, device_of(request), caller.key_id)
        return _welcome(server, request, fields, token)
    name, password = fields.get("name", "").strip(), fields.get("password", "")
    account_id = server.passwords.account_of(name, password, address_of(request))
    if server.factors.is_on(account_id):
        half = server.sessions.begin_half(account_id)
        answer = go_to(f"/sign-in/code?next={quote(safe_path(fields.get('next')), safe='')}")
        return with_cookie(request, answer, cookie_name(request, HALF), half, HALF_SECONDS)
    return _welcome(server, request, fields, server.sessions.begin(account_id, device_of(request)))


def _welcome(server: Server, request: Request, fields: dict[str, str], token: str) -> Response:
    """On to where somebody wanted to go, with a new session and nothing left of what was there before."""
    try:
        old = server.sessions.visitor(request.cookies.get(cookie_name(request), ""))
        server.sessions.end(old.caller.account_id, old.session_id)
    except NotSignedIn:
        pass
    answer = signed_in(request, go_to(safe_path(fields.get("next"))), token)
    for use in (HALF, DOOR):
        if cookie_name(request, use) in request.cookies:
            with_cookie(request, answer, cookie_name(request, use), "", 0)
    return answer


def _refused(request: Request, server: Server, fields: dict[str, str], error: HimmelError) -> Response:
    values = _values(request, server, fields.get("next", ""))
    told = {"problem": str(error), "name": fields.get("name", "")}
    return page(request, "sign_in.html", 403, **values | told)


def _values(request: Request, server: Server, wanted: str) -> dict[str, Any]:
    place = place_of(request)
    passkey = place is not None and server.passkeys.any_at(place.host)
    known = {"next": safe_path(wanted), "empty": not server.keys.any_account(), "passkey": passkey}
    return {**known, "problem": "", "name": ""}
