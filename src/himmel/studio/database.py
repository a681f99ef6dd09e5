"""The database: how it is opened, brought up to date, read and written.

Owns: connections and transactions. What is in it stands in ``tables``.

SQLite keeps what was answered: write-ahead log, every commit synced to disk, one writer at a time. Those of this
process stand in line for their turn. Another process's is waited for as SQLite does it, by looking again and again:
where many write, some would look in vain for very long. On PostgreSQL writers run side by side; those who need each
other to wait lock the rows of accounts and jobs.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    create_engine,
    event,
)
from sqlalchemy.pool import NullPool

from himmel.errors import HimmelError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 15_000  # that another process's writing is waited for
MIGRATING = 0x48494D4D454C  # the number of PostgreSQL's lock for it
# More connections than threads: who reads never waits for one that waits to write.
POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 50, "pool_use_lifo": True}


class Database:
    """One database; ``url`` as SQLAlchemy writes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        pool = {} if url == "sqlite://" else POOL
        # Errors are logged; what was asked for is not.
        self.engine = create_engine(url, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite"), **pool)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()
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
        """A transaction that is kept, on disk, when the block ends without an error. None begins within another."""
        with self._turn, self.engine.connect().execution_options(writes=True) as connection:
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
