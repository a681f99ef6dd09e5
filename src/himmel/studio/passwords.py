"""Passwords: hashed with argon2id, checked at a price, guessed at in vain.

Owns: the table of passwords, how long one must be, and how often one may be guessed at. Hashing is pwdlib's: each check
takes 64 MiB and some 50 ms, so few are made at a time. Knows nothing of cookies and pages.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select

from himmel.errors import BadRequest, SignInRefused
from himmel.studio.audit import record
from himmel.studio.database import Database
from himmel.studio.gate import Gate
from himmel.studio.tables import accounts, passwords

SHORTEST, LONGEST = 10, 500  # characters
TRIES, TRIES_SECONDS = 10, 600.0  # wrong ones from one address, or for one name
MOST_REMEMBERED = 10_000  # addresses and names
WRONG = "the name or the password is not right"


class Passwords:
    """The passwords of one server; ``now`` gives seconds since 1970."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, now
        self._gate = Gate("too many people sign in at the moment", 2, 16)
        self._wrong: dict[str, deque[float]] = {}

    def hashed(self, password: str) -> str:
        """What is kept of a new password. Raises BadRequest for one that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise BadRequest(f"a password has {SHORTEST} to {LONGEST} characters; several words are easy to remember")
        with self._gate.passed():
            return _hasher().hash(password)

    def account_of(self, name: str, password: str, address: str) -> str:
        """The number of the account of this name, if it is its password. Raises SignInRefused and ApiError (503)."""
        tried = (f"address {address}", f"name {name[:80]}")
        self._check_tries(tried)
        query = select(accounts.c.id, accounts.c.suspended_at, passwords.c.hash)
        with self.database.read() as connection:
            row = connection.execute(query.join(passwords).where(accounts.c.name == name)).first()
        # One is checked for unknown names too, so that time tells nothing.
        good = self._is_good(password, row.hash if row else _nobodys())
        if row is None or not good:
            for one in tried:
                self._wrong.setdefault(one, deque(maxlen=TRIES)).append(self.now())
            raise SignInRefused(WRONG)
        if row.suspended_at is not None:
            raise SignInRefused("this account is suspended; ask the server's operator")
        return str(row.id)

    def has(self, account_id: str) -> bool:
        """Whether an account has a password."""
        with self.database.read() as connection:
            return connection.scalar(select(passwords.c.hash).where(passwords.c.account_id == account_id)) is not None

    def change(self, account_id: str, old: str, new: str) -> None:
        """Give an account a new password; ``old`` is asked for where it has one. Raises BadRequest, ApiError (503)."""
        with self.database.read() as connection:
            known = connection.scalar(select(passwords.c.hash).where(passwords.c.account_id == account_id))
        if known is not None:
            self._check_tries((f"account {account_id}",))
            if not self._is_good(old, known):
                self._wrong.setdefault(f"account {account_id}", deque(maxlen=TRIES)).append(self.now())
                raise BadRequest("the present password is not right")
        row = {"account_id": account_id, "hash": self.hashed(new), "changed_at": self.now()}
        with self.database.write() as connection:
            connection.execute(passwords.delete().where(passwords.c.account_id == account_id))
            connection.execute(passwords.insert().values(**row))
            record(connection, account_id, "password.changed", account_id)

    def _is_good(self, password: str, known: str) -> bool:
        with self._gate.passed():
            return len(password) <= LONGEST and _hasher().verify(password, known)

    def _check_tries(self, tried: tuple[str, ...]) -> None:
        """Raise SignInRefused where too many were wrong lately."""
        since = self.now() - TRIES_SECONDS
        if len(self._wrong) > MOST_REMEMBERED:
            self._wrong = {one: at for one, at in self._wrong.items() if at[-1] > since}
        for one in tried:
            at = self._wrong.get(one)
            if at and len(at) == TRIES and at[0] > since:
                raise SignInRefused("too many wrong tries; wait ten minutes, or sign in with a key")


@cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


@cache
def _nobodys() -> str:
    """What nobody's password is compared with."""
    return _hasher().hash("nobody has this password")
