"""Following a clip's recipe: its requests again, with what is changed, and its files where they are now.

Owns: what becomes of a recipe's settings when others are wished for, and finding given files again. Makes nothing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from himmel.cli.clips import tell
from himmel.cli.making import Origin
from himmel.errors import BadRequest
from himmel.spec import VideoRequest

if TYPE_CHECKING:
    from himmel.media.recipe import Recipe

OF_A_SHOT = ("prompt", "seconds", "loop")  # what a clip of several shots has no single one of


def followed(file: Path, *, first_frame_given: bool) -> Origin:
    """The recipe of a clip. Raises BadRequest where a file that it needs is gone, and tells of changed ones.

    Files are looked for where the recipe says, then beside the clip. A first frame that is given anew is not missed.
    """
    from himmel.media.recipe import file_hash, read_recipe

    recipe = read_recipe(file)
    moved = {}
    for path, checksum in recipe.files.items():
        if first_frame_given and path == recipe.first_frame:
            continue
        found = next((place for place in (Path(path), file.parent / Path(path).name) if os.path.isfile(place)), None)
        if found is None:
            hint = "give it with --image" if path == recipe.first_frame else "put it there, or beside the clip"
            raise BadRequest(f"there is no '{path}', which '{file}' is made of; {hint}")
        if file_hash(found) != checksum:
            tell(f"'{found}' is not the file that '{file}' was made of: the clip will differ")
        moved[path] = str(found)
    return Origin(file, _moved(recipe, moved))


def _moved(recipe: Recipe, places: dict[str, str]) -> Recipe:
    """The recipe with its files where they are."""

    def here(values: dict[str, Any]) -> dict[str, Any]:
        return {name: places.get(value, value) if name in ("path", "mask") else value for name, value in values.items()}

    return replace(
        recipe,
        first_frame=places.get(recipe.first_frame or "", recipe.first_frame),
        timeline=[here(part) for part in recipe.timeline],
        remix=here(recipe.remix) if recipe.remix else None,
        characters=[here(character) for character in recipe.characters],
        shots=[{**shot, "timeline": [here(part) for part in shot.get("timeline", ())]} for shot in recipe.shots],
    )


def changed(origin: Origin, wishes: dict[str, Any]) -> list[VideoRequest]:
    """The recipe's requests with what is wished for instead. Raises BadRequest where that cannot be."""
    requests = origin.recipe.requests()
    if len(requests) > 1:
        if single := [name for name in wishes if name in OF_A_SHOT]:
            raise BadRequest(f"'{origin.file}' is of several shots, which have each their own {single[0]}")
        seeds = {"seed": wishes.pop("seed")} if "seed" in wishes else {}
        requests = tuple(replace(request, **seeds) for request in requests)
    return [replace(request, **_model_settings(request, wishes), **wishes) for request in requests]


def _model_settings(request: VideoRequest, wishes: dict[str, Any]) -> dict[str, Any]:
    """Turbo, steps and guidance of a recipe belong together: where a wish breaks them up, they are chosen anew."""
    other_kind = (
        wishes.get("turbo", request.turbo) != request.turbo or wishes.get("model", request.model) != request.model
    )
    beyond = request.turbo and {"guidance", "negative_prompt"} & set(wishes)
    if not (other_kind or beyond):
        return {}
    return {name: None for name in ("turbo", "steps", "guidance") if name not in wishes}
