"""The database: its tables, and how it is read and written.

Owns: the tables as they are now (``migrations`` says how they came to be) and transactions. Knows no rules: what
may happen to a job stands in ``jobs`` and ``queue``.

SQLite keeps what was answered: write-ahead log, every commit synced to disk, one writer at a time, which waits
for its turn instead of failing. On PostgreSQL writers run side by side; those who need each other to wait lock
the rows of accounts and jobs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.pool import NullPool

from himmel.errors import HimmelError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 15_000
MIGRATING = 0x48494D4D454C  # the number of PostgreSQL's lock for it
# More connections than threads: who reads never waits for one that waits to write.
POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 50, "pool_use_lifo": True}

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("weight", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    # The queue's view of the account, kept in the same transactions as its jobs.
    Column("served", Float, nullable=False),  # compute-seconds over weight: virtual time
    Column("queued", Integer, nullable=False),
    Column("queued_cost", Float, nullable=False),  # compute-seconds
    Column("suspended_at", Float),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("parent_id", String(32), ForeignKey("keys.id")),
    # What the key may do; None is "everything that its account may".
    Column("scopes", JSON(none_as_null=True)),
    Column("models", JSON(none_as_null=True)),
    Column("addresses", JSON(none_as_null=True)),  # networks that it may come from
    Column("expires_at", Float),
    Column("open_jobs", Integer),  # at most so many that wait or run
    Column("daily_seconds", Float),  # compute-seconds of the jobs of the last 24 hours
    Index("keys_of_account", "account_id"),
    Index("keys_of_parent", "parent_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("key_id", String(32), ForeignKey("keys.id")),  # that asked for it
    Column("number", Integer, nullable=False),  # counts up within the account: order of acceptance
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("parent_id", String(40)),
    Column("group_id", String(40)),  # the first of several that one request asked for
    Column("priority", Integer, nullable=False),
    Column("cost", Float, nullable=False),  # compute-seconds: estimated, then measured
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("completed_at", Float),
    Column("progress", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # also the fencing token: every claim counts it up
    Column("lost", Integer, nullable=False, server_default="0"),  # leases that ended in silence
    Column("worker", String(80)),
    Column("lease_until", Float),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("state_digest", String(64)),  # the file with which another worker can go on
    Column("results", JSON, nullable=False),  # variant to the digest of its file
    Column("details", JSON, nullable=False),  # what the worker tells of the finished clip
    Column("idempotency_key", String(255)),
    Column("body_digest", String(64)),
    Column("deleted_at", Float),
    Index("jobs_of_account", "account_id", "status", "priority", "number"),
    Index("jobs_leased", "status", "lease_until"),
    Index("jobs_by_age", "status", "created_at"),
    Index("jobs_once", "account_id", "idempotency_key", unique=True),
    Index("jobs_number", "account_id", "number", unique=True),
    Index("jobs_of_key", "key_id", "created_at"),
    Index("jobs_of_group", "group_id"),
)

# How clips look that are being made; gone when they are there.
previews = Table(
    "previews",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id"), primary_key=True),
    Column("picture", LargeBinary, nullable=False),  # a small WebP
)

# Apart from the accounts, so that no list of them carries what can be guessed at.
passwords = Table(
    "passwords",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("hash", String(255), nullable=False),  # argon2id, with its salt and costs
    Column("changed_at", Float, nullable=False),
)

# Browsers that are signed in.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("key_id", String(32), ForeignKey("keys.id")),  # that it was begun with, if it was one: it ends with it
    Column("digest", String(64), nullable=False, unique=True),  # of what the cookie holds
    Column("device", String(200), nullable=False),  # as the browser calls itself
    Column("created_at", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("ended_at", Float),
)

folders = Table(
    "folders",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("folders_by_name", "account_id", "name", unique=True),
)

# What an account has done with a clip of its library; a clip without a row has neither star nor folder.
shelf = Table(
    "shelf",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id"), primary_key=True),
    Column("starred_at", Float),
    Column("folder_id", String(32), ForeignKey("folders.id"), index=True),
)

characters = Table(
    "characters",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(80), nullable=False),
    Column("digest", String(64), nullable=False),  # of the clip that shows it
    Column("created_at", Float, nullable=False),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", JSON, nullable=False),
    Column("secret", String(80), nullable=False),
    Column("old_secret", String(80)),
    Column("old_secret_until", Float),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# The outbox: ``next_at`` is None for what was laid aside after the last try.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("endpoint_id", String(32), ForeignKey("webhook_endpoints.id"), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, index=True),
    Column("delivered_at", Float),
    Column("problem", Text),
)

files = Table(
    "files",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("filename", String(200), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("deleted_at", Float),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("key_id", String(32), ForeignKey("keys.id")),  # that asked for it
    Column("input_file_id", String(40), ForeignKey("files.id"), nullable=False),
    Column("output_file_id", String(40)),
    Column("status", String(16), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("expires_at", Float, nullable=False),
    Column("total", Integer, nullable=False),  # lines of the input file
    Column("next_line", Integer, nullable=False),  # of the input file: the first that the queue has not seen
    Column("problem", JSON(none_as_null=True)),
    Column("metadata", JSON(none_as_null=True)),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", String(40), ForeignKey("batches.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("custom_id", String(512), nullable=False),
    Column("job_id", String(40)),
    Column("error", JSON(none_as_null=True)),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("model", String(80), nullable=False),
    Column("version", String(80), nullable=False),
    Column("device", String(80), nullable=False),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("job_id", String(40)),  # what it does now
    Column("jobs_done", Integer, nullable=False),
    Column("jobs_failed", Integer, nullable=False),
)

# Triggers refuse every change of a row that is there, see the migration.
audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("who", String(80), nullable=False),
    Column("act", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
)

Index("accounts_waiting", accounts.c.queued, accounts.c.served)


class Database:
    """One database; ``url`` as SQLAlchemy writes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        pool = {} if url == "sqlite://" else POOL
        # Errors are logged; what was asked for is not.
        self.engine = create_engine(url, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite"), **pool)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.reading = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @classmethod
    def looked_at(cls, url: str) -> Database:
        """A database that is only looked at: nothing is made, changed or brought up to date."""
        database = cls(url)
        if database.is_sqlite:
            file = f"file:{quote(str(database.engine.url.database))}?mode=ro"
            options: dict[str, Any] = {"uri": True, "isolation_level": None, "check_same_thread": False}
            connect = partial(sqlite3.connect, file, **options)
            database.engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
            event.listen(database.engine, "begin", _begin_sqlite)
        else:
            database.engine = database.engine.execution_options(postgresql_readonly=True)
        return database

    def version(self) -> str | None:
        """Which form the tables have; None where there are none."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def migrate(self, to: str = "head") -> None:
        """Bring the tables to the newest form, or another; does nothing where they have it.

        Raises HimmelError where a newer Himmel has made them.
        """
        if is_newer(version := self.version()):
            raise HimmelError(f"the database has version {version}: a newer Himmel made it; install that one again")
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.connect().execution_options(writes=True) as connection:
            if self.is_sqlite:  # tables are changed by copying them, which must not look like deleting rows
                _switch_foreign_keys(connection, "OFF")
            try:
                with connection.begin():
                    if not self.is_sqlite:  # where two servers could try at once
                        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
                    config.attributes["connection"] = connection
                    command.upgrade(config, to)
            finally:
                if self.is_sqlite:
                    _switch_foreign_keys(connection, "ON")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state and changes nothing."""
        with self.engine.connect().execution_options(**self.reading) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is kept, on disk, when the block ends without an error."""
        with self.engine.connect().execution_options(writes=True) as connection:
            afterwards: list[Callable[[], None]] = []
            connection.info["afterwards"] = afterwards
            with connection.begin():
                yield connection
        for act in afterwards:
            act()

    def close(self) -> None:
        self.engine.dispose()


def after_commit(connection: Connection, act: Callable[[], None]) -> None:
    """Do something when a ``write`` has been kept, and only then: tell of it, for example."""
    connection.info["afterwards"].append(act)


def some_of(values: Collection[str]) -> list[str]:
    """Values to look for with ``in_``: the last one is said again until there are 1, 2, 4, 8, … of them.

    A connection keeps what a statement became, about 40 KiB, and "IN (?, ?)" and "IN (?, ?, ?)" are two statements.
    """
    found = list(values)
    return found + found[-1:] * ((1 << max(0, len(found) - 1).bit_length()) - len(found))


@cache
def versions() -> tuple[str, ...]:
    """The forms of the tables that this code knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def is_newer(version: str | None) -> bool:
    """Whether this code does not know a version: only a newer one can have made it."""
    return version is not None and version not in versions()


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_foreign_keys(connection: Connection, to: str) -> None:
    connection.connection.cursor().execute(f"PRAGMA foreign_keys={to}")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer halfway may have to give up; one that begins as a writer only waits.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
