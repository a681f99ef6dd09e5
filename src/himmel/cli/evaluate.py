"""``himmel evaluate``: measuring a model.

Owns: this command's options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.values import DEVICES, number, one_of, whole
from himmel.spec import VideoRequest


def evaluate(
    model: Annotated[str, typer.Option(metavar="NAME", help="See 'himmel models'.")] = VideoRequest.model,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="For scores and contact sheet. Default: scores/NAME."),
    ] = None,
    clips: Annotated[
        int, typer.Option(parser=whole("clips", (1, 100_000)), metavar="N", help="Prompts in the main suite.")
    ] = 256,
    extra: Annotated[
        int, typer.Option(parser=whole("extra", (1, 100_000)), metavar="N", help="Prompts in each further suite.")
    ] = 64,
    seconds: Annotated[
        float, typer.Option(parser=number("seconds"), metavar="N", help="Length of every clip.")
    ] = VideoRequest.seconds,
    seed: Annotated[
        int, typer.Option(parser=whole("seed"), metavar="N", help="Other seeds, other held-out scenes.")
    ] = 0,
    vocabulary: Annotated[
        str, typer.Option(metavar="NAME", help="The vocabulary that the model claims, and is judged on.")
    ] = "laptop",
    turbo: Annotated[bool, typer.Option("--turbo", help="The few-step student instead of the full model.")] = False,
    device: Annotated[
        str, typer.Option(parser=one_of("device", DEVICES), metavar="NAME", help=f"{', '.join(DEVICES)}.")
    ] = "auto",
) -> None:
    """Measure how well a model shows what prompts say, on combinations that it never saw."""
    from rich.console import Console

    from himmel.backends.native import NativeBackend
    from himmel.backends.select import open_backend
    from himmel.cli.progress import progress_bar
    from himmel.training.evaluate import evaluate
    from himmel.training.oracle import load_oracle
    from himmel.training.scores import table
    from himmel.training.suites import Plan
    from himmel.world.archives import cache_folder
    from himmel.world.sprites import atlas_for
    from himmel.world.vocabulary import VOCABULARIES

    claimed = VOCABULARIES[one_of("vocabulary", tuple(VOCABULARIES))(vocabulary)]
    folder = output or Path("scores") / model
    plan = Plan(clips=clips, extra_clips=extra, seconds=seconds, seed=seed, turbo=turbo)
    oracle = load_oracle()
    backend = open_backend(model, device)
    atlas = atlas_for(claimed, cache_folder())
    autoencoder = backend.model.autoencoder if isinstance(backend, NativeBackend) else None
    with progress_bar() as bar:
        found = evaluate(backend, claimed, atlas, oracle, plan, folder, bar.show, autoencoder)
    Console().print(table(found.rows, f"{model} on held-out scenes"))
    typer.echo(f"{folder / 'scores.json'}  {folder / 'contact_sheet.png'}")
