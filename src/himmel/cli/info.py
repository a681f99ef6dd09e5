"""``himmel info``: what a clip was made of.

Owns: how a recipe is shown.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def info(file: Annotated[Path, typer.Argument(metavar="FILE", help="A clip made by Himmel.")]) -> None:
    """Print the recipe that a clip carries: prompt, seed, model, version, every setting."""
    from himmel.media.recipe import read_recipe

    values = {name: value for name, value in asdict(read_recipe(file)).items() if value is not None}
    width = max(map(len, values))
    for name, value in values.items():
        typer.echo(f"{name:<{width}}  {value}")
