"""The options that all commands share which make clips, and how a command gets them as one value.

Owns: names, meanings and readers of these options. What they do is ``making``'s.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from himmel.cli.values import DEVICES, STRENGTHS, number, one_of, range_of, strength, whole
from himmel.spec import Size, VideoRequest

GivenClip = Annotated[Path, typer.Argument(metavar="CLIP", help="A clip, of any kind that FFmpeg reads.")]
Prompt = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PROMPT", help="What is shown, in quotes. Default: the clip's own prompt, where its recipe has one."
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        parser=number("seconds"),
        metavar="N",
        help=f"Length: {range_of('seconds')}. Default: {VideoRequest.seconds:g}.",
    ),
]
Strength = Annotated[
    float | None,
    typer.Option(
        parser=strength,
        metavar="S",
        help="How much may change: "
        + ", ".join(f"{name} ({value:g})" for name, value in STRENGTHS.items())
        + ", or 0.01 to 1.",
    ),
]


@dataclass(frozen=True)
class Settings:
    """What can be said of any clip that is made. None means what the recipe, the given clip or the model says."""

    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File (.mp4), folder, or - for standard output. Default: a new name."),
    ] = None
    size: Annotated[
        Size | None,
        typer.Option(parser=Size.parse, metavar="WxH", help="Picture size. Default: the clip's or model's."),
    ] = None
    fps: Annotated[
        int | None,
        typer.Option(
            parser=whole("fps"),
            metavar="N",
            help=f"Frames a second: {range_of('fps')}. Default: the clip's or model's.",
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(
            parser=whole("seed"),
            metavar="N",
            help=f"{range_of('seed')}. Default: the storyboard's (0) or recipe's; else drawn, and printed.",
        ),
    ] = None
    steps: Annotated[
        int | None, typer.Option(parser=whole("steps"), metavar="N", help=f"Sampling steps: {range_of('steps')}.")
    ] = None
    guidance: Annotated[
        float | None,
        typer.Option(
            parser=number("guidance"), metavar="N", help=f"How strictly to follow the prompt: {range_of('guidance')}."
        ),
    ] = None
    negative: Annotated[str | None, typer.Option(metavar="TEXT", help="What the clip shall not show.")] = None
    full: Annotated[
        bool | None,
        typer.Option("--full/--turbo", help="The full model, or its few-step student, the default."),
    ] = None
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A look that is put into the prompts; see 'himmel presets'.")
    ] = None
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"See 'himmel models'. Default: {VideoRequest.model}.")
    ] = None
    device: Annotated[
        str | None,
        typer.Option(parser=one_of("device", DEVICES), metavar="NAME", help=f"{', '.join(DEVICES)}. Default: auto."),
    ] = None
    variations: Annotated[
        int,
        typer.Option(parser=whole("variations", (1, 1000)), metavar="N", help="So many clips, with seeds counting up."),
    ] = 1
    stream: Annotated[
        bool, typer.Option("--stream", help="Write a fragmented MP4 that plays while it is being made.")
    ] = False
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Write every pixel as it is (H.264 in RGB; not every browser plays it).")
    ] = False


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose last argument, ``settings``, is given as the options of :class:`Settings`.

    Typer reads a function's signature, so the wrapped one shows them one by one.
    """
    signature, hints = inspect.signature(command), get_type_hints(command, include_extras=True)
    shared = get_type_hints(Settings, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        if name != "settings"
    ]
    options = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=shared[each.name])
        for each in fields(Settings)
    ]

    def run(**values: Any) -> None:
        settings = Settings(**{each.name: values.pop(each.name) for each in fields(Settings)})
        command(**values, settings=settings)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *options]}
    return run
