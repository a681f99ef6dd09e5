"""The audit log: who did what to the server, and when.

Owns: the rows, which are only ever added, and the chain of their hashes. Each hash covers its row and the hash before,
so a row that was changed or taken out shows (``broken``). The newest hash goes to the log of the process as well: it
bears witness against a chain that was made anew, or cut off at its end.

An act is kept in the transaction that does it: neither happens without the other. No secret is in a row.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import time
from typing import Any

from sqlalchemy import Connection, Row, func, select

from himmel import logs
from himmel.studio.database import Database, after_commit
from himmel.studio.settings import Settings
from himmel.studio.tables import audit

log = logging.getLogger("himmel.audit")
TURN = 0x48696D6D  # PostgreSQL's number for whose turn it is to add a row
STARTED = "server.started"
TOLD = ("host", "port", "workers", "model", "aliases", "lease_seconds", "queued_per_account", "log_level")


def actor() -> str:
    """Who acts: the account of the request at hand, else who sits at this machine."""
    if account_id := logs.known().get("account_id"):
        return str(account_id)
    try:
        return f"local:{getpass.getuser()}"
    except (OSError, KeyError):  # a container may know no name
        return "local"


def record(connection: Connection, who: str, act: str, subject: str, **details: Any) -> None:
    """Keep an act, in the transaction that does it. ``details`` are JSON values; none is a secret."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(TURN)))
    last = connection.execute(select(audit).order_by(audit.c.number.desc()).limit(1)).first()
    request = {name: value for name in ("request_id", "key_id") if (value := logs.known().get(name))}
    row: dict[str, Any] = {"number": last.number + 1 if last else 1, "at": time.time(), "who": who[:80], "act": act}
    row |= {"subject": subject, "details": {**details, **request}}
    row["hash"] = _hash(last.hash if last else "", **row)
    connection.execute(audit.insert().values(**row))
    told = {"subject": subject, "audit_hash": row["hash"]}
    after_commit(connection, lambda: log.info("audit %d %s by %s", row["number"], act, row["who"], extra=told))


def keep(database: Database, act: str, subject: str, **details: Any) -> None:
    """Keep an act that changes nothing in the database."""
    with database.write() as connection:
        record(connection, actor(), act, subject, **details)


def record_start(database: Database, settings: Settings) -> None:
    """Keep the settings that a server starts with."""
    told = {name: getattr(settings, name) for name in TOLD}
    keep(database, STARTED, f"{settings.host}:{settings.port}", **told)


def started_with(connection: Connection) -> dict[str, Any]:
    """The settings of the latest start, flags and all; empty where there was none."""
    starts = select(audit.c.details).where(audit.c.act == STARTED).order_by(audit.c.number.desc())
    return connection.scalar(starts.limit(1)) or {}


def entries(connection: Connection, since: float = 0.0) -> list[Row[Any]]:
    """All acts from a time on, oldest first."""
    return list(connection.execute(select(audit).where(audit.c.at >= since).order_by(audit.c.number)))


def search(
    connection: Connection, account_id: str = "", act: str = "", before: int = 0, most: int = 100
) -> list[Row[Any]]:
    """The latest acts, newest first: those by or on an account, of a kind, from before a number on."""
    query = select(audit)
    if account_id:
        owned = audit.c.details["account"].as_string()
        query = query.where((audit.c.who == account_id) | (audit.c.subject == account_id) | (owned == account_id))
    if act:
        query = query.where(audit.c.act == act)
    if before:
        query = query.where(audit.c.number < before)
    return list(connection.execute(query.order_by(audit.c.number.desc()).limit(most)))


def kinds(connection: Connection) -> list[str]:
    """The kinds of acts that there are."""
    return list(connection.scalars(select(audit.c.act).distinct().order_by(audit.c.act)))


def broken(connection: Connection) -> int | None:
    """The number of the first row that does not follow from the one before; None where the chain is whole."""
    before, expected = "", 1
    for row in connection.execute(select(audit).order_by(audit.c.number)):
        values = {name: getattr(row, name) for name in ("number", "at", "who", "act", "subject", "details")}
        if row.hash != _hash(before, **values):
            return expected
        before, expected = row.hash, expected + 1
    return None


def _hash(before: str, **row: Any) -> str:
    return hashlib.sha256((before + json.dumps(row, sort_keys=True)).encode()).hexdigest()
