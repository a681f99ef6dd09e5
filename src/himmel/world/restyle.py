"""Drawing styles made from other pictures: line art filled in, silhouette, paper, pixel art, sketch, watercolour.

Owns: the image operations, each a function from one RGBA square to another of the same size.
Knows nothing of nouns and files. The same picture always gives the same result.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

INK = (26, 26, 34)
CELLS = 24  # squares of pixel art along a side
PIXEL_ART_COLOURS = 14


def line_art(picture: Image.Image) -> Image.Image:
    """Black lines as published, the inside filled with white, and a thin white rim that shows on dark ground."""
    alpha = picture.getchannel("A")
    inside = _rimmed(_filled(alpha), picture.width / 64)
    white = Image.new("RGBA", picture.size, (255, 255, 255, 0))
    white.putalpha(inside)
    return Image.alpha_composite(white, picture)


def silhouette(picture: Image.Image) -> Image.Image:
    """The outline filled with ink."""
    dark = Image.new("RGBA", picture.size, (*INK, 0))
    dark.putalpha(picture.getchannel("A").point(lambda alpha: min(255, round(alpha * 1.3))))
    return dark


def paper(picture: Image.Image) -> Image.Image:
    """Cut from printed card: fewer colours, a grain, a white edge as scissors leave it, and a soft shadow."""
    side = picture.width
    picture = _shrunk(picture, 0.86)
    card = _rimmed(_filled(picture.getchannel("A")), side / 24)
    shadow = ImageChops.offset(card, side // 48, side // 32).filter(ImageFilter.GaussianBlur(side / 42))
    under = Image.new("RGBA", picture.size, (20, 20, 40, 0))
    under.putalpha(shadow.point(lambda alpha: round(alpha * 0.4)))
    sheet = Image.new("RGBA", picture.size, (252, 250, 244, 0))
    sheet.putalpha(card)
    whole = Image.alpha_composite(Image.alpha_composite(under, sheet), _flattened(picture, 10))
    grain = _noise(side, side // 2, seed=1) * 14
    return _with_colours(whole, _colours(whole) + grain[..., None])


def pixel_art(picture: Image.Image) -> Image.Image:
    """A grid of squares in few colours, without soft edges."""
    small = picture.resize((CELLS, CELLS), Image.Resampling.BOX)
    hard = small.getchannel("A").point(lambda alpha: 255 * (alpha > 110))
    few = small.convert("RGB").quantize(PIXEL_ART_COLOURS, dither=Image.Dither.NONE).convert("RGB")
    few.putalpha(hard)
    return few.resize(picture.size, Image.Resampling.NEAREST)


def sketch(picture: Image.Image) -> Image.Image:
    """Pencil: outlines where brightness changes, hatching where it is dark, on white paper."""
    side = picture.width
    grey = _colours(_on_white(picture)).mean(-1) / 255
    around = _blurred(grey, side / 40)
    lines = np.clip(grey / np.maximum(around, 0.05), 0, 1) ** 4
    rows, columns = np.mgrid[:side, :side]
    stripes = 0.5 + 0.5 * np.sin((rows + columns) * 2 * np.pi * 22 / side)
    crossed = 0.5 + 0.5 * np.sin((rows - columns) * 2 * np.pi * 22 / side)
    hatching = 1 - 0.5 * stripes * np.clip((0.75 - grey) * 3, 0, 1) - 0.4 * crossed * np.clip((0.4 - grey) * 3, 0, 1)
    tone = np.clip(0.16 + 0.84 * lines * hatching, 0, 1)
    alpha = _filled(picture.getchannel("A"))
    edge = ImageChops.subtract(alpha, alpha.filter(ImageFilter.MinFilter(_odd(side / 64))))
    tone = tone * (1 - 0.85 * np.asarray(edge, dtype=np.float32) / 255)
    drawn = Image.fromarray((tone[..., None] * (248, 246, 240)).astype(np.uint8), "RGB")
    drawn.putalpha(alpha)
    return drawn


def watercolour(picture: Image.Image) -> Image.Image:
    """Wet washes: wavering edges, colours that run and pool, pigment gathered at the border."""
    side = picture.width
    wavered = _displaced(picture, side / 72)
    soft = _with_colours(wavered, np.asarray(_bled(wavered, side / 110), dtype=np.float32))
    alpha = np.asarray(soft.getchannel("A"), dtype=np.float32) / 255
    wash = _noise(side, 7, seed=4) + 0.6 * _noise(side, 20, seed=5)
    border = np.clip(alpha - _blurred(alpha, side / 36), 0, 1) * 1.6
    paler = _colours(soft) + (255 - _colours(soft)) * np.clip(0.28 + 0.24 * wash, 0, 0.7)[..., None]
    painted = _with_colours(soft, paler * (1 - 0.55 * border)[..., None])
    painted.putalpha(Image.fromarray((alpha * np.clip(0.9 + 0.1 * wash, 0.7, 1) * 255).astype(np.uint8)))
    return painted


# Style word -> the published style that it starts from, and what is done to that.
RESTYLED: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {
    "line_art": ("line_art", line_art),
    "silhouette": ("3d", silhouette),
    "paper": ("flat", paper),
    "pixel_art": ("flat", pixel_art),
    "sketch": ("3d", sketch),
    "watercolour": ("flat", watercolour),
}


def _filled(alpha: Image.Image) -> Image.Image:
    """The shape without holes: everything that cannot be reached from the picture's border."""
    wide = Image.new("L", (alpha.width + 2, alpha.height + 2))
    wide.paste(alpha.point(lambda value: 255 * (value > 96)), (1, 1))
    ImageDraw.floodfill(wide, (0, 0), 128)
    solid = wide.crop((1, 1, alpha.width + 1, alpha.height + 1)).point(lambda value: 0 if value == 128 else 255)
    return ImageChops.lighter(solid, alpha)


