"""The cut-outs: pictures of nouns in drawing styles, as one tensor.

Owns: fitting a picture into its square, turning it to the right, the atlas and its file, and bringing together
all the art that a vocabulary needs.
Knows nothing of scenes, motion and captions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from himmel.errors import BadRequest, MissingAsset
from himmel.world import walks
from himmel.world.archives import ARCHIVES, fetch
from himmel.world.artwork import find, find_walks, rasterise
from himmel.world.nouns import DRAWING_STYLES, NOUNS
from himmel.world.panoramas import PANORAMAS, build_panoramas, panoramas_file
from himmel.world.restyle import RESTYLED
from himmel.world.vocabulary import Vocabulary

__all__ = ["Atlas", "atlas_for", "build_atlas", "fetch"]

ATLAS_VERSION = 3  # counts up when the same art gives other pixels
MARGIN = 1 / 32  # of the square, on each side
FAINT = 8  # alpha up to this does not count as picture


@dataclass(frozen=True)
class Atlas:
    """Pictures by (noun, style), all of one square size, all facing right where they have a side.

    The frames of a walk cycle are pictures too, under the names that ``walks.frame_names`` gives them.

    ``pixels`` is uint8 (N, 4, S, S), straight RGBA, each picture centred across and standing on the lower margin.
    ``panoramas`` are the photographed backdrops by setting, uint8 (3, H, W), as ``panoramas.build_panoramas``
    makes them; they have a file of their own.
    """

    keys: tuple[tuple[str, str], ...]
    pixels: torch.Tensor
    panoramas: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def index(self, noun: str, style: str) -> int:
        """The row of one picture. Raises MissingAsset where the atlas does not hold it."""
        try:
            return self._rows[noun, style]
        except KeyError:
            raise MissingAsset(f"the picture of '{noun}' in style '{style}'") from None

    def cycle(self, noun: str, style: str) -> list[int]:
        """The rows of a noun that walks: standing, then frame by frame; empty where it has no walk cycle."""
        if (walks.frame_names(noun)[0], style) not in self._rows:
            return []
        return [self.index(name, style) for name in (noun, *walks.frame_names(noun))]

    @cached_property
    def _rows(self) -> dict[tuple[str, str], int]:
        return {key: row for row, key in enumerate(self.keys)}

    def save(self, path: Path) -> None:
        """Write as safetensors, the keys as JSON in the header; appears whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        save_file({"pixels": self.pixels.contiguous()}, part, metadata={"keys": json.dumps(self.keys)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Atlas:
        """Read what :meth:`save` wrote. Raises MissingAsset where it is absent or damaged."""
        try:
            with safe_open(path, framework="pt") as file:
                keys = json.loads(file.metadata()["keys"])
                return cls(tuple((noun, style) for noun, style in keys), file.get_tensor("pixels"))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise MissingAsset(f"the atlas '{path}'") from error


def atlas_for(vocabulary: Vocabulary, cache: Path) -> Atlas:
    """All the art that scenes of a vocabulary need. Raises MissingAsset where it was not fetched."""
    atlas = build_atlas(tuple(dict.fromkeys(vocabulary.nouns)), vocabulary.styles, cache)
    photographed = [setting for setting in vocabulary.settings if setting in PANORAMAS]
    return replace(atlas, panoramas=build_panoramas(photographed, cache)) if photographed else atlas


def build_atlas(nouns: Sequence[str], styles: Sequence[str], cache: Path, size: int = 128) -> Atlas:
    """The pictures of all these nouns in all these styles, noun by noun; built once, then read from the cache.

    Raises BadRequest for an unknown noun or style, MissingAsset where the art was not fetched.
    """
    unknown = [noun for noun in nouns if noun not in NOUNS]
    if unknown:
        raise BadRequest(f"unknown nouns: {', '.join(unknown)}; known: {', '.join(NOUNS)}")
    path = atlas_file(nouns, styles, cache, size)
    if path.exists():
        return Atlas.load(path)
    pictures = {style: _pictures(style, nouns, cache, size) for style in styles}
    keys = tuple((noun, style) for noun in nouns for style in styles)
    keys += tuple((name, style) for style in styles for name in pictures[style] if name not in NOUNS)
    pixels = torch.stack([_tensor(pictures[style][name]) for name, style in keys])
    atlas = Atlas(keys, pixels)
    atlas.save(path)
    return atlas


def atlas_file(nouns: Sequence[str], styles: Sequence[str], cache: Path, size: int = 128) -> Path:
    """Where ``build_atlas`` keeps the pictures of these nouns in these styles."""
    return cache / f"atlas-{_digest(nouns, styles, size)}.safetensors"


def art_files(vocabulary: Vocabulary, cache: Path) -> list[Path]:
    """The files of the cache that hold all the art of a vocabulary, made where they are not there yet.

    Raises MissingAsset where the art was not fetched.
    """
    atlas_for(vocabulary, cache)
    photographed = [setting for setting in vocabulary.settings if setting in PANORAMAS]
    files = [atlas_file(tuple(dict.fromkeys(vocabulary.nouns)), vocabulary.styles, cache)]
    return [*files, panoramas_file(photographed, cache)] if photographed else files


def fitted(picture: Image.Image, size: int) -> Image.Image:
    """The picture cut to what is visible, scaled to a square with a margin; it stands on the lower one, centred across.

    Feet, keels and wheels lie at the same height in every picture, so that everything stands on the ground.
    """
    return fitted_alike([picture], size)[0]


def fitted_alike(pictures: Sequence[Image.Image], size: int) -> list[Image.Image]:
    """Pictures of one size, such as frames, all cut and scaled by what is visible in any of them: nothing jumps."""
    clear = [picture.convert("RGBA") for picture in pictures]
    boxes = [picture.getchannel("A").point(lambda alpha: 255 * (alpha > FAINT)).getbbox() for picture in clear]
    seen = [box for box in boxes if box]
    if not seen:
        raise MissingAsset("a picture that is not empty")
    lefts, tops, rights, bottoms = zip(*seen, strict=True)
    inner = round(size * (1 - 2 * MARGIN))
    squares = []
    for picture in clear:
        cut = picture.crop((min(lefts), min(tops), max(rights), max(bottoms)))
        shape = ImageOps.contain(cut, (inner, inner), Image.Resampling.LANCZOS)
        square = Image.new("RGBA", (size, size))
        square.paste(shape, ((size - shape.width) // 2, (size + inner) // 2 - shape.height))
        squares.append(square)
    return squares


def facing_right(picture: Image.Image, facing: str) -> Image.Image:
    """The picture, mirrored where it looks to the left."""
    return ImageOps.mirror(picture) if facing == "left" else picture


def _pictures(style: str, nouns: Sequence[str], cache: Path, size: int) -> dict[str, Image.Image]:
    """One style of all nouns, by noun, and frames by their names.

    Restyled pictures are worked on at twice the size, then brought down.
    """
    base, operation = RESTYLED.get(style, (style, None))
    if base not in DRAWING_STYLES:
        raise BadRequest(f"unknown style '{style}'; known: {', '.join(dict.fromkeys((*DRAWING_STYLES, *RESTYLED)))}")
    pictures = {}
    for key, artwork in find(base, [NOUNS[noun] for noun in nouns], cache).items():
        published = fitted(rasterise(artwork, 2 * size), 2 * size if operation else size)
        sided = facing_right(published, NOUNS[key].facing[base])
        pictures[key] = fitted(operation(sided), size) if operation else sided
    for key, frames in find_walks(style, [NOUNS[noun] for noun in nouns], cache).items():
        alike = fitted_alike([rasterise(frame, size) for frame in frames], size)
        names = (key, *walks.frame_names(key))
        pictures |= {name: facing_right(p, NOUNS[key].facing[style]) for name, p in zip(names, alike, strict=True)}
    return pictures


def _tensor(picture: Image.Image) -> torch.Tensor:
    flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return flat.view(picture.height, picture.width, 4).permute(2, 0, 1).contiguous()


def _digest(nouns: Sequence[str], styles: Sequence[str], size: int) -> str:
    """Names everything that settles the pixels, so that a changed pin, code point or facing builds anew."""
    walking = any(walks.walks(noun, style) for noun in nouns for style in styles)
    sources = [archive.sha256 for key, archive in ARCHIVES.items() if key != walks.ARCHIVE or walking]
    told = [
        ATLAS_VERSION,
        size,
        list(styles),
        sources,
        [(key, NOUNS[key].hex, sorted(NOUNS[key].facing.items())) for key in nouns],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
