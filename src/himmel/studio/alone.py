"""One server to a data folder.

Owns: the lock that a running server holds. It is SQLite's, on a file of its own, because that works on every system and
ends with the process, however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from himmel.errors import BadRequest
from himmel.studio.settings import Settings

LOCK = "running"


@contextmanager
def only_server(settings: Settings) -> Iterator[None]:
    """Hold the data folder until the block ends. Raises BadRequest where another server does.

    With a database of its own kind, several servers may share a folder.
    """
    if settings.database_url:
        yield
        return
    with closing(sqlite3.connect(settings.data_dir / LOCK, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise BadRequest(
                f"another server runs on '{settings.data_dir}'; stop it, or give this one another --data-dir"
            ) from None
        yield
