"""``himmel world``: the training world's art, and a look at it.

Owns: these commands' options.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.values import one_of, whole

PREVIEW_SECONDS = 4.0
PREVIEW_FRAMES = 5

world = typer.Typer(help="The captioned world that models learn from.")


@world.command("fetch")
def fetch() -> None:
    """Bring the art into the cache, by pinned version and checksum; what is there already is only checked."""
    from himmel.world.archives import cache_folder, fetch

    fetch(cache_folder(), typer.echo)


@world.command("nouns")
def nouns(
    vocabulary: Annotated[
        str, typer.Option(metavar="NAME", help="Whose nouns: a tier is all that it teaches.")
    ] = "full",
    left_out: Annotated[bool, typer.Option("--left-out", help="Instead: what is not shown, and why.")] = False,
) -> None:
    """List the nouns that a vocabulary teaches, by kind; or what the drawing styles hold and the world leaves out."""
    from himmel.world.left_out import left_out as reasons
    from himmel.world.nouns import KINDS, NOUNS
    from himmel.world.vocabulary import VOCABULARIES

    v = VOCABULARIES[one_of("vocabulary", tuple(VOCABULARIES))(vocabulary)]
    listed: dict[str, list[str]] = {} if left_out else {kind: [] for kind in KINDS}
    if left_out:
        for concept in reasons():
            listed.setdefault(concept.why, []).append(concept.name)
    else:
        for noun in map(NOUNS.__getitem__, v.nouns):
            listed[noun.kind].append(noun.en)
    for heading, names in listed.items():
        typer.echo(f"{heading} ({len(names)}): {', '.join(names)}")
    typer.echo(f"{sum(map(len, listed.values()))} in all")


@world.command("preview")
def preview(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the picture goes (.png).")
    ] = Path("world.png"),
    vocabulary: Annotated[
        str, typer.Option(metavar="NAME", help="Which vocabulary the scenes are drawn from.")
    ] = "laptop",
    clips: Annotated[int, typer.Option(parser=whole("clips", (1, 200)), metavar="N", help="How many scenes.")] = 12,
    seed: Annotated[int, typer.Option(parser=whole("seed"), metavar="N", help="Other seeds, other scenes.")] = 0,
) -> None:
    """Draw scenes as training sees them, each with a caption, on one sheet."""
    from himmel.media.contact_sheet import write_contact_sheet
    from himmel.media.output_file import check_writable
    from himmel.world.archives import cache_folder
    from himmel.world.caption import caption
    from himmel.world.render import Renderer
    from himmel.world.scene import sample_scene
    from himmel.world.sprites import atlas_for
    from himmel.world.vocabulary import VOCABULARIES

    check_writable(output)
    v = VOCABULARIES[one_of("vocabulary", tuple(VOCABULARIES))(vocabulary)]
    atlas = atlas_for(v, cache_folder())
    renderer = Renderer(atlas, 128, 128, (PREVIEW_FRAMES - 1) / PREVIEW_SECONDS)
    shown = []
    for scene in (sample_scene(v, seed + index) for index in range(clips)):
        frames = (renderer.render([scene], PREVIEW_FRAMES)[0] * 255).round().byte().permute(0, 2, 3, 1)
        shown.append((caption(scene, random.Random(scene.seed), "en"), frames.numpy()))
    write_contact_sheet(output, shown, frames_per_clip=PREVIEW_FRAMES)
    typer.echo(output)
