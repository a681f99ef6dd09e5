"""The command ``himmel``: which subcommands there are, and how an error reaches the user.

Owns: the assembly, exit statuses, and the rule that an error is one line without a traceback. Decides nothing
else, and imports nothing heavy: ``himmel --help`` and refused values cost no torch.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType
from typing import Annotated

import typer

from himmel.cli.accounts import accounts
from himmel.cli.belongings import export_clips, import_clips
from himmel.cli.character import character
from himmel.cli.credits import show_credits
from himmel.cli.evaluate import evaluate
from himmel.cli.generate import generate
from himmel.cli.info import info
from himmel.cli.keys import keys
from himmel.cli.models import models
from himmel.cli.operate import audit, backup, doctor, drain, move_database, restore, sweep
from himmel.cli.presets import presets
from himmel.cli.remix import edit, remix
from himmel.cli.serve import serve, worker
from himmel.cli.storyboard import storyboard
from himmel.cli.timeline import blend, extend, loop, recut
from himmel.cli.train import train
from himmel.cli.world import world
from himmel.errors import HimmelError

CANCELLED = 130  # what shells report for Ctrl-C

app = typer.Typer(
    name="himmel",
    help="Text to video on your own machine.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for making in (generate, extend, loop, blend, recut, remix, edit, storyboard):
    app.command(making.__name__)(making)
app.command("presets")(presets)
app.add_typer(character, name="character")
app.command("info")(info)
app.add_typer(models, name="models")
app.command("credits")(show_credits)
app.add_typer(world, name="world")
app.add_typer(train, name="train")
app.command("evaluate")(evaluate)
app.command("serve")(serve)
app.command("worker")(worker)
app.add_typer(keys, name="keys")
app.add_typer(accounts, name="accounts")
app.command("export")(export_clips)
app.command("import")(import_clips)
for command in (doctor, audit, backup, restore, sweep, drain):
    app.command(command.__name__)(command)
app.command("move-database")(move_database)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"himmel {version('himmel')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (default: the process's own arguments) and return the exit status.

    0 where it went well, 2 for values that cannot be used, 1 for everything else that the user can solve, 130
    for Ctrl-C, a polite kill or a closed terminal, which are all cleaned up after in the same way.
    """
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _interrupt)
    try:
        status = app(list(arguments) if arguments is not None else None, prog_name="himmel", standalone_mode=False)
    except HimmelError as error:
        return _complain(str(error), error.exit_status)
    except OSError as error:  # a disk that is full, or not ours to write on
        return _complain(_what_the_system_says(error), 1)
    except typer.TyperException as error:
        return _complain(error.format_message() + _known_commands(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        status = CANCELLED
    if status == CANCELLED:
        return _complain("cancelled; no unfinished file was left behind", CANCELLED)
    return status if isinstance(status, int) else 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _complain(text: str, status: int) -> int:
    print(f"himmel: {' '.join(text.split())}", file=sys.stderr)
    return status


def _what_the_system_says(error: OSError) -> str:
    why = error.strerror or str(error) or type(error).__name__
    return f"'{error.filename}': {why}" if error.filename else why


def _known_commands(error: typer.TyperException) -> str:
    """Where a subcommand is wrong or missing: the ones that there are."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    known = getattr(command, "commands", None)
    return f" allowed: {', '.join(known)}" if known else ""
