"""``himmel accounts``: who uses a server, and what they may.

Owns: this command's options. What it does stands in ``himmel.studio.accounts``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from himmel.cli.serve import DataDir, opened

accounts = typer.Typer(help="List accounts and change what they may.")


@accounts.command("list")
def listed(data_dir: DataDir = None) -> None:
    """List all accounts: role, weight, jobs that wait and run, compute-seconds served."""
    from himmel.studio.accounts import list_accounts

    for row in list_accounts(opened(data_dir).database):
        state = "  suspended" if row.suspended_at else ""
        used = f"{row.queued} waiting, {row.running} running, {row.served * row.weight:.0f} s served"
        typer.echo(f"{row.name}  {row.role}  weight {row.weight:g}  {used}{state}")


@accounts.command("set")
def change(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose account.")],
    data_dir: DataDir = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="owner, operator or member.")] = None,
    weight: Annotated[float | None, typer.Option(metavar="N", help="Share of the queue; 1 is everybody's.")] = None,
    suspend: Annotated[
        bool | None, typer.Option("--suspend/--resume", help="Refuse all its keys, or accept them again.")
    ] = None,
) -> None:
    """Change an account; what is left out stays."""
    from himmel.studio.accounts import account_of_name, change_account

    database = opened(data_dir).database
    change_account(database, account_of_name(database, name), role=role, weight=weight, suspended=suspend)
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
