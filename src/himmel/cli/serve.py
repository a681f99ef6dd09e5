"""``himmel serve``, ``himmel worker`` and ``himmel keys``: the server and those who work for it.

Owns: these commands' options. What the server does stands in ``himmel.studio``, what a worker does in
``himmel.worker``.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from himmel.errors import BadRequest

if TYPE_CHECKING:
    from himmel.studio.server import Server

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="FOLDER", help="Where the server keeps everything.")
]

keys = typer.Typer(help="Make and revoke API keys.")


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
    from himmel.cli.processes import listening, serve_with_workers
    from himmel.studio.alone import only_server

    with only_server(settings), listening(settings.host, settings.port) as listener:
        typer.echo(f"Himmel listens on http://{settings.host}:{settings.port}/v1 with the model '{settings.model}'")
        if not server.keys.any_account():
            typer.echo(f"Make a key: himmel keys create NAME --data-dir '{settings.data_dir}'")
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
) -> None:
    """Make clips for a server, which may be another machine."""
    from himmel.backends.select import open_backend
    from himmel.worker import Worker, connect

    if not token:
        raise BadRequest("a worker needs the server's token: --token, see 'himmel keys worker'")
    with suppress(KeyboardInterrupt):
        Worker(connect(server, token), open_backend(model, device)).run(parent)


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key: an account of this name is made.")],
    data_dir: DataDir = None,
) -> None:
    """Make a key. It is shown once."""
    typer.echo(f"key of {name}: {opened(data_dir).keys.create(name)}")


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key, or its part before the dot.")],
    data_dir: DataDir = None,
) -> None:
    """End a key at once."""
    if not opened(data_dir).keys.revoke(key.partition(".")[0].removeprefix("himmel_")):
        raise BadRequest("there is no such key that is still good")
    typer.echo("revoked")


@keys.command("worker")
def worker_token(data_dir: DataDir = None) -> None:
    """Print the token that workers of this server need."""
    typer.echo(opened(data_dir).keys.worker_token())


def opened(data_dir: Path | None, **flags: object) -> Server:
    """The server in a data folder; ``flags`` are settings, None where they were not given."""
    from himmel.studio.server import Server
    from himmel.studio.settings import read_settings

    return Server.opened(read_settings({"data_dir": data_dir, **flags}))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
