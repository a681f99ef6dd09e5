"""``himmel character``: those whom prompts can call by name.

Owns: keeping, listing and forgetting them. How they come into a clip is ``making``'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.clips import tell
from himmel.cli.values import number
from himmel.errors import BadRequest

character = typer.Typer(help="Those whom prompts call by name: add, list, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What prompts call them, as it is written: Rex.")]


@character.command("add")
def add(
    name: Name,
    picture: Annotated[
        Path, typer.Argument(metavar="FILE", help="A picture of them alone, or a clip that shows them.")
    ],
    at: Annotated[
        float,
        typer.Option(parser=number("at", (0, 3600)), metavar="T", help="The second of the clip that shows them best."),
    ] = 0.0,
) -> None:
    """Keep a picture of somebody, so that prompts can say the name: himmel generate "Rex jumps on the beach"."""
    from PIL import Image

    from himmel.cast import place_of
    from himmel.media.material import look
    from himmel.media.output_file import new_file
    from himmel.spec import LARGEST_SIDE, Size

    place = place_of(name)
    if place.exists():
        raise BadRequest(f"there is a character '{name}' already; remove it first: himmel character remove '{name}'")
    material = look(picture)
    if at > material.seconds:
        raise BadRequest(f"'{picture}' has no second {at:g}; allowed: 0 to {material.seconds:g}")
    share = min(1, LARGEST_SIDE / max(material.width, material.height))
    size = Size(int(material.width * share) // 2 * 2, int(material.height * share) // 2 * 2)
    (frame,) = material.sampled(size, 1, at, 1)
    place.parent.mkdir(parents=True, exist_ok=True)
    with new_file(place) as unfinished:
        Image.fromarray(frame).save(unfinished, "PNG")
    typer.echo(place)


@character.command("list")
def show() -> None:
    """List the characters that are kept, and where."""
    from himmel.cast import kept_characters

    kept = kept_characters()
    width = max((len(each.name) for each in kept), default=0)
    for each in kept:
        typer.echo(f"{each.name:<{width}}  {each.path}")
    if not kept:
        tell("no characters yet; keep one with: himmel character add NAME FILE")


@character.command("remove")
def remove(name: Name) -> None:
    """Forget a character; clips that show it keep their pixels, but can no longer be made again."""
    from himmel.cast import kept_as

    kept_as(name).unlink()
    tell(f"'{name}' is forgotten")
