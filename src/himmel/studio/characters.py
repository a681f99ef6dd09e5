"""Characters: clips that show somebody, by a name that prompts can say.

Owns: the table of characters. Whether a model can show them, its workers know.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import Row, select

from himmel.errors import ApiError
from himmel.studio.auth import Caller, check_key
from himmel.studio.database import Database
from himmel.studio.tables import characters


def keep_character(database: Database, caller: Caller, name: str, digest: str) -> Row[Any]:
    """Keep a character whose clip is stored under ``digest``. Raises ApiError (401) for a key revoked meanwhile."""
    number = f"char_{secrets.token_hex(12)}"
    told = {"name": name, "digest": digest, "created_at": time.time()}
    with database.write() as connection:
        if caller.key_id:
            check_key(connection, caller.key_id)
        connection.execute(characters.insert().values(id=number, account_id=caller.account_id, **told))
    return find_character(database, caller.account_id, number)


def find_character(database: Database, account_id: str, character_id: str) -> Row[Any]:
    """A character of this account. Raises ApiError (404)."""
    mine = (characters.c.id == character_id) & (characters.c.account_id == account_id)
    with database.read() as connection:
        row = connection.execute(select(characters).where(mine)).first()
    if row is None:
        raise ApiError(404, "character_not_found", f"there is no character '{character_id[:80]}'")
    return row


def characters_of(database: Database, account_id: str) -> list[Row[Any]]:
    """All characters of an account, in the order in which they came."""
    mine = select(characters).where(characters.c.account_id == account_id)
    with database.read() as connection:
        return list(connection.execute(mine.order_by(characters.c.created_at, characters.c.id)))


def bring_character(database: Database, account_id: str, name: str, digest: str, created_at: float) -> str:
    """Keep a character from elsewhere, unless the account has the same; gives its number."""
    same = (characters.c.account_id == account_id) & (characters.c.name == name) & (characters.c.digest == digest)
    with database.write() as connection:
        if known := connection.scalar(select(characters.c.id).where(same)):
            return str(known)
        number = f"char_{secrets.token_hex(12)}"
        told = {"name": name, "digest": digest, "created_at": min(time.time(), created_at or time.time())}
        connection.execute(characters.insert().values(id=number, account_id=account_id, **told))
    return number
