"""``himmel serve`` and ``himmel worker``: the server and those who work for it.

Owns: these commands' options. What the server does stands in ``himmel.studio``, what a worker does in
``himmel.worker``.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from himmel.errors import BadRequest
from himmel.words import WordList

if TYPE_CHECKING:
    from himmel.studio.server import Server

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="FOLDER", help="Where the server keeps everything.")
]


def serve(
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen on.")] = None,
    data_dir: DataDir = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Worker processes to start and watch.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model of these workers; 'fake' draws test cards.")
    ] = None,
) -> None:
    """Serve the Videos API on this machine."""
    server = opened(data_dir, host=host, port=port, workers=workers, model=model)
    settings = server.settings
    if not _is_loopback(settings.host) and not server.keys.any_account():
        raise BadRequest(
            f"the server listens on {settings.host} only when somebody can log in; run 'himmel keys create NAME' first"
        )
    from himmel import logs
    from himmel.cli.processes import leads_here, listening, serve_with_workers
    from himmel.studio.alone import only_server
    from himmel.studio.audit import record_start

    logs.configure(settings.log_format, settings.log_level)
    server.words = _words(settings.model)
    with only_server(settings), listening(settings.host, settings.port) as listener:
        record_start(server.database, settings)
        # Browsers have passkeys for names, and without https for this one alone.
        named = _is_loopback(settings.host) and leads_here("localhost", listener)
        studio = replace(settings, host="localhost").address if named else settings.address
        typer.echo(f"Himmel listens on {settings.address}/v1 with the model '{settings.model}'; the studio: {studio}")
        if not server.keys.any_account():
            typer.echo(f"Make the owner's account: {studio}/setup/{server.setup_token}")
        typer.echo(f"Make keys: himmel keys create NAME --data-dir '{settings.data_dir}'")
        serve_with_workers(server, listener)
    typer.echo("stopped; what waits is kept")


def worker(
    server: Annotated[str, typer.Option(metavar="URL", help="The server to work for.")] = "http://127.0.0.1:8000",
    model: Annotated[str, typer.Option(metavar="NAME", help="The model that this worker has.")] = "papercut",
    token: Annotated[
        str | None, typer.Option(envvar="HIMMEL_WORKER_TOKEN", metavar="TOKEN", help="See 'himmel keys worker'.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    parent: Annotated[
        int | None, typer.Option(metavar="PID", help="Stop, after its job, when this process, its parent, is gone.")
    ] = None,
    log_format: Annotated[
        str, typer.Option(envvar="HIMMEL_LOG_FORMAT", metavar="NAME", help="Lines of the log: auto, text or json.")
    ] = "auto",
    log_level: Annotated[
        str, typer.Option(envvar="HIMMEL_LOG_LEVEL", metavar="NAME", help="The least that is logged, such as info.")
    ] = "info",
) -> None:
    """Make clips for a server, which may be another machine."""
    from himmel import logs
    from himmel.backends.select import open_backend
    from himmel.worker import Worker, connect

    if not token:
        raise BadRequest("a worker needs the server's token: --token, see 'himmel keys worker'")
    logs.configure(log_format, log_level)
    with suppress(KeyboardInterrupt):
        Worker(connect(server, token), open_backend(model, device)).run(parent)


def opened(data_dir: Path | None, **flags: object) -> Server:
    """The server in a data folder; ``flags`` are settings, None where they were not given."""
    from himmel.studio.server import Server
    from himmel.studio.settings import read_settings

    return Server.opened(read_settings({"data_dir": data_dir, **flags}))


def _words(model: str) -> WordList | None:
    """What the studio tells while somebody types; without loading a model, or torch."""
    if model == "fake":
        from himmel.backends.fake import WORDS

        return WORDS
    from importlib.resources import as_file, files

    with as_file(files("himmel") / "weights" / model / "words.json") as path:
        return WordList.load(path) if path.is_file() else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
