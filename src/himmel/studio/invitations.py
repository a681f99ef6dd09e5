"""Invitations: a link, shown once and good for some days, with which somebody comes to an account that waits for them.

Owns: making such links, and coming in by one. An invitation is a key that may do nothing at all: whoever has it gives
the account its first password, and it ends with that. So it ends like any key, too: by time, by hand, with the account.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, select, update

from himmel.errors import ApiError, BadRequest
from himmel.studio.accounts import find_account
from himmel.studio.audit import record
from himmel.studio.auth import PREFIX, Keys, Terms
from himmel.studio.tables import keys as table
from himmel.studio.tables import passwords

DAYS, MOST_DAYS = 7, 90


def invite(keys: Keys, name: str, days: int = DAYS) -> str:
    """Make an account of a new name, a member's; gives the secret part of its link. Raises BadRequest."""
    return _secret(keys.invite(name, _terms(days)))


def renew(keys: Keys, account_id: str, days: int = DAYS) -> str:
    """Another link for who has not come yet; those before end. Raises ApiError (404), and BadRequest."""
    find_account(keys.database, account_id)
    terms, rows = _terms(days), keys.list(account_id)
    if has_come(keys, account_id, rows):
        raise BadRequest("somebody has come to this account already; a link would let others in")
    for row in rows:
        keys.revoke(row.id, account_id)
    return _secret(keys.create_for(account_id, "invitation", terms))


def has_come(keys: Keys, account_id: str, rows: Iterable[Row[Any]]) -> bool:
    """Whether an account is somebody's by now: it has a password, or (among ``rows``, its keys) a key for use."""
    with keys.database.read() as connection:
        known = connection.scalar(select(passwords.c.account_id).where(passwords.c.account_id == account_id))
    return known is not None or any(not is_invitation(row) for row in rows)


def is_invitation(row: Row[Any]) -> bool:
    """Whether a key is good for coming in alone."""
    return row.scopes is not None and not row.scopes


def open_until(rows: Iterable[Row[Any]]) -> float | None:
    """Until when an invitation among an account's keys is good, in seconds since 1970; None where there is none."""
    good = [row.expires_at for row in rows if is_invitation(row) and row.revoked_at is None]
    return max((until for until in good if until > time.time()), default=None)


def invited(keys: Keys, secret: str) -> tuple[str, str, str]:
    """Number of the account, its name, and the key's number. Raises ApiError (404) for a link that is not good."""
    try:
        caller = keys.caller(f"Bearer {PREFIX}_{secret}")
    except ApiError:
        raise _not_good() from None
    if caller.terms.scopes != () or caller.key_id is None:
        raise _not_good()
    return caller.account_id, str(find_account(keys.database, caller.account_id).name), caller.key_id


def accept(keys: Keys, secret: str, password_hash: str) -> str:
    """Give the account its first password and end the invitation, both or neither; gives the account's number.

    Raises ApiError (404) for a link that is not good, or was used a moment ago.
    """
    account_id, _, key_id = invited(keys, secret)
    now = time.time()
    with keys.database.write() as connection:
        good = (table.c.id == key_id) & table.c.revoked_at.is_(None)
        first = connection.execute(update(table).where(good).values(revoked_at=now)).rowcount == 1
        known = connection.scalar(select(passwords.c.account_id).where(passwords.c.account_id == account_id))
        if not first or known is not None:
            raise _not_good()
        row = {"account_id": account_id, "hash": password_hash, "changed_at": now}
        connection.execute(passwords.insert().values(**row))
        record(connection, account_id, "invitation.accepted", key_id, account=account_id)
    return account_id


def _terms(days: int) -> Terms:
    if not 1 <= days <= MOST_DAYS:
        raise BadRequest(f"an invitation is good for 1 to {MOST_DAYS} days, not {days}")
    return Terms(scopes=(), expires_at=time.time() + 86400 * days)


def _secret(key: str) -> str:
    return key.removeprefix(f"{PREFIX}_")


def _not_good() -> ApiError:
    told = "this link is not good: it was used, it is too old, or it was taken back; ask who sent it for another"
    return ApiError(404, "not_found", told)
