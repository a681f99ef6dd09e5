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
from himmel.world.archives import ARCHIVES, fetch
from himmel.world.artwork import find, rasterise
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
    pixels = torch.stack([_tensor(pictures[style][noun]) for noun, style in keys])
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
    picture = picture.convert("RGBA")
    box = picture.getchannel("A").point(lambda alpha: 255 * (alpha > FAINT)).getbbox()
    if box is None:
        raise MissingAsset("a picture that is not empty")
    inner = round(size * (1 - 2 * MARGIN))
    shape = ImageOps.contain(picture.crop(box), (inner, inner), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (size, size))
    square.paste(shape, ((size - shape.width) // 2, (size + inner) // 2 - shape.height))
    return square


def facing_right(picture: Image.Image, facing: str) -> Image.Image:
    """The picture, mirrored where it looks to the left."""
    return ImageOps.mirror(picture) if facing == "left" else picture


def _pictures(style: str, nouns: Sequence[str], cache: Path, size: int) -> dict[str, Image.Image]:
    """One style of all nouns, by noun. Restyled pictures are worked on at twice the size, then brought down."""
    base, operation = RESTYLED.get(style, (style, None))
    if base not in DRAWING_STYLES:
        raise BadRequest(f"unknown style '{style}'; known: {', '.join(dict.fromkeys((*DRAWING_STYLES, *RESTYLED)))}")
    pictures = {}
    for key, artwork in find(base, [NOUNS[noun] for noun in nouns], cache).items():
        published = fitted(rasterise(artwork, 2 * size), 2 * size if operation else size)
        sided = facing_right(published, NOUNS[key].facing[base])
        pictures[key] = fitted(operation(sided), size) if operation else sided
    return pictures


def _tensor(picture: Image.Image) -> torch.Tensor:
    flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return flat.view(picture.height, picture.width, 4).permute(2, 0, 1).contiguous()


def _digest(nouns: Sequence[str], styles: Sequence[str], size: int) -> str:
    """Names everything that settles the pixels, so that a changed pin, code point or facing builds anew."""
    told = [
        ATLAS_VERSION,
        size,
        list(styles),
        [archive.sha256 for archive in ARCHIVES.values()],
        [(key, NOUNS[key].hex, sorted(NOUNS[key].facing.items())) for key in nouns],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
