"""``himmel doctor``, ``backup``, ``restore``, ``sweep``, ``drain``, ``move-database``: looking after a server.

Owns: these commands' options. What they do stands in ``himmel.studio``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.serve import DataDir, opened
from himmel.errors import BadRequest

WATCH_SECONDS = 0.5


def doctor(data_dir: DataDir = None) -> None:
    """Look at database, storage, disk, workers and clock, and say what to do."""
    from himmel.studio.doctor import examine

    well = True
    for finding in examine(opened(data_dir)):
        well = well and not finding.advice
        typer.echo(f"{'!!' if finding.advice else 'ok'}  {finding.what}: {finding.found}")
        if finding.advice:
            typer.echo(f"    {finding.advice}")
    if not well:
        raise typer.Exit(1)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the backup goes.")], data_dir: DataDir = None
) -> None:
    """Write everything that the server keeps into one file, while it runs."""
    from himmel.media.output_file import check_writable
    from himmel.studio.backup import back_up

    check_writable(file)
    typer.echo(f"{file}  {back_up(opened(data_dir), file)} files")


def restore(file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")], data_dir: DataDir = None) -> None:
    """Make a backup a server's folder again; every file is checked first."""
    from himmel.studio.backup import restore as restored
    from himmel.studio.settings import read_settings

    folder = read_settings({"data_dir": data_dir}).data_dir
    typer.echo(f"{folder}  {restored(file, folder)} files")


def sweep(
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete expired clips, and the bytes that nothing speaks of any more; the server does it too as it runs."""
    from himmel.studio.sweeper import sweep as swept

    done = swept(opened(data_dir), dry_run=dry_run)
    went = "would go" if dry_run else "went"
    typer.echo(f"{done.expired} expired clips {went}, {done.files} files ({done.bytes} bytes), {done.pieces} pieces")


def drain(
    data_dir: DataDir = None,
    off: Annotated[bool, typer.Option("--off", help="Give out jobs again.")] = False,
) -> None:
    """Give out no more jobs and wait until none runs, so that the server can be stopped and nothing is done twice."""
    from himmel.studio.server import DRAINING

    server = opened(data_dir)
    flag = server.settings.data_dir / DRAINING
    if off:
        flag.unlink(missing_ok=True)
        typer.echo("jobs are given out again")
        return
    flag.touch()
    running = -1
    while left := server.queue.running():
        if left != running:
            typer.echo(f"{left} jobs still run", err=True)
        running = left
        server.queue.take_back()
        time.sleep(WATCH_SECONDS)
    typer.echo("no job runs; waiting ones are kept. Go on with: himmel drain --off")


def move_database(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to, like postgresql+psycopg://user@host/name.")],
    data_dir: DataDir = None,
) -> None:
    """Copy a stopped server's database into an empty one, for example from SQLite to PostgreSQL."""
    from sqlalchemy.exc import SQLAlchemyError

    from himmel.studio.database import Database
    from himmel.studio.move import move_database as moved

    source = opened(data_dir).database
    try:
        target = Database(url)
        count = moved(source, target, lambda table, rows: typer.echo(f"{rows:8}  {table}"))
    except (SQLAlchemyError, ImportError) as error:
        raise BadRequest(f"the database cannot be used: {str(error).splitlines()[0]}") from None
    typer.echo(f"{count} rows copied. Start the server with HIMMEL_DATABASE_URL={url}")
