"""The database: its tables, and how it is read and written.

Owns: the tables as they are now (``migrations`` says how they came to be) and transactions. Knows no rules: what
may happen to a job stands in ``jobs`` and ``queue``.

SQLite keeps what was answered: write-ahead log, every commit synced to disk, one writer at a time, which waits
for its turn instead of failing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 15_000
# More connections than threads: who reads never waits for one that waits to write.
POOL = {"pool_size": 10, "max_overflow": 50, "pool_use_lifo": True}

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
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts up: order of acceptance
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("parent_id", String(40)),
    Column("priority", Integer, nullable=False),
    Column("cost", Float, nullable=False),  # compute-seconds: estimated, then measured
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("completed_at", Float),
    Column("progress", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # also the fencing token: every claim counts it up
    Column("worker", String(80)),
    Column("lease_until", Float),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("results", JSON, nullable=False),  # variant to the digest of its file
    Column("details", JSON, nullable=False),  # what the worker tells of the finished clip
    Column("idempotency_key", String(255)),
    Column("body_digest", String(64)),
    Column("deleted_at", Float),
    Index("jobs_of_account", "account_id", "status", "priority", "number"),
    Index("jobs_leased", "status", "lease_until"),
    Index("jobs_once", "account_id", "idempotency_key", unique=True),
    Index("jobs_number", "number", unique=True),
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
    Column("input_file_id", String(40), ForeignKey("files.id"), nullable=False),
    Column("output_file_id", String(40)),
    Column("status", String(16), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("expires_at", Float, nullable=False),
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

Index("accounts_waiting", accounts.c.queued, accounts.c.served)


class Database:
    """One database; ``url`` as SQLAlchemy writes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url, **({} if url == "sqlite://" else POOL))
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    def migrate(self) -> None:
        """Bring the tables to the newest form; does nothing where they have it."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state and changes nothing."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is kept, on disk, when the block ends without an error."""
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer halfway may have to give up; one that begins as a writer only waits.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
