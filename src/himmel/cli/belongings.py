"""``himmel export`` and ``himmel import``: what an account made, taken along and brought from elsewhere.

Owns: these commands' options, and what they say. What they do stands in ``himmel.studio``: ``export``, ``imports``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from himmel.cli.serve import DataDir, opened
from himmel.errors import BadRequest
from himmel.spec import Progress

if TYPE_CHECKING:
    from himmel.studio.imports import Taken
    from himmel.studio.server import Server

Account = Annotated[str | None, typer.Option(metavar="NAME", help="Whose library; the only account's.")]


def export_clips(
    account: Account = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The zip, which must not be there yet.")
    ] = Path("himmel-export.zip"),
    data_dir: DataDir = None,
) -> None:
    """Write everything that an account made into a zip that any Himmel reads back."""
    from himmel.cli.progress import progress_bar
    from himmel.media.output_file import check_writable, disk_errors, new_file
    from himmel.studio.export import clips_zip, count_of

    if output.exists():
        raise BadRequest(f"'{output}' is there already; give another name with -o")
    check_writable(output)
    server = opened(data_dir)
    name, number = _account(server, account)
    total, done = count_of(server.database, number), 0

    with progress_bar() as bar:

        def told() -> None:
            nonlocal done
            done += 1
            bar.show(Progress(done, max(total, done), "exporting"))

        with new_file(output) as part, disk_errors(output), part.open("wb") as file:
            file.writelines(clips_zip(server, number, name, told=told))
    typer.echo(f"{output}  {done} clips of {name}  {output.stat().st_size / 1e6:.1f} MB")


def import_clips(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A zip or a folder of clips.")],
    account: Account = None,
    data_dir: DataDir = None,
) -> None:
    """Read clips and what they were made of into a library: an export of ours, or of a Sora account."""
    from himmel.cli.progress import progress_bar
    from himmel.studio.archive import Archive
    from himmel.studio.imports import take_in

    if not source.exists():
        raise BadRequest(f"there is no '{source}'")
    archive, server = Archive(source), opened(data_dir)
    name, number = _account(server, account)
    with progress_bar() as bar:

        def told(taken: Taken) -> None:
            bar.show(Progress(taken.done, max(1, taken.total), "importing"))

        taken = take_in(server, number, archive, told)
    refused = f"; {taken.refused} could not be used, the first: {taken.why}" if taken.refused else ""
    typer.echo(f"{taken.new} clips came to the library of {name}, {taken.known} were there already{refused}")


def _account(server: Server, name: str | None) -> tuple[str, str]:
    """The name and number of an account, the only one unless told. Raises BadRequest."""
    from himmel.studio.accounts import account_of_name, list_accounts

    if name is None:
        names = [row.name for row in list_accounts(server.database)]
        if len(names) != 1:
            raise BadRequest(f"say whose library with --account; there are: {', '.join(names) or 'no accounts yet'}")
        name = names[0]
    return name, account_of_name(server.database, name)
