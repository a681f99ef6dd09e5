"""``himmel doctor``, ``audit``, ``backup``, ``restore``, ``sweep``, ``drain`` and ``move-database``: looking after it.

Owns: these commands' options. What they do stands in ``himmel.studio``.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.serve import DataDir, opened
from himmel.errors import BadRequest, HimmelError

WATCH_SECONDS = 0.5


def doctor(data_dir: DataDir = None) -> None:
    """Look at folder, database, storage, workers, clock and audit log, change nothing, and say what to do."""
    from himmel.studio.doctor import examine
    from himmel.studio.settings import read_settings

    well = True
    for finding in examine(read_settings({"data_dir": data_dir}), _models_here()):
        well = well and not finding.advice
        typer.echo(f"{'!!' if finding.advice else 'ok'}  {finding.what}: {finding.found}")
        if finding.advice:
            typer.echo(f"    {finding.advice}")
    if not well:
        raise typer.Exit(1)


def _models_here() -> list[str]:
    """The models that workers of this machine can have; damaged ones are none."""
    from himmel.backends.select import installed_models

    try:
        return ["fake", *(info.name for info in installed_models())]
    except HimmelError as error:
        typer.echo(str(error), err=True)
        return ["fake"]


def audit(
    data_dir: DataDir = None,
    since: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Only from this day or time on."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, hashes included.")] = False,
) -> None:
    """Print who did what to the server, oldest first."""
    from himmel.studio.audit import entries
    from himmel.studio.database import Database, versions
    from himmel.studio.server import address_of
    from himmel.studio.settings import read_settings

    settings = read_settings({"data_dir": data_dir})
    if not settings.database_url and not settings.data_dir.is_dir():
        raise BadRequest(f"'{settings.data_dir}' holds no server; name its folder: --data-dir FOLDER")
    database = Database.looked_at(address_of(settings))
    if database.version() != versions()[0]:
        raise HimmelError("the database is another version's; see 'himmel doctor'")
    with database.read() as connection:
        rows = entries(connection, since.timestamp() if since else 0.0)
    database.close()
    for row in rows:
        if as_json:
            typer.echo(json.dumps(row._asdict(), ensure_ascii=False))
        else:
            at = datetime.fromtimestamp(row.at).strftime("%Y-%m-%d %H:%M:%S")
            details = " ".join(f"{name}={value}" for name, value in row.details.items())
            typer.echo(f"{at}  {row.who}  {row.act}  {row.subject}  {details}".rstrip())


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the backup goes.")], data_dir: DataDir = None
) -> None:
    """Write everything that the server keeps into one file, while it runs."""
    from himmel.media.output_file import check_writable
    from himmel.studio.audit import keep
    from himmel.studio.backup import back_up

    check_writable(file)
    server = opened(data_dir)
    count = back_up(server, file)
    keep(server.database, "backup.made", file.name, files=count)
    typer.echo(f"{file}  {count} files")


def restore(file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")], data_dir: DataDir = None) -> None:
    """Make a backup a server's folder again; every file is checked first."""
    from himmel.studio.audit import keep
    from himmel.studio.backup import restore as restored
    from himmel.studio.settings import read_settings

    folder = read_settings({"data_dir": data_dir}).data_dir
    count = restored(file, folder)
    keep(opened(folder).database, "backup.restored", file.name, files=count)
    typer.echo(f"{folder}  {count} files")


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
    from himmel.studio.server import set_draining

    server = opened(data_dir)
    set_draining(server, not off)
    if off:
        typer.echo("jobs are given out again")
        return
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

    from himmel.studio.alone import only_server
    from himmel.studio.audit import keep
    from himmel.studio.database import Database
    from himmel.studio.move import move_database as moved

    server = opened(data_dir)
    try:
        with closing(server.database), only_server(server.settings), closing(Database(url)) as target:
            count = moved(server.database, target, lambda table, rows: typer.echo(f"{rows:8}  {table}"))
            told = target.engine.url.render_as_string(hide_password=True)
            keep(target, "database.moved", told, rows=count)
    except (SQLAlchemyError, ImportError) as error:
        raise BadRequest(f"the database cannot be used: {str(error).splitlines()[0]}") from None
    typer.echo(f"{count} rows copied to {told}. Start the server with HIMMEL_DATABASE_URL set to it.")
