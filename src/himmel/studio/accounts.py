"""Accounts as their operators see them: who there is, what they use, and what of them may be changed.

Owns: changing roles and weights, suspending. Making accounts is ``auth``'s.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from himmel.errors import ApiError, BadRequest
from himmel.studio.audit import actor, record
from himmel.studio.auth import ROLES
from himmel.studio.database import Database, accounts, jobs
from himmel.studio.jobs import Status

RUNNING = (
    select(func.count())
    .where(jobs.c.account_id == accounts.c.id, jobs.c.status == Status.IN_PROGRESS)
    .scalar_subquery()
    .label("running")
)


def list_accounts(database: Database) -> list[Row[Any]]:
    """All accounts, oldest first, each with the number of its running jobs as ``running``."""
    with database.read() as connection:
        return list(connection.execute(select(accounts, RUNNING).order_by(accounts.c.created_at, accounts.c.id)))


def find_account(database: Database, account_id: str) -> Row[Any]:
    """One account, as in the list. Raises ApiError (404)."""
    with database.read() as connection:
        found = connection.execute(select(accounts, RUNNING).where(accounts.c.id == account_id)).first()
    if found is None:
        raise no_account(account_id)
    return found


def no_account(account_id: str) -> ApiError:
    return ApiError(404, "account_not_found", f"there is no account '{account_id[:80]}'")


def change_account(
    database: Database,
    account_id: str,
    *,
    role: str | None = None,
    weight: float | None = None,
    suspended: bool | None = None,
) -> None:
    """Change what is given. Raises ApiError (404) and BadRequest; the last owner stays one and is not suspended."""
    if role is not None and role not in ROLES:
        raise BadRequest(f"there is no role '{role}'; allowed: {', '.join(ROLES)}")
    if weight is not None and not 0.01 <= weight <= 100:
        raise BadRequest(f"the weight is {weight:g}; allowed: 0.01 to 100, and 1 is everybody's")
    changes: dict[str, Any] = {"role": role, "weight": weight}
    changes = {name: value for name, value in changes.items() if value is not None}
    if suspended is not None:
        changes["suspended_at"] = time.time() if suspended else None
    with database.write() as connection:
        known = connection.execute(select(accounts).where(accounts.c.id == account_id).with_for_update()).first()
        if known is None:
            raise no_account(account_id)
        if known.role == "owner" and (role not in (None, "owner") or suspended) and _owners(connection) == 1:
            raise BadRequest("this is the last owner's account; make another account 'owner' first")
        if changes:
            connection.execute(update(accounts).where(accounts.c.id == account_id).values(**changes))
            record(connection, actor(), "account.changed", account_id, **changes)


def account_of_name(database: Database, name: str) -> str:
    """The number of the account of this name. Raises BadRequest."""
    with database.read() as connection:
        found = connection.scalar(select(accounts.c.id).where(accounts.c.name == name))
    if found is None:
        raise BadRequest(f"there is no account '{name}'; see 'himmel accounts list'")
    return str(found)


def _owners(connection: Connection) -> int:
    good = (accounts.c.role == "owner") & accounts.c.suspended_at.is_(None)
    return len(connection.execute(select(accounts.c.id).where(good).with_for_update()).all())
