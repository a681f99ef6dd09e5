"""Who is asking: accounts, and the keys that speak for them.

Owns: making, checking and revoking keys. A key is shown once; what is kept of it is an HMAC with a secret that
lies beside the database, not in it, so that neither alone lets anybody in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, update

from himmel.errors import ApiError, BadRequest
from himmel.studio.audit import actor, record
from himmel.studio.database import Database, accounts, keys

PREFIX = "himmel"


@dataclass(frozen=True)
class Caller:
    """The account that a request speaks for, and the key that it came with."""

    account_id: str
    key_id: str
    role: str


class Keys:
    """The keys of one server; ``folder`` holds the secret."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.pepper = _secret(folder / "pepper")

    def create(self, name: str) -> str:
        """Make the account of this name, where there is none, and a key for it; gives the key. Raises BadRequest.

        The first account is the owner's.
        """
        if not re.fullmatch(r"[\w .@-]{1,80}", name):
            raise BadRequest(f"'{name}' is no name for a key; allowed: 1 to 80 letters, figures, spaces and . _ @ -")
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        with self.database.write() as connection:
            row = {
                "id": key_id,
                "account_id": _account(connection, name),
                "name": name,
                "digest": self._digest(secret),
                "created_at": time.time(),
            }
            connection.execute(keys.insert().values(**row))
            record(connection, actor(), "key.created", key_id, account=row["account_id"], name=name)
        return f"{PREFIX}_{key_id}.{secret}"

    def any_account(self) -> bool:
        """Whether anybody can use the server yet."""
        with self.database.read() as connection:
            return connection.scalar(select(accounts.c.id).limit(1)) is not None

    def revoke(self, key_id: str) -> bool:
        """End a key; False where there is no such key that is still good."""
        with self.database.write() as connection:
            good = (keys.c.id == key_id) & keys.c.revoked_at.is_(None)
            revoked = connection.execute(update(keys).where(good).values(revoked_at=time.time())).rowcount == 1
            if revoked:
                record(connection, actor(), "key.revoked", key_id)
            return revoked

    def caller(self, authorization: str | None) -> Caller:
        """Whom a header "Bearer himmel_id.secret" speaks for. Raises ApiError (401)."""
        found = re.fullmatch(rf"Bearer {PREFIX}_([0-9a-f]{{16}})\.([\w-]{{43}})", authorization or "")
        if not found:
            raise _refused("no API key was given; make one with 'himmel keys create NAME'")
        with self.database.read() as connection:
            row = connection.execute(
                select(keys.c.digest, keys.c.revoked_at, accounts.c.id, accounts.c.role)
                .join(accounts, accounts.c.id == keys.c.account_id)
                .where(keys.c.id == found[1])
            ).first()
        # The digest is compared even for unknown keys, so that time tells nothing.
        good = hmac.compare_digest(row.digest if row else "", self._digest(found[2]))
        if not good or row is None or row.revoked_at is not None:
            raise _refused("this API key is not known, or it was revoked")
        return Caller(row.id, found[1], row.role)

    def worker_token(self) -> str:
        """What workers of this server show; it follows from the secret."""
        return self._digest("worker")

    def _digest(self, secret: str) -> str:
        return hmac.new(self.pepper, secret.encode(), hashlib.sha256).hexdigest()


def _account(connection: Connection, name: str) -> str:
    """The number of the account of this name, made where there is none."""
    known = connection.scalar(select(accounts.c.id).where(accounts.c.name == name))
    if known:
        return str(known)
    account_id = f"acct_{secrets.token_hex(8)}"
    role = "member" if connection.scalar(select(accounts.c.id).limit(1)) else "owner"
    empty = {"weight": 1.0, "served": 0.0, "queued": 0, "queued_cost": 0.0}
    connection.execute(accounts.insert().values(id=account_id, name=name, role=role, created_at=time.time(), **empty))
    record(connection, actor(), "account.made", account_id, name=name, role=role)
    return account_id


def _secret(path: Path) -> bytes:
    """The secret in a file that only its owner can read, made at the first call."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _refused(why: str) -> ApiError:
    return ApiError(401, "invalid_api_key", why)
