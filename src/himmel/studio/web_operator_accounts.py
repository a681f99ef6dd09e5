"""Operator, Accounts: who is here and what they use; inviting, changing, suspending, removing them, ending their keys.

Owns: these pages. What may be done stands in ``accounts``, ``invitations`` and ``auth``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import ApiError, BadRequest
from himmel.studio import invitations
from himmel.studio.accounts import (
    LIMITS,
    change_account,
    check_may_change,
    find_account,
    limit_account,
    list_accounts,
)
from himmel.studio.api_videos import TheServer
from himmel.studio.auth import ROLES
from himmel.studio.limits import used, used_by_account
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.usage import bytes_said, computed, stored
from himmel.studio.web import PageRoute, form_of, go_to, page
from himmel.studio.web_belongings import end_account
from himmel.studio.web_operator import TheOperator, asked_first

HERE = "/operator/accounts"
router = APIRouter(prefix=HERE, route_class=PageRoute)


@router.get("")
def listed(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """All accounts."""
    return _list_page(request, server)


@router.post("/invite")
async def invite(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Make an account and show the link to it: only now."""
    fields = await form_of(request, visitor)

    def made() -> Response:
        name, role = str(fields.get("name", "")).strip(), str(fields.get("role", "member"))
        try:
            if role != "member" and visitor.caller.role != "owner":
                raise ApiError(403, "role_missing", "roles are for the owner to give")
            if role not in ROLES:
                raise BadRequest(f"there is no role '{role[:80]}'; allowed: {', '.join(ROLES)}")
            secret = invitations.invite(server.keys, name, _days(fields))
        except BadRequest as error:
            return _list_page(request, server, 400, problem=str(error))
        account_id = server.keys.holder(secret.partition(".")[0]).account_id
        if role != "member":
            change_account(server.database, account_id, role=role)
        return _list_page(request, server, link=_link(request, secret), invited=name)

    return await run_in_threadpool(made)


