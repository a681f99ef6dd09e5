"""``himmel train``: making models, sitting by sitting.

Owns: these commands' options. What a sitting is stands in ``himmel.training.sittings``.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from himmel.cli.values import DEVICES, number, one_of, whole
from himmel.errors import BadRequest
from himmel.spec import Progress

if TYPE_CHECKING:
    from himmel.training.sittings import Project
    from himmel.training.train_autoencoder import Latents

train = typer.Typer(help="Make a model; every sitting goes on where the last one stopped.")

PresetName = Annotated[str, typer.Option("--preset", metavar="NAME", help="Which model: its shape and vocabulary.")]
RunFolder = Annotated[Path, typer.Option("--run", metavar="FOLDER", help="Where the training's state is kept.")]
Minutes = Annotated[
    float, typer.Option(parser=number("minutes", (0.01, 100_000)), metavar="N", help="Length of this sitting.")
]
DeviceName = Annotated[
    str, typer.Option(parser=one_of("device", DEVICES), metavar="NAME", help=f"{', '.join(DEVICES)}.")
]
Cooldown = Annotated[
    float,
    typer.Option(
        parser=number("cooldown", (0, 1)),
        metavar="N",
        help="Share of the minutes, at the end, in which the learning rates fall; 0 if more sittings follow.",
    ),
]
RUN = Path("cache/run")
LATENTS = ("free", "near", "stay")
PARTS = ("autoencoder", "text", "transformer", "turbo", "upsampler", "interpolator")


@train.command("autoencoder")
def autoencoder(
    minutes: Minutes = 60.0,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
    device: DeviceName = "auto",
    cooldown: Cooldown = 0.3,
    clips: Annotated[
        int, typer.Option(parser=whole("clips", (1, 4096)), metavar="N", help="Short clips in every step.")
    ] = 8,
    latents: Annotated[
        str,
        typer.Option(
            parser=one_of("latents", LATENTS),
            metavar="NAME",
            help="What may become of the latents that a transformer has learned: free, near (all but those of first "
            "frames learn on, held to what they were), stay (decoding alone learns).",
        ),
    ] = "free",
) -> None:
    """Train the autoencoder: clips to latents and back. Comes first; it is the ceiling of everything after it."""
    from himmel.training.loop import Recipe
    from himmel.training.sittings import autoencoder_sitting
    from himmel.training.train_autoencoder import MUON_RATE, SETTLED_RATE

    project = _project(preset, run, device)
    rate = MUON_RATE if latents == "free" else SETTLED_RATE
    recipe = Recipe(run / "autoencoder", minutes, muon_rate=rate, cooldown=cooldown)
    autoencoder_sitting(project, recipe, clips, cast("Latents", latents))


@train.command("text")
def text(
    minutes: Minutes = 6.0,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
    device: DeviceName = "auto",
    cooldown: Cooldown = 0.4,
    captions: Annotated[
        int, typer.Option(parser=whole("captions", (1, 65536)), metavar="N", help="Captions in every step.")
    ] = 256,
) -> None:
    """Train the text encoder on captions alone: a few minutes, before the transformer, which builds on it."""
    from himmel.training.loop import Recipe
    from himmel.training.sittings import text_sitting
    from himmel.training.train_text import ADAM_RATE, MUON_RATE

    recipe = Recipe(run / "text", minutes, muon_rate=MUON_RATE, adam_rate=ADAM_RATE, cooldown=cooldown)
    text_sitting(_project(preset, run, device), recipe, captions)


@train.command("transformer")
def transformer(
    minutes: Minutes = 60.0,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
    device: DeviceName = "auto",
    cooldown: Cooldown = 0.3,
    diet: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FRAMESxCLIPS",
            help="Length and number of the clips in a step, for example 1x128 or 49x16; several take turns.",
        ),
    ] = None,
) -> None:
    """Train the transformer on the latents of the run's autoencoder and the prompts of its text encoder."""
    from himmel.training.loop import Recipe
    from himmel.training.sittings import transformer_sitting
    from himmel.training.train_transformer import AVERAGE, Diet

    sizes = [_diet(text) for text in diet or ()]
    project = _project(preset, run, device)
    diets = tuple(Diet.of(frames, clips) for frames, clips in sizes) or (Diet.of(project.preset.frames, 16),)
    transformer_sitting(project, Recipe(run / "transformer", minutes, cooldown=cooldown, average=AVERAGE), diets)


@train.command("turbo")
def turbo(
    minutes: Minutes = 45.0,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
    device: DeviceName = "auto",
    cooldown: Cooldown = 0.5,
    clips: Annotated[
        int, typer.Option(parser=whole("clips", (1, 4096)), metavar="N", help="Clips in every step.")
    ] = 16,
) -> None:
    """Distil Turbo, which needs 1 to 8 steps, from the run's transformer."""
    from himmel.training.distil import ADAM_RATE, MUON_RATE, Diet
    from himmel.training.loop import Recipe
    from himmel.training.sittings import turbo_sitting

    recipe = Recipe(run / "turbo", minutes, muon_rate=MUON_RATE, adam_rate=ADAM_RATE, cooldown=cooldown)
    turbo_sitting(_project(preset, run, device), recipe, Diet(clips, 24 * clips))


