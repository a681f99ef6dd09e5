"""Published pictures: where each drawing style keeps the picture of a noun, and how it becomes pixels.

Owns: locating a picture inside an archive, and rasterising it. Knows nothing of the atlas, of facing and of
the styles that are made from these by image operations (``sprites``, ``restyle``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from himmel.errors import MissingAsset
from himmel.world import walks
from himmel.world.archives import ARCHIVES, read_files
from himmel.world.nouns import Noun


@dataclass(frozen=True)
class Artwork:
    """One picture as published.

    ``path`` is its file in the archive; a picture that shares a file with others has its name behind a
    ``#``. ``data`` is a WebP or PNG file, or, where ``box`` (left, top, width, height) is given, the inside of an
    SVG drawing.
    """

    path: str
    data: bytes
    box: tuple[float, float, float, float] | None = None


def find(style: str, nouns: Iterable[Noun], cache: Path) -> dict[str, Artwork]:
    """The pictures of these nouns in one drawing style, by noun key; those that walk are found by ``find_walks``.

    Raises MissingAsset where the archive was not fetched or holds no such picture.
    """
    still = [noun for noun in nouns if not walks.walks(noun.key, style)]
    found = _find_webp(still, cache) if style == "3d" else _find_svg(style, still, cache) if still else {}
    for key, artwork in found.items():
        if artwork is None:
            raise MissingAsset(f"the picture of '{key}' in style '{style}'")
    return {key: artwork for key, artwork in found.items() if artwork}


def find_walks(style: str, nouns: Iterable[Noun], cache: Path) -> dict[str, list[Artwork]]:
    """The characters among these nouns that have a walk cycle in a style, by key: standing, then frame by frame.

    Raises MissingAsset where the archive was not fetched or lacks a frame.
    """
    wanted = {noun.key: walks.paths(noun.key) for noun in nouns if walks.walks(noun.key, style)}
    if not wanted:
        return {}
    files = read_files(ARCHIVES[walks.ARCHIVE], cache, {path for paths in wanted.values() for path in paths})
    for key, paths in wanted.items():
        if set(paths) - set(files):
            raise MissingAsset(f"the walk cycle of '{key}'")
    return {key: [Artwork(path, files[path]) for path in paths] for key, paths in wanted.items()}


def rasterise(artwork: Artwork, size: int) -> Image.Image:
    """The picture as RGBA; drawings fill a square of this size, pictures made of pixels keep their own."""
    if artwork.box is None:
        return Image.open(io.BytesIO(artwork.data)).convert("RGBA")
    import resvg_py

    left, top, width, height = artwork.box
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#000" '
        f'width="{size}" height="{size}" viewBox="{left} {top} {width} {height}">{artwork.data.decode()}</svg>'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _find_webp(nouns: list[Noun], cache: Path) -> dict[str, Artwork | None]:
    paths = {noun.key: [f"package/assets/{code}.webp" for code in _spellings(noun.hex)] for noun in nouns}
    files = read_files(ARCHIVES["3d"], cache, {path for choices in paths.values() for path in choices})
    found = {key: next((path for path in choices if path in files), None) for key, choices in paths.items()}
    return {key: Artwork(path, files[path]) if path else None for key, path in found.items()}


def _find_svg(style: str, nouns: list[Noun], cache: Path) -> dict[str, Artwork | None]:
    names_path, icons_path = "package/chars.json", "package/icons.json"
    files = read_files(ARCHIVES[style], cache, {names_path, icons_path})
    names, collection = json.loads(files[names_path]), json.loads(files[icons_path])
    found: dict[str, Artwork | None] = {}
    for noun in nouns:
        name = next((names[code] for code in _spellings(noun.hex) if code in names), None)
        found[noun.key] = _icon(collection, name, icons_path) if name else None
    return found


def _icon(collection: dict[str, Any], name: str, path: str) -> Artwork | None:
    """One drawing of a collection; a second name of a drawing is followed to the first."""
    name = collection.get("aliases", {}).get(name, {}).get("parent", name)
    icon = collection["icons"].get(name)
    if icon is None:
        return None
    left, top, width, height = (
        icon.get(side, collection.get(side, usual))
        for side, usual in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    return Artwork(f"{path}#{name}", icon["body"].encode(), (left, top, width, height))


def _spellings(code: str) -> tuple[str, ...]:
    """A code point as the sets spell it: with or without the mark that asks for a picture."""
    code = code.lower()
    return code, f"{code}-fe0f", code.replace("-fe0f", "")