@router.get("/{account_id}")
def shown(account_id: str, request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """One account."""
    return _account_page(request, server, visitor, account_id)


@router.post("/{account_id}/change")
async def change(account_id: str, request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Give it another weight, other limits, another role."""
    fields = await form_of(request, visitor)

    def changed() -> None:
        account = _may(server, visitor, account_id)
        role, weight = str(fields.get("role", "")) or account.role, str(fields.get("weight", "")).strip()
        if role != account.role:
            check_may_change(visitor.caller, account, role)
        try:
            share = float(weight.replace(",", ".")) if weight else account.weight
        except ValueError:
            raise BadRequest(f"the weight is '{weight[:80]}'; allowed: 0.01 to 100, and 1 is everybody's") from None
        limits: dict[str, float | None] = {name: _number(fields, name) for name in LIMITS}
        if (role, share) != (account.role, account.weight):
            change_account(server.database, account_id, role=role if role != account.role else None, weight=share)
        if any(limits[name] != getattr(account, name) for name in LIMITS):
            limit_account(server.database, account_id, **limits)

    return await _done(request, server, visitor, account_id, changed)


@router.post("/{account_id}/suspend")
async def suspend(account_id: str, request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Refuse all its keys and browsers, or accept them again."""
    fields = await form_of(request, visitor)

    def changed() -> None:
        _may(server, visitor, account_id)
        change_account(server.database, account_id, suspended=fields.get("suspended") == "1")

    return await _done(request, server, visitor, account_id, changed)


@router.post("/{account_id}/keys/revoke")
async def revoke(account_id: str, request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """End one of its keys, once that was asked."""
    fields = await form_of(request, visitor)
    number = str(fields.get("key", ""))

    def asked() -> Response | None:
        account = _may(server, visitor, account_id)
        good = [row.name for row in server.keys.list(account_id) if row.id == number and row.revoked_at is None]
        if not good:
            raise ApiError(404, "key_not_found", "there is no such key that is still good")
        return asked_first(request, fields, "revoke", f"{account.name}: {good[0]} · {number}", f"{HERE}/{account_id}")

    if asking := await run_in_threadpool(asked):
        return asking

    def revoked() -> None:
        server.keys.revoke(number, account_id)

    return await _done(request, server, visitor, account_id, revoked)


@router.post("/{account_id}/invite")
async def renew(account_id: str, request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Make another link for who has not come yet, and show it: only now."""
    fields = await form_of(request, visitor)

    def made() -> Response:
        account = _may(server, visitor, account_id)
        try:
            days = _days(fields)
            secret = invitations.renew(server.keys, account_id, days)
        except BadRequest as error:
            return _account_page(request, server, visitor, account_id, 400, problem=str(error))
        server.callers.forget()
        link = _link(request, secret)
        return _account_page(request, server, visitor, account_id, link=link, invited=account.name)

    return await run_in_threadpool(made)


@router.post("/{account_id}/remove")
async def remove(account_id: str, request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """Take an account away with all that is its own, after its name was typed."""
    fields = await form_of(request, visitor)

    def removed() -> Response:
        account = _may(server, visitor, account_id)
        try:
            if str(fields.get("name", "")).strip() != account.name:
                raise BadRequest("type the account's name as it is written to remove it; nothing was removed")
            end_account(server, account_id)
        except BadRequest as error:
            return _account_page(request, server, visitor, account_id, 400, problem=str(error))
        return go_to(HERE)

    return await run_in_threadpool(removed)


async def _done(
    request: Request, server: Server, visitor: Visitor, account_id: str, act: Callable[[], None]
) -> Response:
    """Do something with an account, and show it again; with what was wrong, where something was."""

    def did() -> Response:
        try:
            act()
        except BadRequest as error:
            return _account_page(request, server, visitor, account_id, 400, problem=str(error))
        server.callers.forget()
        return go_to(f"{HERE}/{account_id}")

    return await run_in_threadpool(did)


def _may(server: Server, visitor: Visitor, account_id: str) -> Any:
    """The account, if the operator may change it. Raises ApiError (403, 404)."""
    account = find_account(server.database, account_id)
    check_may_change(visitor.caller, account)
    return account


def _list_page(
    request: Request, server: Server, status: int = 200, problem: str = "", link: str = "", invited: str = ""
) -> Response:
    with server.database.read() as connection:
        spent = computed(connection)
    rows, kept = list_accounts(server.database), stored(server)
    by_account: dict[str, list[Any]] = {row.id: [] for row in rows}
    for key in server.keys.list():
        by_account.setdefault(key.account_id, []).append(key)
    room = {row.id: bytes_said(kept.get(row.id, 0)) for row in rows} if kept is not None else {}
    until = {row.id: invitations.open_until(by_account[row.id]) for row in rows}
    told: dict[str, Any] = {"accounts": rows, "spent": spent, "room": room, "until": until, "roles": ROLES}
    told |= {"problem": problem, "link": link, "invited": invited, "days": invitations.DAYS}
    return page(request, "operator_accounts.html", status, **told)


def _account_page(
    request: Request,
    server: Server,
    visitor: Visitor,
    account_id: str,
    status: int = 200,
    problem: str = "",
    link: str = "",
    invited: str = "",
) -> Response:
    account, kept = find_account(server.database, account_id), stored(server, account_id)
    rows, now = server.keys.list(account_id), server.queue.now()
    good = [row for row in rows if row.revoked_at is None and not invitations.is_invitation(row)]
    with server.database.read() as connection:
        spent = {row.id: used(connection, row.id, now) for row in good}
        lately = used_by_account(connection, account_id, now)
        total = computed(connection, account_id).get(account_id, 0.0)
    told: dict[str, Any] = {"account": account, "keys": good, "spent": spent, "lately": lately, "total": total}
    told |= {"problem": problem, "link": link, "invited": invited, "days": invitations.DAYS, "roles": ROLES}
    told["room"] = bytes_said(kept.get(account_id, 0)) if kept is not None else ""
    told["sessions"] = server.sessions.of(account_id)
    told["has_come"], told["until"] = invitations.has_come(server.keys, account_id, rows), invitations.open_until(rows)
    told["may"] = visitor.caller.role == "owner" or account.role != "owner"
    return page(request, "operator_account.html", status, **told)


def _link(request: Request, secret: str) -> str:
    return f"{str(request.base_url).rstrip('/')}/invite/{secret}"


def _days(fields: dict[str, Any]) -> int:
    """How long an invitation shall be good. Raises BadRequest."""
    days = _number(fields, "days")
    return invitations.DAYS if days is None else days


def _number(fields: dict[str, Any], name: str) -> int | None:
    """A whole number of a form; None where the field was left open. Raises BadRequest."""
    told = str(fields.get(name, "")).strip()
    if told and not (told.isascii() and told.isdecimal() and len(told) <= 9):
        raise BadRequest(f"{name} must be a whole number, 0 or more")
    return int(told) if told else None
