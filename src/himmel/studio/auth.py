"""Who is asking: accounts, and the keys that speak for them.

Owns: making, checking and revoking keys. A key is shown once; what is kept of it is an HMAC with a secret that
lies beside the database, not in it, so that neither alone lets anybody in. How much a key may use stands in
``limits``.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from himmel.errors import ApiError, BadRequest
from himmel.studio.audit import actor, record
from himmel.studio.database import Database, some_of
from himmel.studio.tables import accounts, keys, passwords

PREFIX = "himmel"
ROLES = ("owner", "operator", "member")
SCOPES = {
    "read": "ask after clips and fetch them",
    "create": "make, cancel and delete clips, files and batches",
    "manage": "webhooks and further keys",
    "operate": "other people's accounts and jobs; for owners and operators",
}


MOST = 10**9  # of what numbers of terms say


@dataclass(frozen=True)
class Terms:
    """What a key may do. None is everything that its account may; numbers are upper limits."""

    scopes: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None  # networks like "10.0.0.0/8" that it may come from
    expires_at: float | None = None  # seconds since 1970
    open_jobs: int | None = None  # that wait or run
    daily_seconds: float | None = None  # compute-seconds within 24 hours

    def __post_init__(self) -> None:
        if unknown := set(self.scopes or ()) - set(SCOPES):
            raise BadRequest(f"there is no scope '{min(unknown)}'; allowed: {', '.join(SCOPES)}")
        for network in self.addresses or ():
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise BadRequest(f"'{network}' is no network; allowed: for example 203.0.113.7 or 10.0.0.0/8") from None
        for name in ("open_jobs", "daily_seconds"):
            if (value := getattr(self, name)) is not None and not 0 <= value <= MOST:
                raise BadRequest(f"{name} is {value}; allowed: 0 to {MOST}")

    @classmethod
    def of(cls, told: object) -> Terms:
        """The terms that a row of the table, or anything else with these names, tells."""
        read = ((field.name, getattr(told, field.name)) for field in fields(cls))
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in read}
        return cls(**values)

    def under(self, parent: Terms) -> Terms:
        """These terms for a child: what is left open is as the parent's. Raises BadRequest for what is more."""
        filled = {name: getattr(parent, name) if value is None else value for name, value in asdict(self).items()}
        child = Terms(**filled)
        for name in ("scopes", "models"):
            if (wide := getattr(parent, name)) is not None and (more := set(filled[name]) - set(wide)):
                raise BadRequest(f"the key that makes this one has not '{min(more)}' among its {name}")
        for name in ("expires_at", "open_jobs", "daily_seconds"):
            if (most := getattr(parent, name)) is not None and filled[name] > most:
                raise BadRequest(f"{name} is more than that of the key that makes this one, {most:g}")
        if parent.addresses is not None and not all(_within(inner, parent.addresses) for inner in filled["addresses"]):
            raise BadRequest("the addresses go beyond those of the key that makes this one")
        return child


@dataclass(frozen=True)
class Caller:
    """The account that a request speaks for, the key that it came with, and what that may do.

    ``key_id`` is None for who signed in with a password: see ``sessions``.
    """

    account_id: str
    key_id: str | None
    role: str
    terms: Terms = Terms()
    parent_id: str | None = None  # the key that made this one

    def check_scope(self, scope: str) -> None:
        """Raise ApiError (403) where the key has not this scope, or the account not the role for it."""
        if self.terms.scopes is not None and scope not in self.terms.scopes:
            raise ApiError(403, "scope_missing", f"this key has not the scope '{scope}': {SCOPES[scope]}")
        if scope == "operate" and self.role == "member":
            raise ApiError(403, "role_missing", "this is for the server's owner and operators")

    def check_address(self, address: str | None) -> None:
        """Raise ApiError (403) where the key may not come from this IP address."""
        if self.terms.addresses is not None and not _within(address or "", self.terms.addresses):
            raise ApiError(403, "address_not_allowed", "this key may not be used from this address")

    def check_model(self, *names: str) -> None:
        """Raise ApiError (403) where the key may not use a model, by none of its names."""
        if self.terms.models is not None and not set(names) & set(self.terms.models):
            raise ApiError(403, "model_not_allowed", f"this key may use: {', '.join(self.terms.models)}", param="model")


