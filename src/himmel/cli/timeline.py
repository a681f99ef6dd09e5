"""``himmel extend``, ``loop``, ``blend`` and ``recut``: clips that are kept, and seconds that are made beside them.

Owns: these commands' options, and the timeline that each comes to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.clips import (
    given_clip,
    like,
    on_a_frame,
    one_sentence,
    own_prompt,
    prompt_for,
    tell,
    tell_if_retimed,
    whole,
)
from himmel.cli.making import make, request_of
from himmel.cli.options import GivenClip, Prompt, Settings, with_settings
from himmel.cli.values import number
from himmel.errors import BadRequest
from himmel.spec import RANGES, Clip, Gap, Part, VideoRequest

BRIDGE = 1.0  # seconds
TO_BE_MADE = number("seconds")

More = Annotated[float, typer.Option(parser=TO_BE_MADE, metavar="N", help="How many seconds are made.")]


@with_settings
def extend(
    settings: Settings,
    clip: GivenClip,
    prompt: Prompt = None,
    seconds: More = VideoRequest.seconds,
    before: Annotated[bool, typer.Option("--before", help="Make what comes before the clip, not after it.")] = False,
) -> None:
    """Go on where a clip ends, or begin before it; the clip itself stays as it is."""
    material = given_clip(clip)
    told = prompt_for(clip, prompt, f'extend {clip} "a cat on the beach"')
    kept, made = whole(material), Gap(seconds)
    _make(like(settings, material), told, [made, kept] if before else [kept, made], f"{clip.stem} extended")


@with_settings
def loop(
    settings: Settings,
    clip: GivenClip,
    prompt: Prompt = None,
    seconds: Annotated[
        float, typer.Option(parser=TO_BE_MADE, metavar="N", help="Seconds that lead back to the beginning.")
    ] = BRIDGE,
) -> None:
    """Make seconds that lead from a clip's end to its beginning, so that it can be played round and round."""
    material = given_clip(clip)
    told = prompt_for(clip, prompt, f'loop {clip} "a cat on the beach"')
    _make(like(settings, material), told, [whole(material), Gap(seconds)], f"{clip.stem} loop", loop=True)


@with_settings
def blend(
    settings: Settings,
    first: Annotated[Path, typer.Argument(metavar="A", help="The clip to come from.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The clip to go to.")],
    prompt: Prompt = None,
    overlap: Annotated[
        float,
        typer.Option(
            parser=TO_BE_MADE, metavar="S", help="Seconds of A's end and of B's beginning that are made anew."
        ),
    ] = BRIDGE,
) -> None:
    """Let one clip go over into another: where they overlap, new frames lead from the one to the other."""
    one, other = given_clip(first), given_clip(second)
    for material in (one, other):
        if material.seconds - overlap < RANGES["seconds"][0]:
            raise BadRequest(
                f"'{material.path}' lasts {material.seconds:g} s; for an overlap of {overlap:g} s it must be longer"
            )
    asked_fps, settings = settings.fps, like(settings, one)
    if (other.width, other.height) != (one.width, one.height):
        tell(f"'{second}' is {other.width}x{other.height}; it is scaled and cropped to {settings.size}")
    if asked_fps is None and settings.fps:
        tell_if_retimed(other, settings.fps)
    said = one_sentence(prompt, f'blend {first} {second} "a cat on the beach"')
    told = [said] if said else list(dict.fromkeys(filter(None, map(own_prompt, (first, second)))))
    if not told:
        prompt_for(first, None, f'blend {first} {second} "a cat on the beach"')
    if overlap / len(told) < RANGES["seconds"][0]:
        told = told[:1]
    gaps = [Gap(overlap / len(told), each) for each in told]
    ends, begins = on_a_frame(one, one.seconds - overlap), on_a_frame(other, overlap)
    parts: list[Part] = [Clip(str(first), 0.0, ends), *gaps, Clip(str(second), begins, other.seconds)]
    _make(settings, told[0], parts, f"{first.stem} to {second.stem}")


@with_settings
def recut(
    settings: Settings,
    clip: GivenClip,
    prompt: Prompt = None,
    start: Annotated[
        float,
        typer.Option("--in", parser=number("in", (0, 3600)), metavar="T", help="Second at which the kept part begins."),
    ] = 0.0,
    stop: Annotated[
        float | None,
        typer.Option(
            "--out", parser=number("out", (0, 3600)), metavar="T", help="Second at which it ends. Default: the end."
        ),
    ] = None,
    extend_before: Annotated[
        float | None, typer.Option(parser=TO_BE_MADE, metavar="N", help="Seconds that are made before it.")
    ] = None,
    extend_after: Annotated[
        float | None, typer.Option(parser=TO_BE_MADE, metavar="N", help="Seconds that are made after it.")
    ] = None,
) -> None:
    """Keep a part of a clip as it is, and make new seconds before or after it."""
    material = given_clip(clip)
    settings = like(settings, material)
    stop = material.seconds if stop is None else stop
    if not start < stop <= material.seconds + 0.5 / material.fps:
        raise BadRequest(
            f"'{clip}' has nothing from --in {start:g} to --out {stop:g} s; "
            f"allowed: 0 to {material.seconds:g} s, in this order"
        )
    start, stop = on_a_frame(material, start), on_a_frame(material, stop)
    if stop - start < 0.5 / material.fps:
        raise BadRequest(f"from --in to --out there is no whole frame; allowed: at least {1 / material.fps:.3f} s")
    if extend_before or extend_after:
        told = prompt_for(clip, prompt, f'recut {clip} "a cat on the beach"')
    else:
        told = one_sentence(prompt, f"recut {clip}") or own_prompt(clip) or clip.stem  # nothing is made of it
    parts: list[Part] = [Clip(str(clip), start, stop)]
    if extend_before:
        parts.insert(0, Gap(extend_before))
    if extend_after:
        parts.append(Gap(extend_after))
    _make(settings, told, parts, f"{clip.stem} recut")


def _make(settings: Settings, prompt: str, parts: list[Part], name: str, *, loop: bool = False) -> None:
    seconds = sum(part.seconds for part in parts)
    make([request_of(settings, prompt=prompt, seconds=seconds, timeline=tuple(parts), loop=loop)], settings, name)
