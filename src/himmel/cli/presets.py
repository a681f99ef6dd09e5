"""``himmel presets``: the looks that ``--preset`` knows.

Owns: how they are listed.
"""

from __future__ import annotations

import typer


def presets() -> None:
    """List the looks that --preset puts into a prompt: those of Himmel and your own."""
    from himmel.looks import all_looks, own_looks

    looks = all_looks()
    width = max(map(len, looks))
    for look in looks.values():
        typer.echo(f"{look.name:<{width}}  {look.line()}\n{'':<{width}}  {look.description}".rstrip())
    if not own_looks().is_file():
        typer.echo(f"your own: {own_looks()}", err=True)
