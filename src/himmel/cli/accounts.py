"""``himmel accounts``: who uses a server, and what they may.

Owns: this command's options. What it does stands in ``himmel.studio.accounts``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from himmel.cli.serve import DataDir, opened
from himmel.errors import BadRequest

accounts = typer.Typer(help="List accounts and change what they may.")


@accounts.command("list")
def listed(data_dir: DataDir = None) -> None:
    """List all accounts: role, weight, limits, jobs that wait and run, compute-seconds served."""
    from himmel.studio.accounts import list_accounts

    for row in list_accounts(opened(data_dir).database):
        state = "  suspended" if row.suspended_at else ""
        used = f"{row.queued} waiting, {row.running} running, {row.served * row.weight:.0f} s served"
        most = [f"at most {row.open_jobs} jobs at a time"] if row.open_jobs is not None else []
        most += [f"at most {row.daily_seconds:g} s a day"] if row.daily_seconds is not None else []
        typer.echo(f"{row.name}  {row.role}  weight {row.weight:g}  {', '.join([used, *most])}{state}")


@accounts.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose account.")],
    data_dir: DataDir = None,
) -> None:
    """Show one account: what it may, and what it has used of that."""
    from himmel.studio.accounts import account_of_name, find_account
    from himmel.studio.limits import used_by_account

    server = opened(data_dir)
    row = find_account(server.database, account_of_name(server.database, name))
    with server.database.read() as connection:
        count, seconds = used_by_account(connection, row.id, server.queue.now())
    typer.echo(f"{row.name}  {row.role}{'  suspended' if row.suspended_at else ''}")
    typer.echo(f"weight                {row.weight:g}")
    typer.echo(f"jobs open             {count} of {_or_any(row.open_jobs)}")
    typer.echo(f"computed in 24 hours  {seconds:.0f} s of {_or_any(row.daily_seconds)}")


@accounts.command("set")
def change(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose account.")],
    data_dir: DataDir = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="owner, operator or member.")] = None,
    weight: Annotated[float | None, typer.Option(metavar="N", help="Share of the queue; 1 is everybody's.")] = None,
    suspend: Annotated[
        bool | None, typer.Option("--suspend/--resume", help="Refuse all its keys, or accept them again.")
    ] = None,
    open_jobs: Annotated[
        str | None, typer.Option(metavar="N", help="Jobs that may wait or run at a time, or 'any' number.")
    ] = None,
    daily_seconds: Annotated[
        str | None, typer.Option(metavar="N", help="Compute-seconds that it may use in 24 hours, or 'any' number.")
    ] = None,
) -> None:
    """Change an account; what is left out stays."""
    from himmel.studio.accounts import account_of_name, change_account, limit_account

    asked = {"open_jobs": (open_jobs, int), "daily_seconds": (daily_seconds, float)}
    limits = {option: _limit(option, told, kind) for option, (told, kind) in asked.items() if told is not None}
    database = opened(data_dir).database
    account_id = account_of_name(database, name)
    change_account(database, account_id, role=role, weight=weight, suspended=suspend)
    if limits:
        limit_account(database, account_id, **limits)
    typer.echo("changed")


@accounts.command("forget-factors")
def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose account.")],
    data_dir: DataDir = None,
) -> None:
    """Take away somebody's passkeys, codes and recovery codes, who is locked out; signs out everywhere."""
    from himmel.studio.accounts import account_of_name
    from himmel.studio.audit import actor
    from himmel.studio.factors import forget_factors

    server = opened(data_dir)
    account_id = account_of_name(server.database, name)
    gone = forget_factors(server.database, account_id, actor())
    ended = server.sessions.end(account_id)
    app = "codes of an app" if gone["totp"] else "no codes"
    typer.echo(f"gone: {gone['passkeys']} passkeys, {app}; {ended} browsers signed out")
    if not server.passwords.has(account_id):
        typer.echo(f"{name} has no password: make a key to sign in with, himmel keys create '{name}'")


def _limit(option: str, told: str, kind: type[int] | type[float]) -> float | None:
    """What an option says of a limit; None for any number. Raises BadRequest."""
    if told == "any":
        return None
    try:
        return kind(told)
    except ValueError:
        raise BadRequest(f"--{option.replace('_', '-')} is '{told}'; allowed: a number, or 'any'") from None


def _or_any(limit: float | None) -> str:
    return "any number" if limit is None else f"{limit:g}"
