"""How much a key, or an account, may use: jobs at a time, compute-seconds a day.

Owns: counting what an account, a key and those that it made have used, and refusing more. It counts in the transaction
that accepts the job, which has locked the account, so that two requests at once cannot both be the last one.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from himmel.errors import ApiError
from himmel.studio.auth import check_key
from himmel.studio.jobs import Status
from himmel.studio.tables import jobs, keys

DAY = 24 * 3600.0
SOON = 15  # seconds after which a place may be free again


def check_account_limits(connection: Connection, account: Row[Any], more: int, cost: float, now: float) -> None:
    """Raise ApiError (429) unless an account may have ``more`` jobs, of ``cost`` compute-seconds each."""
    mine = jobs.c.account_id == account.id
    if account.open_jobs is not None:
        _check_open(connection, mine, "account", account.open_jobs, more)
    if account.daily_seconds is not None:
        _check_day(connection, mine, "account", account.daily_seconds, more * cost, now)


def check_limits(connection: Connection, key_id: str, more: int, cost: float, now: float) -> None:
    """Raise ApiError unless a key may have ``more`` jobs, of ``cost`` compute-seconds each.

    401 where it was revoked meanwhile, 429 where it, or the key that made it, is at its limit.
    """
    own = check_key(connection, key_id)
    counted = {key_id: own.terms}
    if own.parent_id:
        counted[own.parent_id] = check_key(connection, own.parent_id).terms
    for number, terms in counted.items():
        if terms.open_jobs is not None:
            _check_open(connection, _of(number), "key", terms.open_jobs, more)
        if terms.daily_seconds is not None:
            _check_day(connection, _of(number), "key", terms.daily_seconds, more * cost, now)


def used(connection: Connection, key_id: str, now: float) -> tuple[int, float]:
    """What a key and those that it made use: jobs that wait or run, compute-seconds within 24 hours."""
    return _used(connection, _of(key_id), now)


def used_by_account(connection: Connection, account_id: str, now: float) -> tuple[int, float]:
    """The same of all that an account does."""
    return _used(connection, jobs.c.account_id == account_id, now)


def lately_by_account(connection: Connection, now: float) -> dict[str, float]:
    """Compute-seconds of the jobs of the last 24 hours, by account; those that have none are left out."""
    query = select(jobs.c.account_id, func.sum(jobs.c.cost)).where(jobs.c.created_at > now - DAY)
    return {account: float(seconds) for account, seconds in connection.execute(query.group_by(jobs.c.account_id))}


def _used(connection: Connection, whose: ColumnElement[bool], now: float) -> tuple[int, float]:
    lately = select(func.coalesce(func.sum(jobs.c.cost), 0.0)).where(whose, jobs.c.created_at > now - DAY)
    return _open(connection, whose), float(connection.scalar(lately) or 0.0)


def _open(connection: Connection, whose: ColumnElement[bool]) -> int:
    still = (Status.QUEUED, Status.IN_PROGRESS)
    return connection.scalar(select(func.count()).where(whose, jobs.c.status.in_(still))) or 0


def _check_open(connection: Connection, whose: ColumnElement[bool], what: str, most: int, more: int) -> None:
    count = _open(connection, whose)
    if count + more > most:
        told = f"this {what} may have {most} jobs at a time, and {count} are waiting or running"
        raise ApiError(429, "too_many_open", told, retry_after=SOON)


def _check_day(
    connection: Connection, whose: ColumnElement[bool], what: str, most: float, cost: float, now: float
) -> None:
    lately = select(func.coalesce(func.sum(jobs.c.cost), 0.0), func.min(jobs.c.created_at))
    used, oldest = connection.execute(lately.where(whose, jobs.c.created_at > now - DAY)).one()
    if used + cost > most:
        told = f"this {what} may use {most:g} compute-seconds a day; {used:.0f} are used, {cost:.0f} more asked"
        wait = DAY - (now - oldest) if oldest is not None else DAY
        raise ApiError(429, "budget_used_up", told, retry_after=math.ceil(max(1.0, wait)))


def _of(key_id: str) -> ColumnElement[bool]:
    """The jobs of a key and of those that it made."""
    family = select(keys.c.id).where((keys.c.id == key_id) | (keys.c.parent_id == key_id))
    return jobs.c.key_id.in_(family)