class Keys:
    """The keys of one server; ``folder`` holds the secret."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.pepper = _secret(folder / "pepper")

    def create(self, name: str, terms: Terms = Terms(), *, only_first: bool = False) -> str:
        """Make the account of this name, where there is none, and a key for it; gives the key. Raises BadRequest.

        The first account is the owner's; with ``only_first`` there may be no account yet.
        """
        with self.database.write() as connection:
            if only_first and connection.scalar(select(accounts.c.id).limit(1)):
                raise BadRequest("the owner's account was made already")
            return self._insert(connection, _account(connection, _checked(name)), name, terms)

    def create_first(self, name: str, password_hash: str) -> str:
        """Make the owner's account with a password (its hash, see ``passwords``); gives its number.

        Raises BadRequest where there is an account already.
        """
        with self.database.write() as connection:
            if connection.scalar(select(accounts.c.id).limit(1)):
                raise BadRequest("the owner's account was made already")
            account_id = _account(connection, _checked(name))
            row = {"account_id": account_id, "hash": password_hash, "changed_at": time.time()}
            connection.execute(passwords.insert().values(**row))
            return account_id

    def invite(self, name: str, terms: Terms) -> str:
        """Make an account of a name that is new here, and a first key for it; gives the key. Raises BadRequest."""
        with self.database.write() as connection:
            if connection.scalar(select(accounts.c.id).where(accounts.c.name == name)):
                raise BadRequest(f"there is an account '{name}' already; give the new one another name")
            return self._insert(connection, _account(connection, _checked(name)), "invitation", terms)

    def create_for(self, account_id: str, name: str, terms: Terms) -> str:
        """Make a key for an account that signed in; gives the key. Raises BadRequest."""
        with self.database.write() as connection:
            return self._insert(connection, account_id, _checked(name), terms)

    def create_child(self, parent: Caller, name: str, terms: Terms) -> str:
        """Make a key that can do at most what its parent can, and ends with it; gives the key. Raises BadRequest."""
        if parent.parent_id is not None:
            raise BadRequest("a key that was made by a key makes no further ones")
        with self.database.write() as connection:
            return self._insert(
                connection, parent.account_id, _checked(name), terms.under(parent.terms), parent_id=parent.key_id
            )

    def _insert(
        self, connection: Connection, account_id: str, name: str, terms: Terms, parent_id: str | None = None
    ) -> str:
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row: dict[str, Any] = {"id": key_id, "account_id": account_id, "name": name, "digest": self._digest(secret)}
        row |= {"parent_id": parent_id, "created_at": time.time(), **asdict(terms)}
        connection.execute(keys.insert().values(**row))
        record(connection, actor(), "key.created", key_id, account=account_id, name=name, **_set(terms))
        return f"{PREFIX}_{key_id}.{secret}"

    def any_account(self) -> bool:
        """Whether anybody can use the server yet."""
        with self.database.read() as connection:
            return connection.scalar(select(accounts.c.id).limit(1)) is not None

    def list(self, account_id: str | None = None, parent_id: str | None = None) -> list[Row[Any]]:
        """Keys with the names of their accounts, oldest first: all, an account's, or those that a key made."""
        query = select(keys, accounts.c.name.label("account")).join(accounts, accounts.c.id == keys.c.account_id)
        for column, value in ((keys.c.account_id, account_id), (keys.c.parent_id, parent_id)):
            query = query if value is None else query.where(column == value)
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(keys.c.created_at, keys.c.id)))

    def revoke(self, key_id: str, account_id: str | None = None) -> bool:
        """End a key and those that it made; False where there is no such key (of this account) that is still good."""
        with self.database.write() as connection:
            good = (keys.c.id == key_id) & keys.c.revoked_at.is_(None)
            if account_id is not None:
                good &= keys.c.account_id == account_id
            revoked = connection.execute(update(keys).where(good).values(revoked_at=time.time())).rowcount == 1
            if revoked:
                record(connection, actor(), "key.revoked", key_id)
            return revoked

    def callers(self, authorizations: Sequence[str]) -> Sequence[Caller | ApiError]:
        """Whom headers "Bearer himmel_id.secret" speak for, or why (401) not, with one look into the database."""
        given = [re.fullmatch(rf"Bearer {PREFIX}_([0-9a-f]{{16}})\.([\w-]{{43}})", header) for header in authorizations]
        with self.database.read() as connection:
            rows = _found(connection, {found[1] for found in given if found})
        return [self._caller(found, rows) for found in given]

    def _caller(self, found: re.Match[str] | None, rows: Mapping[str, Row[Any]]) -> Caller | ApiError:
        if found is None:
            return _refused("no API key was given; make one with 'himmel keys create NAME'")
        row = rows.get(found[1])
        # The digest is compared even for unknown keys, so that time tells nothing.
        good = hmac.compare_digest(row.digest if row else "", self._digest(found[2]))
        try:
            return _good(row if good else None)
        except ApiError as error:
            return error

    def caller(self, authorization: str | None, address: str | None = None) -> Caller:
        """The same for one header, come from an IP address. Raises ApiError (401, 403)."""
        [found] = self.callers([authorization or ""])
        if isinstance(found, ApiError):
            raise found
        found.check_address(address)
        return found

    def holder(self, key_id: str) -> Caller:
        """Whom a key speaks for whose bearer was checked before. Raises ApiError (401) where it is good no more."""
        with self.database.read() as connection:
            return check_key(connection, key_id)

    def worker_token(self) -> str:
        """What workers of this server show; it follows from the secret."""
        return self._digest("worker")

    def _digest(self, secret: str) -> str:
        return hmac.new(self.pepper, secret.encode(), hashlib.sha256).hexdigest()


