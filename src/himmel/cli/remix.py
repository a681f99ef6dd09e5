"""``himmel remix`` and ``himmel edit``: a clip made anew from a clip, all of it or a part of its picture.

Owns: these commands' options.
"""

from __future__ import annotations

from typing import Annotated

import typer

from himmel.cli.clips import given_clip, like, one_sentence
from himmel.cli.making import make, request_of
from himmel.cli.options import GivenClip, Settings, Strength, with_settings
from himmel.cli.values import STRENGTHS
from himmel.errors import BadRequest
from himmel.spec import Remix

NewPrompt = Annotated[
    list[str], typer.Argument(metavar="PROMPT", help="What the clip shall show now, all of it, in quotes.")
]
Mask = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|BOX",
        help="What may change: a picture (white changes), or left,top,width,height, also in percent. "
        "Default: everything.",
    ),
]


@with_settings
def remix(settings: Settings, clip: GivenClip, prompt: NewPrompt, strength: Strength = None) -> None:
    """Make a clip anew with other words: its course stays, and of its looks what the strength leaves."""
    _make(settings, clip, prompt, "remix", strength or STRENGTHS["mild"], None)


@with_settings
def edit(settings: Settings, clip: GivenClip, prompt: NewPrompt, mask: Mask = None, strength: Strength = None) -> None:
    """Change a part of a clip's picture; everything outside of a mask stays exactly as it is."""
    _make(settings, clip, prompt, "edit", strength or STRENGTHS["strong"], mask)


def _make(
    settings: Settings, clip: GivenClip, prompt: list[str], command: str, strength: float, mask: str | None
) -> None:
    from himmel.media.mask import read_mask

    material = given_clip(clip)
    told = one_sentence(prompt, f'{command} {clip} "a cat on the beach"') or ""
    if not told.strip():
        raise BadRequest(f'say what the clip shall show: himmel {command} {clip} "a cat on the beach"')
    settings = like(settings, material)
    if mask is not None and settings.size:
        read_mask(mask, width=material.width, height=material.height, size=settings.size)  # refused before the work
    source = Remix(str(clip), strength, mask)
    request = request_of(settings, prompt=told, seconds=material.seconds, remix=source)
    make([request], settings, f"{clip.stem} {command}")
