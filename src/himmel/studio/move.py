"""Moving a server's database, as it stands, into another one: from SQLite to PostgreSQL, or back.

Owns: the copying. Files stay where they are; the server must be stopped meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Table, func, select

from himmel.errors import BadRequest
from himmel.studio.database import Database
from himmel.studio.tables import keys, metadata

ROWS = 1000  # copied at a time


def move_database(source: Database, target: Database, told: Callable[[str, int], None]) -> int:
    """Copy every row, in one transaction, and count them on both sides; gives how many there are.

    ``told`` hears of every table that is done. Raises BadRequest where the target is in use already.
    """
    target.migrate()
    total = 0
    with source.read() as old, target.write() as new:
        for table in metadata.sorted_tables:
            if new.scalar(select(func.count()).select_from(table)):
                raise BadRequest(f"the database holds {table.name} already; give an empty one")
        for table in metadata.sorted_tables:
            count = _copy(old, new, table)
            total += count
            told(table.name, count)
    return total


def _copy(old: Connection, new: Connection, table: Table) -> int:
    rows = select(table)
    if table is keys:  # those that were made by keys come after these
        rows = rows.order_by(keys.c.parent_id.is_not(None))
    for part in old.execute(rows).mappings().partitions(ROWS):
        new.execute(table.insert(), [dict(row) for row in part])
    counts = [connection.scalar(select(func.count()).select_from(table)) for connection in (old, new)]
    if counts[0] != counts[1]:
        raise RuntimeError(f"{counts[0]} rows of {table.name} became {counts[1]}")
    return int(counts[0] or 0)
