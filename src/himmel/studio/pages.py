"""Lists, page by page: what clients may ask for, and what they get.

Owns: cursors and the form of a list. Every list of the API is read here; what is listed is its route's affair.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, Table, select, tuple_

from himmel.errors import ApiError
from himmel.studio.database import Database

Shown = TypeVar("Shown")


class ListOf(BaseModel, Generic[Shown]):
    """A page; the next one comes ``after`` its ``last_id``."""

    object: Literal["list"] = "list"
    data: list[Shown]
    first_id: str | None
    last_id: str | None
    has_more: bool


@dataclass(frozen=True)
class Wish:
    """Which page a client wants: what comes after the object ``after``, newest first or oldest first."""

    after: str | None
    limit: int
    order: Literal["asc", "desc"]


def paging(usual: int, most: int) -> Callable[..., Wish]:
    """A dependency that reads the wish from the query: ``usual`` entries unless told, and at most ``most``."""

    def wish(
        after: str | None = None,
        limit: int = Query(default=usual, ge=0, le=most),
        order: Literal["asc", "desc"] = "desc",
    ) -> Wish:
        return Wish(after, limit, order)

    return wish


def page_of(
    database: Database,
    table: Table,
    wanted: ColumnElement[bool],
    wish: Wish,
    account_id: str,
    show: Callable[[Sequence[Row[Any]]], Iterable[Shown]],
) -> ListOf[Shown]:
    """The account's rows that are ``wanted``. Raises ApiError (400) for a cursor that is none of its rows.

    A cursor may be a row that is not wanted any more: scripts delete what they list.
    """
    mine = table.c.account_id == account_id
    age = tuple_(*(table.c[name] for name in ("number", "created_at", "id") if name in table.c))
    rows = select(table).where(mine, wanted)
    with database.read() as connection:
        if wish.after:
            cursor = connection.execute(select(*age.clauses).where(mine, table.c.id == wish.after)).first()
            if cursor is None:
                raise ApiError(
                    400, "invalid_value", f"after: there is no '{wish.after[:80]}' in this list", param="after"
                )
            rows = rows.where(age < tuple(cursor) if wish.order == "desc" else age > tuple(cursor))
        by_age = [column.desc() if wish.order == "desc" else column for column in age.clauses]
        found = connection.execute(rows.order_by(*by_age).limit(wish.limit + 1)).all()
    here = found[: wish.limit]
    ends = {"first_id": here[0].id, "last_id": here[-1].id} if here else {"first_id": None, "last_id": None}
    return ListOf(data=list(show(here)), has_more=len(found) > len(here), **ends)
