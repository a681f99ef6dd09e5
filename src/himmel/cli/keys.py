"""``himmel keys``: making, listing and revoking API keys.

Owns: these commands' options. What a key may do stands in ``himmel.studio.auth``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from himmel.cli.serve import DataDir, opened
from himmel.errors import BadRequest

if TYPE_CHECKING:
    from sqlalchemy import Row

Some = list[str] | None
keys = typer.Typer(help="Make, list and revoke API keys.")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key: an account of this name is made.")],
    data_dir: DataDir = None,
    scope: Annotated[Some, typer.Option(metavar="NAME", help="read, create, manage, operate; again for more.")] = None,
    model: Annotated[Some, typer.Option(metavar="NAME", help="Model that it may use; again for more.")] = None,
    address: Annotated[
        Some, typer.Option(metavar="NETWORK", help="Where it may come from, like 10.0.0.0/8; again for more.")
    ] = None,
    days: Annotated[float | None, typer.Option(metavar="N", min=0, help="Days until it expires.")] = None,
    open_jobs: Annotated[int | None, typer.Option(metavar="N", help="Jobs that may wait or run at a time.")] = None,
    daily_seconds: Annotated[
        float | None, typer.Option(metavar="N", help="Compute-seconds that it may use in 24 hours.")
    ] = None,
) -> None:
    """Make a key. It is shown once. Without options it can do all that its account may."""
    from himmel.studio.auth import Terms

    terms = Terms(
        scopes=_some(scope),
        models=_some(model),
        addresses=_some(address),
        expires_at=None if days is None else time.time() + days * 24 * 3600,
        open_jobs=open_jobs,
        daily_seconds=daily_seconds,
    )
    typer.echo(f"key of {name}: {opened(data_dir).keys.create(name, terms)}")


@keys.command("list")
def listed(data_dir: DataDir = None) -> None:
    """List all keys: whose each is, what it is called, and what it may do."""
    for row in opened(data_dir).keys.list():
        typer.echo(f"himmel_{row.id}  {row.account}  {row.name}  {_terms(row)}")


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key, or its part before the dot.")],
    data_dir: DataDir = None,
) -> None:
    """End a key, and those that it made, at once."""
    from himmel.studio.auth import number_of

    if not opened(data_dir).keys.revoke(number_of(key)):
        raise BadRequest("there is no such key that is still good; see 'himmel keys list'")
    typer.echo("revoked")


@keys.command("worker")
def worker_token(data_dir: DataDir = None) -> None:
    """Print the token that workers of this server need."""
    typer.echo(opened(data_dir).keys.worker_token())


def _some(values: Some) -> tuple[str, ...] | None:
    return tuple(values) if values else None


def _terms(row: Row[Any]) -> str:
    """In words, what is special about a key."""
    if row.revoked_at:
        return "revoked"
    lists = {word: getattr(row, word) for word in ("scopes", "models", "addresses")}
    told = [f"{word} {', '.join(values)}" for word, values in lists.items() if values]
    if row.expires_at:
        told.append(f"until {time.strftime('%Y-%m-%d %H:%M', time.localtime(row.expires_at))}")
    if row.open_jobs is not None:
        told.append(f"{row.open_jobs} jobs at a time")
    if row.daily_seconds is not None:
        told.append(f"{row.daily_seconds:g} compute-seconds a day")
    if row.parent_id:
        told.append(f"made by himmel_{row.parent_id}")
    return "; ".join(told) or "everything that its account may"
