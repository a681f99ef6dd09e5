"""The order that an account keeps its clips in: stars, and folders with names of its choice.

Owns: the tables of folders and of what stands where. A clip is in one folder or in none; a folder that goes leaves its
clips in the library. Whatever is named by number is looked for among the account's own.
"""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from himmel.errors import ApiError, BadRequest
from himmel.studio.database import Database, some_of
from himmel.studio.tables import accounts, folders, jobs, shelf

LONGEST_NAME = 80
MOST_FOLDERS = 500


def folders_of(database: Database, account_id: str) -> list[Row[Any]]:
    """The account's folders by name, each with the number of clips in it as ``clips``."""
    there = (shelf.c.job_id == jobs.c.id) & jobs.c.deleted_at.is_(None)
    count = select(func.count()).where(shelf.c.folder_id == folders.c.id, there).scalar_subquery().label("clips")
    with database.read() as connection:
        mine = select(folders, count).where(folders.c.account_id == account_id)
        return list(connection.execute(mine.order_by(func.lower(folders.c.name), folders.c.id)))


def shelved(connection: Connection, job_ids: Collection[str]) -> dict[str, Row[Any]]:
    """By clip: when it was starred, and the number and name of its folder. Only of clips that have either."""
    columns: tuple[Any, ...] = (shelf.c.job_id, shelf.c.starred_at, shelf.c.folder_id, folders.c.name.label("folder"))
    joined = select(*columns).outerjoin(folders, folders.c.id == shelf.c.folder_id)
    return {row.job_id: row for row in connection.execute(joined.where(shelf.c.job_id.in_(some_of(job_ids))))}


def starred() -> ColumnElement[bool]:
    """Whether a job has a star."""
    return jobs.c.id.in_(select(shelf.c.job_id).where(shelf.c.starred_at.is_not(None)))


def within(folder_id: str) -> ColumnElement[bool]:
    """Whether a job is in a folder."""
    return jobs.c.id.in_(select(shelf.c.job_id).where(shelf.c.folder_id == folder_id))


def star(database: Database, account_id: str, job_ids: Collection[str], on: bool) -> None:
    """Give these clips of the account's a star, or take it from them; others are passed over."""
    with database.write() as connection:
        put(connection, account_id, job_ids, starred_at=time.time() if on else None)


def move(database: Database, account_id: str, job_ids: Collection[str], folder_id: str | None) -> None:
    """Put these clips of the account's into one of its folders, or into none. Raises ApiError (404)."""
    with database.write() as connection:
        if folder_id is not None:
            _check(connection, account_id, folder_id)
        put(connection, account_id, job_ids, folder_id=folder_id)


def put(connection: Connection, account_id: str, job_ids: Collection[str], **values: object) -> None:
    """Change what is known of the account's own among these clips."""
    _lock(connection, account_id)
    mine = select(jobs.c.id).where(jobs.c.id.in_(some_of(job_ids)), jobs.c.account_id == account_id)
    own = set(connection.scalars(mine))
    known = set(connection.scalars(select(shelf.c.job_id).where(shelf.c.job_id.in_(some_of(own)))))
    connection.execute(update(shelf).where(shelf.c.job_id.in_(some_of(known))).values(**values))
    if new := sorted(own - known):
        connection.execute(shelf.insert(), [{"job_id": job_id, **values} for job_id in new])


def folder_called(connection: Connection, account_id: str, name: str) -> str:
    """The number of the account's folder of this name, made where there is none. Raises BadRequest."""
    name = _checked(name)
    _lock(connection, account_id)
    mine = folders.c.account_id == account_id
    if known := connection.scalar(select(folders.c.id).where(mine, folders.c.name == name)):
        return str(known)
    if (connection.scalar(select(func.count()).where(mine)) or 0) >= MOST_FOLDERS:
        raise BadRequest(f"an account has at most {MOST_FOLDERS} folders")
    number = f"fold_{secrets.token_hex(8)}"
    row = {"id": number, "account_id": account_id, "name": name, "created_at": time.time()}
    connection.execute(folders.insert().values(**row))
    return number


def rename_folder(database: Database, account_id: str, folder_id: str, name: str) -> None:
    """Call a folder something else. Raises BadRequest, ApiError (404)."""
    name = _checked(name)
    with database.write() as connection:
        _lock(connection, account_id)
        _check(connection, account_id, folder_id)
        same = (folders.c.account_id == account_id) & (folders.c.name == name) & (folders.c.id != folder_id)
        if connection.scalar(select(folders.c.id).where(same)):
            raise BadRequest(f"there is a folder '{name}' already")
        connection.execute(update(folders).where(folders.c.id == folder_id).values(name=name))


def delete_folder(database: Database, account_id: str, folder_id: str) -> None:
    """Take a folder away; its clips stay. Raises ApiError (404)."""
    with database.write() as connection:
        _check(connection, account_id, folder_id)
        connection.execute(update(shelf).where(shelf.c.folder_id == folder_id).values(folder_id=None))
        connection.execute(delete(folders).where(folders.c.id == folder_id))


def _check(connection: Connection, account_id: str, folder_id: str) -> None:
    mine = (folders.c.id == folder_id) & (folders.c.account_id == account_id)
    if connection.scalar(select(folders.c.id).where(mine)) is None:
        raise ApiError(404, "not_found", "there is no such folder")


def _checked(name: str) -> str:
    """A folder's name, its spaces made single."""
    name = re.sub(r"\s+", " ", name).strip()
    if not 1 <= len(name) <= LONGEST_NAME or any(unicodedata.category(letter) in ("Cc", "Cf") for letter in name):
        raise BadRequest(f"a folder's name has 1 to {LONGEST_NAME} characters that can be seen")
    return name


def _lock(connection: Connection, account_id: str) -> None:
    """One change of an account's order after another."""
    connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