@train.command("upsampler")
def upsampler(
    minutes: Minutes = 25.0,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
    device: DeviceName = "auto",
    cooldown: Cooldown = 0.35,
    clips: Annotated[int, typer.Option(parser=whole("clips", (1, 4096)), metavar="N", help="Clips in every step.")] = 8,
) -> None:
    """Train the upsampler, which makes the model's pictures four times as large, on the run's autoencoder."""
    from himmel.training.loop import Recipe
    from himmel.training.sittings import upsampler_sitting
    from himmel.training.train_upsampler import MUON_RATE

    recipe = Recipe(run / "upsampler", minutes, muon_rate=MUON_RATE, cooldown=cooldown)
    upsampler_sitting(_project(preset, run, device), recipe, clips)


@train.command("interpolator")
def interpolator(
    minutes: Minutes = 15.0,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
    device: DeviceName = "auto",
    cooldown: Cooldown = 0.4,
    clips: Annotated[
        int, typer.Option(parser=whole("clips", (1, 4096)), metavar="N", help="Pairs of frames in every step.")
    ] = 24,
) -> None:
    """Train the interpolator, which makes the frames between two others, for higher frame rates."""
    from himmel.training.loop import Recipe
    from himmel.training.sittings import interpolator_sitting
    from himmel.training.train_interpolator import MUON_RATE

    recipe = Recipe(run / "interpolator", minutes, muon_rate=MUON_RATE, cooldown=cooldown)
    interpolator_sitting(_project(preset, run, device), recipe, clips)


@train.command("oracle")
def oracle(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: where 'himmel evaluate' looks.")
    ] = None,
    vocabulary: Annotated[str, typer.Option(metavar="NAME", help="What the oracle shall be able to read.")] = "laptop",
) -> None:
    """Train the oracle, the instrument that 'himmel evaluate' reads clips with; takes about an hour on two cores."""
    from himmel.cli.progress import progress_bar
    from himmel.media.output_file import check_writable
    from himmel.training.oracle import SHIPPED, OracleConfig, save_oracle
    from himmel.training.train_oracle import OracleRecipe, train_oracle
    from himmel.world.archives import cache_folder
    from himmel.world.sprites import atlas_for
    from himmel.world.vocabulary import VOCABULARIES

    known = VOCABULARIES[one_of("vocabulary", tuple(VOCABULARIES))(vocabulary)]
    target = output or SHIPPED
    target.parent.mkdir(parents=True, exist_ok=True)
    check_writable(target)
    atlas = atlas_for(known, cache_folder())
    recipe = OracleRecipe()
    with progress_bar() as bar:

        def report(done: int, total: int, losses: dict[str, float]) -> None:
            bar.show(Progress(done, total, f"loss {sum(losses.values()):.2f}"))

        trained = train_oracle(OracleConfig(known), atlas, recipe, report)
    save_oracle(target, trained, asdict(recipe))
    typer.echo(target)


@train.command("begin")
def begin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of 'himmel models'.")],
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
) -> None:
    """Begin a run with a model's weights instead of at random, for example to go on with the shipped one."""
    from himmel.backends.native import folder_of
    from himmel.training.sittings import begin_from

    begin_from(_project(preset, run, "cpu"), folder_of(name))
    typer.echo(run)


@train.command("pack")
def pack(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pieces go.")],
    part: Annotated[
        list[str] | None,
        typer.Option(
            parser=one_of("part", (*PARTS, "art")),
            metavar="NAME",
            help=f"What to pack: {', '.join(PARTS)}, art; may be given several times.",
        ),
    ] = None,
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
) -> None:
    """Pack a run's parts, or the art, into pieces below 16 MiB, to go on from on another machine."""
    from himmel.training.luggage import ART, pack_art, pack_run
    from himmel.training.sittings import art_of

    parts = part or list(PARTS)
    pieces = pack_art(art_of(_project(preset, run, "cpu")), target) if ART in parts else []
    if of_run := [name for name in parts if name != ART]:
        pieces += pack_run(run, target, of_run, PARTS)
    for piece in pieces:
        typer.echo(piece)


@train.command("unpack")
def unpack(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pieces are.")],
    run: RunFolder = RUN,
) -> None:
    """Take over what 'himmel train pack' has packed, but for parts that are further here."""
    from himmel.training.luggage import unpack as found
    from himmel.training.luggage import unpack_art, unpack_run
    from himmel.world.archives import cache_folder

    carried = found(source)
    for name in [*unpack_run(carried, run), *unpack_art(carried, cache_folder())]:
        typer.echo(name)


@train.command("export")
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name: letters, figures, - and _.")],
    preset: PresetName = "laptop",
    run: RunFolder = RUN,
) -> None:
    """Make a run's weights a model that 'himmel generate --model NAME' finds."""
    from himmel.training.sittings import export

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise BadRequest(f"'{name}' is no name for a model; allowed: small letters, figures, - and _")
    target = Path(str(files("himmel"))) / "weights" / name
    export(_project(preset, run, "cpu"), target)
    typer.echo(target)


def _project(preset: str, run: Path, device: str) -> Project:
    from himmel.backends.device import choose_device
    from himmel.training.sittings import Project
    from himmel.world.archives import cache_folder

    return Project.named(preset, run, cache_folder(), choose_device(device))


def _diet(text: str) -> tuple[int, int]:
    """Frames and clips of "49x16"."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,5})", text)
    if not found or int(found[1]) % 4 != 1 or not int(found[2]):
        raise BadRequest(f"diet '{text}' is not understood; allowed: FRAMESxCLIPS, frames 1, 5, 9, 13 and so on: 49x16")
    return int(found[1]), int(found[2])
