"""How one signs in, as pages: passkeys, codes of an app, recovery codes, and showing anew that it is you.

Owns: these routes. What is changed here, and what else asks for it (keys, the end of an account), needs a session that
was confirmed lately (``Visitor.check_fresh``), by all that signing in would ask for. What the factors are good for
stands in ``factors`` and ``passkeys``.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from markupsafe import Markup

from himmel.errors import ApiError, BadRequest, SignInRefused
from himmel.studio.api_videos import TheServer
from himmel.studio.factors import link_of, picture_of
from himmel.studio.passkeys import CONFIRM
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.web import (
    HEADERS,
    PageRoute,
    TheVisitor,
    address_of,
    check_whole,
    form_of,
    go_to,
    page,
    place_of,
    safe_path,
    signed_in,
)
from himmel.studio.web_sign_in import needed_place

PAGE = "/account/factors"
router = APIRouter(prefix="/account", route_class=PageRoute)


@router.get("/confirm")
def ask(request: Request, server: TheServer, visitor: TheVisitor, next: str = PAGE) -> Response:
    """The form that asks who sits there."""
    return _confirm_page(request, server, visitor, next)


@router.post("/confirm")
async def confirm(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Take a password, with a code where one is needed, a passkey, or the key where there is nothing else."""
    fields = {name: str(value) for name, value in (await form_of(request, visitor)).items()}

    def confirmed() -> Response:
        check_whole(visitor)
        try:
            by = _shown(request, server, visitor, fields)
        except (BadRequest, SignInRefused) as error:
            return _confirm_page(request, server, visitor, fields.get("next", ""), 403, problem=str(error))
        token = server.sessions.renew(visitor, by)
        return signed_in(request, go_to(safe_path(fields.get("next"))), token)

    return await run_in_threadpool(confirmed)


