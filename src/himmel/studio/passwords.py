"""Passwords: hashed with argon2id, checked at a price, guessed at in vain.

Owns: the table of passwords, and how long one must be. How often one may be guessed at stands in ``tries``. Hashing is
pwdlib's: each check takes 64 MiB and some 50 ms, so few are made at a time. Knows nothing of cookies and pages.
"""

from __future__ import annotations

import time
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
from himmel.studio.tries import Tries

SHORTEST, LONGEST = 10, 500  # characters
WRONG = "the name or the password is not right"


class Passwords:
    """The passwords of one server; ``now`` gives seconds since 1970."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, now
        self._gate = Gate("too many people sign in at the moment", 2, 16)
        self.tries = Tries(now, "wait ten minutes, or sign in with a key")

    def hashed(self, password: str) -> str:
        """What is kept of a new password. Raises BadRequest for one that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise BadRequest(f"a password has {SHORTEST} to {LONGEST} characters; several words are easy to remember")
        with self._gate.passed():
            return _hasher().hash(password)

    def account_of(self, name: str, password: str, address: str) -> str:
        """The number of the account of this name, if it is its password. Raises SignInRefused and ApiError (503)."""
        tried = (f"address {address}", f"name {name[:80]}")
        self.tries.check(*tried)
        query = select(accounts.c.id, accounts.c.suspended_at, passwords.c.hash)
        with self.database.read() as connection:
            row = connection.execute(query.join(passwords).where(accounts.c.name == name)).first()
        # One is checked for unknown names too, so that time tells nothing.
        good = self._is_good(password, row.hash if row else _nobodys())
        if row is None or not good:
            self.tries.wrong(*tried)
            raise SignInRefused(WRONG)
        if row.suspended_at is not None:
            raise SignInRefused("this account is suspended; ask the server's operator")
        return str(row.id)

    def has(self, account_id: str) -> bool:
        """Whether an account has a password."""
        with self.database.read() as connection:
            return connection.scalar(select(passwords.c.hash).where(passwords.c.account_id == account_id)) is not None

    def check(self, account_id: str, password: str) -> None:
        """Raise BadRequest unless it is this account's password; SignInRefused and ApiError (503) as above."""
        with self.database.read() as connection:
            known = connection.scalar(select(passwords.c.hash).where(passwords.c.account_id == account_id))
        self.tries.check(f"account {account_id}")
        if known is None or not self._is_good(password, known):
            self.tries.wrong(f"account {account_id}")
            raise BadRequest("the present password is not right")

    def change(self, account_id: str, old: str, new: str) -> None:
        """Give an account a new password; ``old`` is asked for where it has one. Raises as ``check``."""
        if self.has(account_id):
            self.check(account_id, old)
        row = {"account_id": account_id, "hash": self.hashed(new), "changed_at": self.now()}
        with self.database.write() as connection:
            connection.execute(passwords.delete().where(passwords.c.account_id == account_id))
            connection.execute(passwords.insert().values(**row))
            record(connection, account_id, "password.changed", account_id)

    def _is_good(self, password: str, known: str) -> bool:
        with self._gate.passed():
            return len(password) <= LONGEST and _hasher().verify(password, known)


@cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


@cache
def _nobodys() -> str:
    """What nobody's password is compared with."""
    return _hasher().hash("nobody has this password")