def _rimmed(alpha: Image.Image, width: float) -> Image.Image:
    """The shape grown by about ``width`` pixels, with round corners and a soft border."""
    grown = alpha.filter(ImageFilter.GaussianBlur(width))
    return grown.point(lambda value: min(255, max(0, (value - 12) * 8)))


def _shrunk(picture: Image.Image, share: float) -> Image.Image:
    side = picture.width
    inner = round(side * share)
    square = Image.new("RGBA", picture.size)
    square.paste(picture.resize((inner, inner), Image.Resampling.LANCZOS), ((side - inner) // 2, (side - inner) // 2))
    return square


def _flattened(picture: Image.Image, colours: int) -> Image.Image:
    flat = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).convert("RGB")
    flat.putalpha(picture.getchannel("A"))
    return flat


def _bled(picture: Image.Image, radius: float) -> Image.Image:
    """Colours that ran into one another, without the colourless outside running in."""
    premultiplied = picture.convert("RGBa").filter(ImageFilter.GaussianBlur(radius))
    return premultiplied.convert("RGBA").convert("RGB")


def _displaced(picture: Image.Image, reach: float) -> Image.Image:
    """Every pixel fetched from a little way off, a way that changes slowly over the picture."""
    side = picture.width
    rows, columns = np.mgrid[:side, :side]
    rows = np.clip(rows + reach * _noise(side, 12, seed=2), 0, side - 1).round().astype(int)
    columns = np.clip(columns + reach * _noise(side, 12, seed=3), 0, side - 1).round().astype(int)
    return Image.fromarray(np.asarray(picture)[rows, columns], "RGBA")


def _noise(side: int, cells: int, seed: int) -> np.ndarray:
    """Smooth noise of about -1 to 1, (side, side); ``cells`` bumps along a side."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def _blurred(field: np.ndarray, radius: float) -> np.ndarray:
    picture = Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255


def _on_white(picture: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _colours(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), dtype=np.float32)


def _with_colours(picture: Image.Image, colours: np.ndarray) -> Image.Image:
    drawn = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8), "RGB")
    drawn.putalpha(picture.getchannel("A"))
    return drawn


def _odd(width: float) -> int:
    """The nearest odd whole number of at least three, as filters need."""
    return max(3, round(width) // 2 * 2 + 1)