@router.post("/confirm/challenge")
async def confirm_challenge(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """What one of the account's passkeys shall sign, as JSON."""
    await form_of(request, visitor)
    check_whole(visitor)
    asked = (visitor.session_id, CONFIRM, needed_place(request), "", visitor.caller.account_id)
    return JSONResponse(await run_in_threadpool(server.passkeys.options, *asked), headers=HEADERS)


@router.get("/factors")
def factors(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The page."""
    check_whole(visitor)
    visitor.check_fresh()
    return _page(request, server, visitor)


@router.post("/factors/passkeys/challenge")
async def passkey_challenge(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """What a new passkey shall be made for, as JSON."""
    await _changing(request, visitor)
    asked = (visitor.session_id, visitor.caller.account_id, visitor.name, needed_place(request))
    return JSONResponse(await run_in_threadpool(server.passkeys.options_to_add, *asked), headers=HEADERS)


@router.post("/factors/passkeys")
async def add_passkey(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Keep a passkey that the browser made."""
    fields = await _changing(request, visitor)
    name, answer = fields.get("name", "").strip(), fields.get("credential", "")

    def added() -> Response:
        place = needed_place(request)
        try:
            server.passkeys.add(visitor.session_id, visitor.caller.account_id, place, name, answer)
        except (BadRequest, SignInRefused) as error:
            return _page(request, server, visitor, 400, problem=str(error))
        return _stepped_up(request, server, visitor, "adding a passkey")

    return await run_in_threadpool(added)


@router.post("/factors/passkeys/remove")
async def remove_passkey(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Take a passkey away, and sign out the browsers that came with it, but this one."""
    fields = await _changing(request, visitor)

    def removed() -> Response:
        account_id, number = visitor.caller.account_id, fields.get("passkey", "")
        if not server.passkeys.remove(account_id, number):
            raise ApiError(404, "not_found", "there is no such passkey")
        server.sessions.end(account_id, but=visitor.session_id, passkey_id=number)
        return _stepped_up(request, server, visitor, "removing a passkey")

    return await run_in_threadpool(removed)


@router.post("/factors/codes/begin")
async def begin_codes(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Make a secret for an app, and go on to show it."""
    await _changing(request, visitor)

    def begun() -> Response:
        try:
            if not server.passwords.has(visitor.caller.account_id):
                raise BadRequest("codes are asked for after a password; set one first")
            server.factors.begin(visitor.caller.account_id)
        except BadRequest as error:
            return _page(request, server, visitor, 400, problem=str(error))
        return go_to(f"{PAGE}/codes")

    return await run_in_threadpool(begun)


@router.get("/factors/codes")
def codes(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """The secret, as a picture and as text, and the form for the first code."""
    check_whole(visitor)
    visitor.check_fresh()
    return _codes_page(request, server, visitor)


@router.post("/factors/codes")
async def enable_codes(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Ask for codes from now on; all other browsers are signed out, and the recovery codes shown."""
    fields = await _changing(request, visitor)

    def enabled() -> Response:
        account_id = visitor.caller.account_id
        try:
            made = server.factors.enable(account_id, fields.get("code", ""))
        except (BadRequest, SignInRefused) as error:
            return _codes_page(request, server, visitor, 400, problem=str(error))
        server.sessions.end(account_id, but=visitor.session_id)
        return _recovery_page(request, server, visitor, made, "turning codes on")

    return await run_in_threadpool(enabled)


@router.post("/factors/codes/off")
async def disable_codes(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Ask for codes no longer; all other browsers are signed out."""
    await _changing(request, visitor)

    def disabled() -> Response:
        server.factors.disable(visitor.caller.account_id)
        server.sessions.end(visitor.caller.account_id, but=visitor.session_id)
        return _stepped_up(request, server, visitor, "turning codes off")

    return await run_in_threadpool(disabled)


@router.post("/factors/recovery")
async def renew_recovery(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Make new recovery codes, and show them: only now."""
    await _changing(request, visitor)

    def renewed() -> Response:
        try:
            made = server.factors.renew_codes(visitor.caller.account_id)
        except BadRequest as error:
            return _page(request, server, visitor, 400, problem=str(error))
        return _recovery_page(request, server, visitor, made, "making recovery codes")

    return await run_in_threadpool(renewed)


async def _changing(request: Request, visitor: Visitor) -> dict[str, str]:
    """The fields of a form that changes how one signs in. Raises ForeignForm, ApiError (403), NotConfirmed."""
    fields = await form_of(request, visitor)
    check_whole(visitor)
    visitor.check_fresh()
    return {name: str(value) for name, value in fields.items()}


def _shown(request: Request, server: Server, visitor: Visitor, fields: dict[str, str]) -> str:
    """By what somebody showed who it is. Raises BadRequest and SignInRefused."""
    account_id = visitor.caller.account_id
    if answer := fields.get("credential"):
        found = server.passkeys.prove(visitor.session_id, CONFIRM, needed_place(request), answer)
        if found.account_id != account_id:
            raise SignInRefused("this is another account's passkey")
        return "passkey"
    if server.passwords.has(account_id):
        server.passwords.check(account_id, fields.get("password", ""))
        if not server.factors.is_on(account_id):
            return "password"
        return f"password and {server.factors.check(account_id, fields.get('code', ''))}"
    if server.passkeys.of(account_id):
        raise BadRequest("use one of your passkeys")
    try:
        caller = server.keys.caller(f"Bearer {fields.get('key', '').strip()}", address_of(request))
    except ApiError as error:
        raise SignInRefused(str(error)) from None
    if caller.account_id != account_id or caller.key_id != visitor.caller.key_id:
        raise SignInRefused("this is not the key that you signed in with")
    return "key"


def _stepped_up(request: Request, server: Server, visitor: Visitor, by: str) -> Response:
    """Back to the page, under a new number."""
    return signed_in(request, go_to(PAGE), server.sessions.renew(visitor, by))


def _recovery_page(request: Request, server: Server, visitor: Visitor, made: list[str], by: str) -> Response:
    """Recovery codes, under a new number whose word the page's forms carry."""
    token = server.sessions.renew(visitor, by)
    request.state.visitor = server.sessions.visitor(token)
    return signed_in(request, page(request, "recovery.html", made=made), token)


def _page(request: Request, server: Server, visitor: Visitor, status: int = 200, problem: str = "") -> Response:
    number, place = visitor.caller.account_id, place_of(request)
    return page(
        request,
        "factors.html",
        status,
        problem=problem,
        passkeys=server.passkeys.of(number),
        here=place.host if place else "",
        port=request.url.port,
        codes=server.factors.is_on(number),
        codes_left=server.factors.codes_left(number),
        has_password=server.passwords.has(number),
    )


def _codes_page(request: Request, server: Server, visitor: Visitor, status: int = 200, problem: str = "") -> Response:
    if (secret := server.factors.pending(visitor.caller.account_id)) is None:
        return go_to(PAGE)
    link = link_of(secret, visitor.name, request.url.hostname or "")
    groups = [secret[at : at + 4] for at in range(0, len(secret), 4)]
    values: dict[str, Any] = {"picture": Markup(picture_of(link)), "groups": groups, "link": link}
    return page(request, "codes.html", status, problem=problem, **values)


def _confirm_page(
    request: Request, server: Server, visitor: Visitor, wanted: str, status: int = 200, problem: str = ""
) -> Response:
    number, place = visitor.caller.account_id, place_of(request)
    passkeys = [row for row in server.passkeys.of(number) if place and row.host == place.host]
    has_password = server.passwords.has(number)
    return page(
        request,
        "confirm.html",
        status,
        problem=problem,
        next=safe_path(wanted),
        passkey=bool(passkeys),
        has_password=has_password,
        codes=has_password and server.factors.is_on(number),
        only_key=not has_password and not server.passkeys.of(number),
    )
