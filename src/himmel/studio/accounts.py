"""Accounts as their operators see them: who there is, what they use, and what of them may be changed.

Owns: changing roles, weights and limits, suspending, deleting, and whose account is whose to change. Making accounts is
``auth``'s, inviting people ``invitations``'.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, true, update

from himmel.errors import ApiError, BadRequest
from himmel.studio.audit import actor, record
from himmel.studio.auth import ROLES, Caller, Terms
from himmel.studio.database import Database
from himmel.studio.jobs import Status
from himmel.studio.tables import (
    accounts,
    batch_lines,
    batches,
    characters,
    deliveries,
    files,
    folders,
    half_sessions,
    imports,
    jobs,
    keys,
    passkeys,
    passwords,
    previews,
    published,
    recovery_codes,
    sessions,
    shares,
    shelf,
    totp,
    webhook_endpoints,
)

LIMITS = ("open_jobs", "daily_seconds")  # that an account may have, as a key may
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


def check_may_change(caller: Caller, account: Row[Any], role: str | None = None) -> None:
    """Raise ApiError (403) unless an operator may change this account, and give it a role where one is named."""
    if caller.role != "owner" and (role is not None or account.role == "owner"):
        raise ApiError(403, "role_missing", "roles, and owners, are for the owner to change")


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


def limit_account(database: Database, account_id: str, **limits: float | None) -> None:
    """Limit all that an account does: ``open_jobs``, ``daily_seconds``; None is any number, what is left out stays.

    Raises ApiError (404) and BadRequest.
    """
    terms = Terms(**limits)  # type: ignore[arg-type]  # which refuses what cannot be
    changes = {name: getattr(terms, name) for name in LIMITS if name in limits}
    with database.write() as connection:
        if not connection.execute(update(accounts).where(accounts.c.id == account_id).values(**changes)).rowcount:
            raise no_account(account_id)
        record(connection, actor(), "account.limited", account_id, **changes)


def check_may_go(connection: Connection, account_id: str) -> Row[Any]:
    """The account, locked, if it may be deleted. Raises ApiError (404), and BadRequest for the last owner's."""
    known = connection.execute(select(accounts).where(accounts.c.id == account_id).with_for_update()).first()
    if known is None:
        raise no_account(account_id)
    if known.role == "owner" and _owners(connection) == 1:
        raise BadRequest("this is the last owner's account; make another account 'owner' first")
    return known


def delete_account(database: Database, account_id: str) -> None:
    """Take an account away with all that is its own; what the audit log says of it stays.

    Its bytes go with the next sweep, its running jobs lose their workers. Raises ApiError (404) and BadRequest for the
    last owner's account.
    """
    mine = {table.name: select(table.c.id).where(table.c.account_id == account_id) for table in (jobs, batches)}
    endpoints = select(webhook_endpoints.c.id).where(webhook_endpoints.c.account_id == account_id)
    with database.write() as connection:
        known = check_may_go(connection, account_id)
        connection.execute(delete(batch_lines).where(batch_lines.c.batch_id.in_(mine["batches"])))
        connection.execute(delete(deliveries).where(deliveries.c.endpoint_id.in_(endpoints)))
        for table in (previews, shelf, published, shares):
            connection.execute(delete(table).where(table.c.job_id.in_(mine["jobs"])))
        doors = (half_sessions, sessions, passwords, totp, recovery_codes, passkeys)
        for table in (imports, folders, batches, files, characters, webhook_endpoints, *doors, jobs):
            connection.execute(delete(table).where(table.c.account_id == account_id))
        for which in (keys.c.parent_id.is_not(None), true()):  # those that keys made come before those
            connection.execute(delete(keys).where(keys.c.account_id == account_id, which))
        connection.execute(delete(accounts).where(accounts.c.id == account_id))
        record(connection, actor(), "account.deleted", account_id, name=known.name)


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
