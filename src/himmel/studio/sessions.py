"""Browsers that are signed in: begun with a password or a key, ended by hand, by time, or with that key.

Owns: the table of sessions. A cookie's value is shown to one browser; what is kept of it is a digest. Knows nothing of
cookies and pages; what a caller may do stands in ``auth``.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update

from himmel.errors import ApiError, NotSignedIn
from himmel.studio.audit import record
from himmel.studio.auth import Caller, check_key
from himmel.studio.database import Database
from himmel.studio.tables import accounts, sessions

IDLE_SECONDS = 30 * 86400.0  # a browser that is not seen for so long is signed out
SEEN_SECONDS = 60.0  # between two notes of a browser's being seen
LONGEST_DEVICE = 200


@dataclass(frozen=True)
class Visitor:
    """Who is signed in: the account's name, what the caller may do, and the secret word of this session's forms."""

    session_id: str
    name: str
    caller: Caller
    form_word: str


class Sessions:
    """The sessions of one server; ``now`` gives seconds since 1970."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, now

    def begin(self, account_id: str, device: str, key_id: str | None = None) -> str:
        """Sign a browser in; gives what its cookie shall hold, which is new every time."""
        token, now = secrets.token_urlsafe(32), self.now()
        row = {"id": f"sess_{secrets.token_hex(8)}", "account_id": account_id, "key_id": key_id, "created_at": now}
        row |= {"digest": _digest(token), "device": device[:LONGEST_DEVICE], "last_seen": now}
        with self.database.write() as connection:
            connection.execute(sessions.insert().values(**row))
            record(connection, account_id, "session.begun", str(row["id"]), **({"key": key_id} if key_id else {}))
        return token

    def visitor(self, token: str) -> Visitor:
        """Who a cookie's value stands for. Raises NotSignedIn."""
        columns = (sessions, accounts.c.name, accounts.c.role, accounts.c.suspended_at)
        joined = select(*columns).join(accounts, accounts.c.id == sessions.c.account_id)
        with self.database.read() as connection:
            row = connection.execute(joined.where(sessions.c.digest == _digest(token), self._good())).first()
            if row is None or row.suspended_at is not None:
                raise NotSignedIn
            try:
                caller = check_key(connection, row.key_id) if row.key_id else Caller(row.account_id, None, row.role)
            except ApiError:
                raise NotSignedIn from None
        if self.now() - row.last_seen > SEEN_SECONDS:
            with self.database.write() as connection:
                connection.execute(update(sessions).where(sessions.c.id == row.id).values(last_seen=self.now()))
        return Visitor(row.id, row.name, caller, _digest(f"forms of {token}"))

    def of(self, account_id: str) -> list[Row[Any]]:
        """The account's sessions that are still good, the latest seen first."""
        mine = select(sessions).where(sessions.c.account_id == account_id, self._good())
        with self.database.read() as connection:
            return list(connection.execute(mine.order_by(sessions.c.last_seen.desc(), sessions.c.id)))

    def end(self, account_id: str, session_id: str | None = None, *, but: str | None = None) -> int:
        """Sign out one browser of the account, or all ``but`` one; gives how many."""
        which = (sessions.c.account_id == account_id) & sessions.c.ended_at.is_(None)
        if session_id is not None:
            which &= sessions.c.id == session_id
        if but is not None:
            which &= sessions.c.id != but
        with self.database.write() as connection:
            ended = connection.execute(update(sessions).where(which).values(ended_at=self.now())).rowcount
            if ended:
                record(connection, account_id, "session.ended", session_id or "all others", count=ended)
            return int(ended)

    def _good(self) -> ColumnElement[bool]:
        return sessions.c.ended_at.is_(None) & (sessions.c.last_seen > self.now() - IDLE_SECONDS)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