def number_of(key: str) -> str:
    """The number of a key, which may be shown, out of the whole key or its part before the dot."""
    return key.partition(".")[0].removeprefix(f"{PREFIX}_")


def check_key(connection: Connection, key_id: str) -> Caller:
    """Whom a key speaks for, in the very transaction that relies on it. Raises ApiError (401) where it is not good."""
    return _good(_found(connection, {key_id}).get(key_id))


def _found(connection: Connection, key_ids: Collection[str]) -> dict[str, Row[Any]]:
    """Keys by number, with what must be known of their accounts and parents."""
    if not key_ids:
        return {}
    parent = keys.alias("parent")
    columns = (accounts.c.role, accounts.c.suspended_at, parent.c.revoked_at.label("parent_revoked_at"))
    rows = connection.execute(
        select(keys, *columns)
        .join(accounts, accounts.c.id == keys.c.account_id)
        .outerjoin(parent, parent.c.id == keys.c.parent_id)
        .where(keys.c.id.in_(some_of(key_ids)))
    )
    return {row.id: row for row in rows}


def _good(row: Row[Any] | None) -> Caller:
    """The caller of a row of :func:`_found`. Raises ApiError (401)."""
    if row is None or row.revoked_at is not None or row.parent_revoked_at is not None:
        raise _refused("this API key is not known, or it was revoked")
    if row.expires_at is not None and row.expires_at < time.time():
        raise _refused("this API key has expired")
    if row.suspended_at is not None:
        raise _refused("this account is suspended; ask the server's operator")
    return Caller(row.account_id, row.id, row.role, Terms.of(row), row.parent_id)


def _set(terms: Terms) -> dict[str, Any]:
    """The terms that say anything, as JSON values."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(terms).items() if v is not None}


def _within(inner: str, outer: tuple[str, ...]) -> bool:
    """Whether a network, or one address, lies in one of several networks."""
    try:
        network = ipaddress.ip_network(inner)
    except ValueError:
        return False
    if isinstance(network, ipaddress.IPv6Network) and (mapped := network.network_address.ipv4_mapped):
        network = ipaddress.ip_network(mapped)
    wider = (ipaddress.ip_network(one) for one in outer)
    return any(network.version == one.version and network.subnet_of(one) for one in wider)  # type: ignore[arg-type]


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w .@-]{1,80}", name):
        raise BadRequest(f"'{name}' is no name for a key; allowed: 1 to 80 letters, figures, spaces and . _ @ -")
    return name


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
