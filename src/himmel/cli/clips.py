"""Clips that are given on the command line: what they are, and what is taken from them where nothing is said.

Owns: refusing what is no clip, and its size, frame rate and prompt as defaults. Makes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from himmel.cli.options import Settings
from himmel.errors import BadRequest, HimmelError
from himmel.spec import RANGES, Clip, Size, whole_fps

if TYPE_CHECKING:
    from himmel.media.material import Material

DRIFT = 0.45  # frames, over a whole clip, below which another rate shows the same frames


def given_clip(path: Path) -> Material:
    """A clip, looked at. Raises BadRequest for a picture and for what is too short or long, UnreadableMedia."""
    from himmel.media.material import look

    material = look(path)
    low, high = RANGES["seconds"]
    if not material.seconds:
        raise BadRequest(f"'{path}' is a picture; allowed: a clip, or a picture with 'himmel generate --image'")
    if not low <= material.seconds <= high:
        raise BadRequest(f"'{path}' lasts {material.seconds:g} s; allowed: clips of {low:g} to {high:g} s")
    return material


def whole(material: Material) -> Clip:
    """All of a clip, as a part of a timeline."""
    return Clip(str(material.path), 0.0, material.seconds)


def on_a_frame(material: Material, second: float) -> float:
    """The moment of a clip's frame that is nearest to this one: between two frames, either might be shown."""
    return min(round(second * material.fps) / material.fps, material.seconds)


def like(settings: Settings, material: Material) -> Settings:
    """The settings with the clip's own size and frame rate where none are given; what cannot be kept is told."""
    size, fps = settings.size, settings.fps
    if size is None:
        size = _size_of(material)
        if (size.width, size.height) != (material.width, material.height):
            tell(f"'{material.path}' is {material.width}x{material.height}; sides must be even, so it becomes {size}")
    if fps is None:
        fps = whole_fps(material.fps)
        tell_if_retimed(material, fps)
    return replace(settings, size=size, fps=fps)


def tell_if_retimed(material: Material, fps: int) -> None:
    """Say where a clip's frames cannot all be kept at another rate."""
    if abs(fps - material.fps) * material.seconds > DRIFT:
        tell(f"'{material.path}' has {material.fps:.3f} frames a second; the new clip has {fps}, re-timed")


def _size_of(material: Material) -> Size:
    """A clip's own size, with even sides. Raises BadRequest where a new clip cannot have it."""
    try:
        return Size(material.width // 2 * 2, material.height // 2 * 2)
    except BadRequest:
        raise BadRequest(
            f"'{material.path}' is {material.width}x{material.height}, which a new clip cannot be; "
            "give it --size WIDTHxHEIGHT, even numbers from 16 to 4096"
        ) from None


def prompt_for(path: Path, prompt: list[str] | None, example: str) -> str:
    """What is said, else the prompt in the clip's recipe. ``example`` is shown where there is neither."""
    if said := one_sentence(prompt, example):
        return said
    if own := own_prompt(path):
        return own
    raise BadRequest(f"'{path}' carries no recipe to take a prompt from; say what it shows: himmel {example}")


def own_prompt(path: Path) -> str | None:
    """The prompt that a clip was made of, where it has a recipe."""
    from himmel.media.recipe import read_recipe

    try:
        return read_recipe(path).prompt
    except HimmelError:
        return None


def one_sentence(prompt: list[str] | None, example: str) -> str | None:
    """The prompt, where one is given. Raises BadRequest for several words outside of quotes."""
    if prompt and len(prompt) > 1:
        command = example.split('"', 1)[0].strip()
        raise BadRequest(f'put the prompt in quotes: himmel {command} "{" ".join(prompt)}"')
    return prompt[0] if prompt else None


def tell(text: str) -> None:
    """A line for the user that is no result."""
    typer.echo(text, err=True)
