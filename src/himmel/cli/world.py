"""``himmel world``: the training world's art, and a look at it.

Owns: these commands' options.
"""

from __future__ import annotations

import typer

world = typer.Typer(help="The captioned world that models learn from.", no_args_is_help=False)
