"""``himmel credits``: whose art the default model learned from.

Owns: how credits are shown.
"""

from __future__ import annotations

import typer


def show_credits() -> None:
    """Print every training asset with its author and licence."""
    from himmel.world.credits import credit_lines

    for line in credit_lines():
        typer.echo(line)
