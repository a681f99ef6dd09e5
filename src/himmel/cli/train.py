"""``himmel train``: making models.

Owns: these commands' options.
"""

from __future__ import annotations

import typer

train = typer.Typer(help="Train the autoencoder or the transformer.", no_args_is_help=False)
