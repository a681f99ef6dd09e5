"""Browsers that are signed in: begun with a password, a key or a passkey, ended by hand, by time, or with that key.

Owns: the table of sessions, and that of half sessions: the password was right, a code is owed, nothing else can be done
with them. A cookie's value is shown to one browser; what is kept of it is a digest. Knows nothing of cookies and pages;
what a caller may do stands in ``auth``.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, union_all, update

from himmel.errors import ApiError, NotConfirmed, NotSignedIn
from himmel.studio.audit import record
from himmel.studio.auth import Caller, check_key
from himmel.studio.database import Database
from himmel.studio.tables import accounts, half_sessions, passkeys, passwords, sessions

IDLE_SECONDS = 30 * 86400.0  # a browser that is not seen for so long is signed out
SEEN_SECONDS = 60.0  # between two notes of a browser's being seen
HALF_SECONDS = 300.0  # between a password and the code that it asks for
FRESH_SECONDS = 600.0  # how long a browser may do what asks who sits there, after that was shown
LONGEST_DEVICE = 200
# What browsers call themselves, those first that call themselves by others' names too.
BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "Chrome": "Chrome"}
BROWSERS |= {"CriOS": "Chrome", "Safari": "Safari"}
SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS X": "macOS"}
SYSTEMS |= {"CrOS": "ChromeOS", "Linux": "Linux"}


@dataclass(frozen=True)
class Visitor:
    """Who is signed in: the account's name, what the caller may do, and the secret word of this session's forms.

    ``is_fresh`` where it was shown lately, with all that signing in asks for, who sits there.
    """

    session_id: str
    name: str
    caller: Caller
    form_word: str
    is_fresh: bool

    def check_fresh(self) -> None:
        """Raise NotConfirmed where it is to be shown anew."""
        if not self.is_fresh:
            raise NotConfirmed


class Sessions:
    """The sessions of one server; ``now`` gives seconds since 1970."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, now

    def begin(
        self,
        account_id: str,
        device: str,
        key_id: str | None = None,
        passkey_id: str | None = None,
        by: str = "password",
    ) -> str:
        """Sign a browser in, ``by`` what; gives what its cookie shall hold, which is new every time."""
        token, now = secrets.token_urlsafe(32), self.now()
        row = {"id": f"sess_{secrets.token_hex(8)}", "account_id": account_id, "key_id": key_id, "created_at": now}
        row |= {"digest": _digest(token), "device": device[:LONGEST_DEVICE], "last_seen": now, "passkey_id": passkey_id}
        told = {"key": key_id} if key_id else {"passkey": passkey_id} if passkey_id else {"by": by}
        with self.database.write() as connection:
            # A key that was found shall not change what its account signs in with.
            fresh = key_id is None or not _has_more_than_keys(connection, account_id)
            connection.execute(sessions.insert().values(**row, confirmed_at=now if fresh else None))
            record(connection, account_id, "session.begun", str(row["id"]), **told)
        return token

    def begin_half(self, account_id: str) -> str:
        """Remember a right password for some minutes; gives what a cookie of its own shall hold."""
        token, now = secrets.token_urlsafe(32), self.now()
        with self.database.write() as connection:
            connection.execute(delete(half_sessions).where(half_sessions.c.created_at < now - HALF_SECONDS))
            row = {"digest": _digest(token), "account_id": account_id, "created_at": now}
            connection.execute(half_sessions.insert().values(**row))
        return token

    def half(self, token: str) -> str:
        """The account whose password was given, and that owes a code. Raises NotSignedIn."""
        good = (half_sessions.c.digest == _digest(token)) & (half_sessions.c.created_at > self.now() - HALF_SECONDS)
        query = select(half_sessions.c.account_id).join(accounts, accounts.c.id == half_sessions.c.account_id)
        with self.database.read() as connection:
            account_id = connection.scalar(query.where(good, accounts.c.suspended_at.is_(None)))
        if account_id is None:
            raise NotSignedIn
        return str(account_id)

    def end_half(self, token: str) -> None:
        """Once and no more. Raises NotSignedIn where it was over already."""
        with self.database.write() as connection:
            if connection.execute(delete(half_sessions).where(half_sessions.c.digest == _digest(token))).rowcount != 1:
                raise NotSignedIn

    def renew(self, visitor: Visitor, by: str) -> str:
        """Give a session a new token, now that it was shown ``by`` what who sits there. Raises NotSignedIn."""
        token, now = secrets.token_urlsafe(32), self.now()
        mine = (sessions.c.id == visitor.session_id) & sessions.c.ended_at.is_(None)
        changed = update(sessions).where(mine).values(digest=_digest(token), confirmed_at=now, last_seen=now)
        with self.database.write() as connection:
            if connection.execute(changed).rowcount != 1:
                raise NotSignedIn
            record(connection, visitor.caller.account_id, "session.confirmed", visitor.session_id, by=by)
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
        fresh = row.confirmed_at is not None and row.confirmed_at > self.now() - FRESH_SECONDS
        return Visitor(row.id, row.name, caller, _digest(f"forms of {token}"), fresh)

    def of(self, account_id: str) -> list[Row[Any]]:
        """The account's sessions that are still good, the latest seen first."""
        mine = select(sessions).where(sessions.c.account_id == account_id, self._good())
        with self.database.read() as connection:
            return list(connection.execute(mine.order_by(sessions.c.last_seen.desc(), sessions.c.id)))

    def end(
        self, account_id: str, session_id: str | None = None, *, but: str | None = None, passkey_id: str | None = None
    ) -> int:
        """Sign out one browser of the account, or all ``but`` one, or those of a passkey; gives how many."""
        which = (sessions.c.account_id == account_id) & sessions.c.ended_at.is_(None)
        if session_id is not None:
            which &= sessions.c.id == session_id
        if but is not None:
            which &= sessions.c.id != but
        if passkey_id is not None:
            which &= sessions.c.passkey_id == passkey_id
        with self.database.write() as connection:
            if session_id is None:
                connection.execute(delete(half_sessions).where(half_sessions.c.account_id == account_id))
            ended = connection.execute(update(sessions).where(which).values(ended_at=self.now())).rowcount
            if ended:
                record(connection, account_id, "session.ended", session_id or "all others", count=ended)
            return int(ended)

    def _good(self) -> ColumnElement[bool]:
        return sessions.c.ended_at.is_(None) & (sessions.c.last_seen > self.now() - IDLE_SECONDS)


def called(device: str) -> str:
    """What a browser is called, shortly: "Firefox · Linux"; what is not known stays as it called itself."""
    kinds = (BROWSERS, SYSTEMS)
    found = [next((name for part, name in kind.items() if part in device), "") for kind in kinds]
    return " · ".join(found) if all(found) else device


def _has_more_than_keys(connection: Connection, account_id: str) -> bool:
    """Whether an account has a password or a passkey to show who it is."""
    tables = (select(table.c.account_id).where(table.c.account_id == account_id) for table in (passwords, passkeys))
    return connection.execute(union_all(*tables).limit(1)).first() is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
