"""Photographed surroundings: a strip all the way round, through which a camera can truly pan.

Owns: which panorama is behind which setting key, reading the high-range pictures, tone mapping, unrolling,
cutting backdrops out of the strips.
Knows nothing of the painted sets, of scenes and of captions. Needs the extra ``world`` to read OpenEXR.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from himmel.errors import BadRequest, MissingAsset
from himmel.world.archives import ARCHIVES, read_files

PANORAMAS_VERSION = 1  # counts up when the same files give other pixels
TOP, BOTTOM = 0.80, 0.62  # how far the strip reaches above and below the horizon, as tangents of the angle
BRIGHTEST = 1000.0  # the sun is clipped here, so that nothing overflows


@dataclass(frozen=True)
class Panorama:
    """One surrounding: its name in the package, what it is called, and how bright to show it (1 is usual)."""

    file: str
    en: str
    de: str
    ja: str
    exposure: float = 1.0

    @property
    def path(self) -> str:
        """Its file in the archive."""
        return f"package/hdri/{self.file}.exr.js"


PANORAMAS: dict[str, Panorama] = {
    "apartment": Panorama("apartment", "apartment", "Wohnung", "アパート"),
    "dawn_field": Panorama("sunrise", "field at dawn", "Feld im Morgengrauen", "夜明けの野原", 0.8),
    "forest_path": Panorama("forest", "forest path", "Waldweg", "森の小道", 0.8),
    "lobby": Panorama("lobby", "lobby", "Eingangshalle", "ロビー"),
    "park": Panorama("park", "park", "Park", "公園", 0.8),
    "quay": Panorama("venice", "quay", "Kai", "岸壁", 0.8),
    "rocky_desert": Panorama("dawn", "rocky desert", "Felswüste", "岩だらけの砂漠", 0.8),
    "studio": Panorama("studio", "photo studio", "Fotostudio", "撮影スタジオ"),
    "town_square": Panorama("sunset", "old town square", "alter Marktplatz", "古い広場", 0.7),
    "warehouse": Panorama("warehouse", "warehouse", "Lagerhalle", "倉庫"),
    "workshop": Panorama("workshop", "workshop", "Werkhalle", "作業場"),
}


def build_panoramas(keys: Iterable[str], cache: Path, height: int = 256) -> dict[str, torch.Tensor]:
    """Strips by key, uint8 (3, height, W), the left edge going on where the right ends; built once, then cached.

    A strip is a cylinder unrolled, so that upright things stay upright; W is about 4.4 times the height.
    Raises BadRequest for an unknown key, MissingAsset where the archive was not fetched.
    """
    keys = sorted(keys)
    unknown = [key for key in keys if key not in PANORAMAS]
    if unknown:
        raise BadRequest(f"unknown panoramas: {', '.join(unknown)}; known: {', '.join(PANORAMAS)}")
    path = panoramas_file(keys, cache, height)
    if path.exists():
        return _load(path)
    files = read_files(ARCHIVES["panoramas"], cache, {PANORAMAS[key].path for key in keys})
    strips = {key: _strip(PANORAMAS[key], files, height) for key in keys}
    part = path.with_suffix(".part")
    save_file(strips, part)
    part.replace(path)
    return strips


def scaled(strip: torch.Tensor, height: int) -> torch.Tensor:
    """A strip uint8 (3, H, W) at another height, float32 (3, height, W') from 0 to 1, as seamless as before."""
    width = round(strip.shape[2] * height / strip.shape[1])
    thrice = strip.repeat(1, 1, 3)[None] / 255  # the one in the middle has true neighbours on both sides
    small = F.interpolate(thrice, size=(height, 3 * width), mode="bilinear", antialias=True, align_corners=False)
    return small[0, :, :, width : 2 * width].clamp(0, 1)


def draw_windows(strip: torch.Tensor, seeds: Sequence[int], width: int) -> torch.Tensor:
    """The view in a direction that each seed settles: ``width`` columns of a strip (3, H, W), as (B, 3, H, width)."""
    around = strip.shape[2]
    starts = [int(torch.randint(around, (), generator=torch.Generator().manual_seed(seed))) for seed in seeds]
    columns = (torch.tensor(starts, device=strip.device)[:, None] + torch.arange(width, device=strip.device)) % around
    return strip[:, :, columns].permute(2, 0, 1, 3)


def panoramas_file(keys: Iterable[str], cache: Path, height: int = 256) -> Path:
    """Where ``build_panoramas`` keeps these strips."""
    told = [
        PANORAMAS_VERSION,
        height,
        ARCHIVES["panoramas"].sha256,
        [(key, repr(PANORAMAS[key])) for key in sorted(keys)],
    ]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return cache / f"panoramas-{digest}.safetensors"


def tone_mapped(light: np.ndarray, exposure: float = 1.0) -> np.ndarray:
    """Linear light of any range, float (H, W, 3), to sRGB, uint8.

    Negative values are flaws of the compression beside very bright spots: such a pixel becomes the median of
    its sound neighbours. The middle of the picture by logarithm becomes a middle grey; the curve is Reinhard's
    with a white point ("Photographic Tone Reproduction for Digital Images", 2002).
    """
    light = _mended(np.nan_to_num(light.astype(np.float32), posinf=BRIGHTEST, neginf=-1.0))
    luminance = light @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    middle = math.exp(float(np.log(luminance + 1e-4).mean()))
    scaled = light * (0.24 * exposure / middle)
    mapped = np.clip(scaled * (1 + scaled / 9.0) / (1 + scaled), 0, 1)
    encoded = np.where(mapped <= 0.0031308, 12.92 * mapped, 1.055 * mapped ** (1 / 2.4) - 0.055)
    return (encoded * 255 + 0.5).astype(np.uint8)


def unrolled(sphere: np.ndarray, height: int) -> np.ndarray:
    """A band of an equirectangular picture, uint8 (H, W, 3), as a cylinder seen from inside, (height, W', 3)."""
    rows, columns = sphere.shape[:2]
    width = round(height * 2 * math.pi / (TOP + BOTTOM))
    tangent = TOP - (np.arange(height) + 0.5) / height * (TOP + BOTTOM)
    down = (0.5 - np.arctan(tangent) / math.pi) * rows - 0.5
    above = np.floor(down).astype(int)
    share = (down - above)[:, None, None]
    band = sphere[above].astype(np.float32) * (1 - share) + sphere[above + 1].astype(np.float32) * share
    margin = columns // 16  # so that the seam is interpolated like any other place
    around = np.concatenate([band[:, -margin:], band, band[:, :margin]], 1)
    scale = width / columns
    picture = Image.fromarray((around + 0.5).astype(np.uint8))
    wide = picture.resize((width, height), Image.Resampling.BICUBIC, (margin, 0, margin + columns, height))
    return np.asarray(wide.filter(ImageFilter.UnsharpMask(scale, 60, 0)))


def _strip(panorama: Panorama, files: dict[str, bytes], height: int) -> torch.Tensor:
    if panorama.path not in files:
        raise MissingAsset(f"the panorama '{panorama.file}'")
    strip = unrolled(tone_mapped(_read(files[panorama.path]), panorama.exposure), height)
    return torch.from_numpy(strip.copy()).permute(2, 0, 1).contiguous()


def _read(module: bytes) -> np.ndarray:
    """Linear light, float32 (H, W, 3), out of a script that holds an OpenEXR file as base64."""
    import OpenEXR

    encoded = module.split(b"base64,", 1)[1].split(b"'", 1)[0]
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(base64.b64decode(encoded))
        file.flush()
        with OpenEXR.File(file.name) as picture:
            return np.asarray(picture.channels()["RGB"].pixels, dtype=np.float32)


def _mended(light: np.ndarray) -> np.ndarray:
    """Flawed pixels replaced by the median of the sound ones within two pixels, or by white where there is none.

    Flawed is what has a negative value, or one channel that is next to nothing beside a very bright one: the
    compression breaks so where the sun is. The rest is clipped to BRIGHTEST.
    """
    flawed = (light.min(-1) < 0) | (light.min(-1) * 2000 < light.max(-1) - 0.2)
    sound = np.where(flawed[..., None], np.nan, np.clip(light, None, BRIGHTEST))
    padded = np.pad(sound, ((2, 2), (2, 2), (0, 0)), constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(0, 1))[flawed].reshape(-1, 3, 25)
    ranked = np.sort(around, axis=-1)  # unsound ones come last
    known = (~np.isnan(around)).sum(-1, keepdims=True)
    median = np.take_along_axis(ranked, np.maximum(known - 1, 0) // 2, -1)
    sound[flawed] = np.where(known > 0, median, BRIGHTEST)[..., 0]
    return sound


def _load(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise MissingAsset(f"the panorama file '{path}'") from error
