"""Operator, Audit log and Settings: who did what, and what the server runs with.

Owns: these two pages. The log is ``audit``'s, the settings and where they came from are ``settings``'.
"""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import make_url

from himmel.studio.accounts import list_accounts
from himmel.studio.api_videos import TheServer
from himmel.studio.audit import broken, kinds, search
from himmel.studio.settings import FILE, MEANING, Settings, origin, variable
from himmel.studio.web import PageRoute, page
from himmel.studio.web_operator import TheOperator

TOGETHER = 50
router = APIRouter(prefix="/operator", route_class=PageRoute)


@router.get("/audit")
def audit(
    request: Request,
    server: TheServer,
    visitor: TheOperator,
    account: str = Query(default="", max_length=80),
    act: str = Query(default="", max_length=40),
    before: int = Query(default=0, ge=0, le=2**31 - 1),
    check: bool = False,
) -> Response:
    """The latest acts, of an account, of a kind, from before a number on; with ``check``, whether the log holds."""
    with server.database.read() as connection:
        rows = search(connection, account, act, before, TOGETHER + 1)
        told: dict[str, Any] = {"kinds": kinds(connection)}
        told["broken"] = broken(connection) if check else None
    shown = rows[:TOGETHER]
    wish = {name: value for name, value in (("account", account), ("act", act)) if value}
    older = urlencode(wish | {"before": shown[-1].number}) if len(rows) > TOGETHER else ""
    told |= {"rows": [_entry(row) for row in shown], "older": older, "account": account, "act": act, "check": check}
    told |= {"accounts": list_accounts(server.database), "wish": urlencode(wish), "before": before}
    return page(request, "operator_audit.html", names={row.id: row.name for row in told["accounts"]}, **told)


@router.get("/settings")
def settings(request: Request, server: TheServer, visitor: TheOperator) -> Response:
    """What the server runs with. It is read when the server starts; what can be changed meanwhile is a form."""
    rows = [
        {
            "name": one.name,
            "value": _shown(server.settings, one.name),
            "meaning": MEANING[one.name],
            "origin": origin(server.settings, one.name),
            "variable": variable(one.name),
            "flag": f"--{one.name.replace('_', '-')}",
        }
        for one in fields(Settings)
    ]
    changed = [row for row in rows if row["origin"]]
    usual = [row for row in rows if not row["origin"]]
    told: dict[str, Any] = {"changed": changed, "usual": usual, "file": server.settings.data_dir / FILE}
    return page(request, "operator_settings.html", draining=server.queue.draining(), **told)


def _entry(row: Any) -> dict[str, Any]:
    """A row of the log; what only a machine would ask for is left out."""
    details = {name: _told(name, value) for name, value in row.details.items() if name != "request_id"}
    kept = {"number": row.number, "who": row.who, "act": row.act, "subject": row.subject}
    return kept | {"at": _moment(row.at), "details": details}


def _told(name: str, value: Any) -> str:
    """One of the details of an act: times as times, lists as lists."""
    if name.endswith("_at") and isinstance(value, float):
        return _moment(value)
    return ", ".join(map(str, value)) or "–" if isinstance(value, list) else "–" if value is None else str(value)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _shown(settings: Settings, name: str) -> str:
    """A value as it may be seen: an address of a database without its password."""
    value = getattr(settings, name)
    if name == "database_url" and value:
        return make_url(value).render_as_string(hide_password=True)
    return str(value)
