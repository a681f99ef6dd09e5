"""Keys over HTTP: an account's own, made by a key, revoked by a key.

Owns: these routes. What a key may do stands in ``auth``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import Row

from himmel.errors import ApiError
from himmel.studio.api_videos import TheManager, TheServer
from himmel.studio.auth import Caller, Terms, number_of
from himmel.studio.bodies import StrictRoute
from himmel.studio.server import manager_of

router = APIRouter(route_class=StrictRoute, prefix="/v1/keys", tags=["keys"], dependencies=[Depends(manager_of)])
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=120)]], Field(min_length=1, max_length=20)]


class NewKey(BaseModel):
    """The body of a creation. What is left out is as the key has it that asks; nothing may be more."""

    name: str = Field(min_length=1, max_length=80)
    scopes: Names | None = None
    models: Names | None = None
    addresses: Names | None = Field(default=None, description="Networks, like 10.0.0.0/8, that it may come from.")
    expires_at: int | None = Field(default=None, ge=0, le=10**11, description="Seconds since 1970.")
    open_jobs: int | None = Field(default=None, ge=0, le=10**6, description="Jobs that wait or run at a time.")
    daily_seconds: float | None = Field(default=None, ge=0, le=10**9, description="Compute-seconds in 24 hours.")


class Key(BaseModel):
    """A key; the key itself is shown when it is made, and never again."""

    id: str
    object: Literal["key"] = "key"
    name: str
    parent_id: str | None
    created_at: int
    revoked_at: int | None
    scopes: list[str] | None
    models: list[str] | None
    addresses: list[str] | None
    expires_at: int | None
    open_jobs: int | None
    daily_seconds: float | None
    key: str | None = None

    @classmethod
    def of(cls, row: Row[str], key: str | None = None) -> Key:
        values = {name: getattr(row, name) for name in cls.model_fields if name not in ("object", "key")}
        for name in ("created_at", "revoked_at", "expires_at"):
            values[name] = None if values[name] is None else int(values[name])
        return cls(**values, key=key)


class KeyList(BaseModel):
    """All keys of an account."""

    object: Literal["list"] = "list"
    data: list[Key]


class RevokedKey(BaseModel):
    """The answer to a revocation."""

    id: str
    object: Literal["key.revoked"] = "key.revoked"
    revoked: Literal[True] = True


@router.post("", status_code=201)
def create(body: NewKey, server: TheServer, caller: TheManager) -> Key:
    """Make a key that can do at most what the one can that asks, and ends with it."""
    key = server.keys.create_child(caller, body.name, Terms.of(body))
    return Key.of(next(row for row in server.keys.list(parent_id=caller.key_id) if row.id == number_of(key)), key)


@router.get("")
def listed(server: TheServer, caller: TheManager) -> KeyList:
    """The account's keys, oldest first."""
    _not_a_child(caller)
    return KeyList(data=[Key.of(row) for row in server.keys.list(caller.account_id)])


@router.delete("/{key_id}")
def revoke(key_id: str, server: TheServer, caller: TheManager) -> RevokedKey:
    """End a key of the account, and those that it made, at once."""
    _not_a_child(caller)
    if not server.keys.revoke(key_id, caller.account_id):
        raise ApiError(404, "key_not_found", f"there is no key '{key_id[:80]}' that is still good", param="key_id")
    server.callers.forget()
    return RevokedKey(id=key_id)


def _not_a_child(caller: Caller) -> None:
    if caller.parent_id is not None:
        raise ApiError(403, "scope_missing", "a key that was made by a key looks after no keys")
