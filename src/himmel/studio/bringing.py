"""Imports as jobs: a zip that came is kept on disk, read in by a thread of its own, and its row says how far that is.

Owns: the table of imports, the zips that wait, and that thread. One import is read in at a time. One that a restart has
cut off is begun again, which keeps nothing twice. What is believed of a zip stands in ``imports``.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

from sqlalchemy import Row, select, update

from himmel import logs
from himmel.errors import ApiError, BadRequest
from himmel.studio.archive import Archive
from himmel.studio.database import Database
from himmel.studio.imports import Taken, take_in
from himmel.studio.server import Server
from himmel.studio.tables import accounts, imports

log = logging.getLogger("himmel.studio")
SHOWN_SECONDS = 86400.0  # how long the page tells of an import that is over
NOTED_SECONDS = 0.3  # between two notes of how far one is
_threads: WeakKeyDictionary[Server, threading.Thread] = WeakKeyDictionary()
_lock = threading.Lock()


class _Stopped(Exception):
    """The server ends: the import goes on after its next start."""


def accept(server: Server, account_id: str, name: str, source: BinaryIO) -> str:
    """Keep a zip that is to be read in, and begin; gives the import's number.

    Raises BadRequest for what is no zip that can be trusted, and while another one of the account's is under way.
    """
    source.seek(0)
    Archive(source)
    number = f"imp_{secrets.token_hex(12)}"
    path = _path(server, number)
    path.parent.mkdir(exist_ok=True)
    try:
        source.seek(0)
        with path.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        row: dict[str, Any] = {"id": number, "account_id": account_id, "name": name, "created_at": server.queue.now()}
        with server.database.write() as connection:
            connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
            mine = (imports.c.account_id == account_id) & imports.c.ended_at.is_(None)
            if connection.scalar(select(imports.c.id).where(mine)):
                raise BadRequest("an import of yours is under way; bring the next when it is over")
            counts = dict.fromkeys(("total", "new", "known", "refused"), 0)
            connection.execute(imports.insert().values(**row, **counts, why=""))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    take_up(server)
    return number


def latest(database: Database, account_id: str, now: float) -> Row[Any] | None:
    """The account's import that is under way, or the last, where it was over a short while ago."""
    mine = imports.c.account_id == account_id
    lately = imports.c.ended_at.is_(None) | (imports.c.ended_at > now - SHOWN_SECONDS)
    with database.read() as connection:
        return connection.execute(select(imports).where(mine, lately).order_by(imports.c.created_at.desc())).first()


def take_up(server: Server) -> threading.Thread | None:
    """Read in what waits, in a thread, unless one is at it or nothing waits."""
    with _lock:
        known = _threads.get(server)
        if (known and known.is_alive()) or _next(server) is None:
            return None
        thread = threading.Thread(target=_work, args=(server,), daemon=True)
        _threads[server] = thread
        thread.start()
        return thread


def _work(server: Server) -> None:
    while not server.ending.is_set():
        with _lock:  # who adds one after this look finds no thread, and starts one
            row = _next(server)
            if row is None:
                _threads.pop(server, None)
                return
        try:
            with logs.about(account_id=row.account_id):
                _bring(server, row)
        except _Stopped:
            return


def _bring(server: Server, row: Row[Any]) -> None:
    """Read one in, and note what came of it."""
    noted = time.monotonic()

    def note(taken: Taken, *, always: bool = False, **over: object) -> None:
        nonlocal noted
        if server.ending.is_set() and not over:
            raise _Stopped
        if not always and 0 < taken.done and time.monotonic() - noted < NOTED_SECONDS:
            return
        noted = time.monotonic()
        told = {name: getattr(taken, name) for name in ("total", "new", "known", "refused", "why")}
        with server.database.write() as connection:
            connection.execute(update(imports).where(imports.c.id == row.id).values(**told, **over))

    path = _path(server, row.id)
    try:
        with path.open("rb") as file:
            taken = take_in(server, row.account_id, Archive(file), note)
        note(taken, always=True, ended_at=server.queue.now())
    except (BadRequest, ApiError) as error:
        _end(server, row, str(error))
    except _Stopped:
        raise
    except Exception:  # the next one may be a better one
        log.exception("an import failed")
        _end(server, row, "the server made a mistake; it was noted")
    path.unlink(missing_ok=True)


def _end(server: Server, row: Row[Any], problem: str) -> None:
    with server.database.write() as connection:
        values = {"problem": problem, "ended_at": server.queue.now()}
        connection.execute(update(imports).where(imports.c.id == row.id).values(**values))


def _next(server: Server) -> Row[Any] | None:
    """The oldest that is not over; one whose zip is gone never will be, and says so."""
    with server.database.read() as connection:
        query = select(imports).where(imports.c.ended_at.is_(None)).order_by(imports.c.created_at)
        waiting = connection.execute(query).all()
    for row in waiting:
        if _path(server, row.id).exists():
            return row
        _end(server, row, "its file is gone; bring it again")
    return None


def _path(server: Server, number: str) -> Path:
    return server.settings.data_dir / "imports" / f"{number}.zip"
