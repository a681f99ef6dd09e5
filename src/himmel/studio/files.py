"""Files that accounts have brought or were made for them: what they are called, whose they are, where they lie.

Owns: the table of files. Their bytes are ``storage``'s.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, BinaryIO

from sqlalchemy import Row, select, update

from himmel.errors import ApiError
from himmel.studio.auth import check_key
from himmel.studio.database import Database
from himmel.studio.storage import Storage
from himmel.studio.tables import batches, files


def keep_file(
    database: Database,
    storage: Storage,
    account_id: str,
    name: str,
    purpose: str,
    content: BinaryIO,
    key_id: str | None = None,
) -> Row[Any]:
    """Keep a file for an account, brought with a key where an account brings it.

    Raises ApiError where the disk is full, the store cannot be used, or the key was revoked meanwhile.
    """
    digest = storage.put(content)
    size = storage.size(digest)
    number = f"file-{secrets.token_hex(12)}"
    told = {"filename": name, "purpose": purpose, "digest": digest, "bytes": size}
    with database.write() as connection:
        if key_id is not None:
            check_key(connection, key_id)
        connection.execute(files.insert().values(id=number, account_id=account_id, created_at=time.time(), **told))
    return find_file(database, account_id, number)


def find_file(database: Database, account_id: str, file_id: str) -> Row[Any]:
    """A file of this account. Raises ApiError (404)."""
    mine = (files.c.id == file_id) & (files.c.account_id == account_id) & files.c.deleted_at.is_(None)
    with database.read() as connection:
        row = connection.execute(select(files).where(mine)).first()
    if row is None:
        raise ApiError(404, "file_not_found", f"there is no file '{file_id[:80]}'")
    return row


def forget_file(database: Database, account_id: str, file_id: str) -> None:
    """Take a file away. Raises ApiError (404), and (409) for one that a batch is being worked through from."""
    find_file(database, account_id, file_id)
    in_use = select(batches.c.id).where(batches.c.input_file_id == file_id, batches.c.ended_at.is_(None))
    with database.write() as connection:
        if batch_id := connection.scalar(in_use):
            raise ApiError(409, "file_in_use", f"'{batch_id}' is working through this file; cancel it, or wait")
        connection.execute(update(files).where(files.c.id == file_id).values(deleted_at=time.time()))
