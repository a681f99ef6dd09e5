"""Styles made by image operations, on a drawn disc with a hole."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from himmel.world.restyle import CELLS, PIXEL_ART_COLOURS, RESTYLED, line_art, paper, pixel_art, silhouette, sketch
from himmel.world.vocabulary import STYLES

SIDE = 96


@pytest.fixture
def disc() -> Image.Image:
    """A green disc with a round hole in the middle."""
    picture = Image.new("RGBA", (SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((16, 16, 80, 80), fill=(20, 160, 60, 255))
    draw.ellipse((40, 40, 56, 56), fill=(0, 0, 0, 0))
    return picture


@pytest.mark.parametrize("style", RESTYLED)
def test_size_is_kept_and_results_repeat(disc: Image.Image, style: str) -> None:
    operation = RESTYLED[style][1]
    first = operation(disc)
    assert first.size == disc.size and first.mode == "RGBA"
    assert first.tobytes() == operation(disc).tobytes() != disc.tobytes()


def test_every_style_is_published_or_made() -> None:
    assert {style for style in STYLES if style not in RESTYLED} == {"3d", "flat", "cartoon", "sticker"}


def test_line_art_fills_its_inside_with_white(disc: Image.Image) -> None:
    assert line_art(disc).getpixel((48, 48)) == (255, 255, 255, 255)
    assert line_art(disc).getpixel((2, 2))[3] == 0


def test_a_silhouette_is_one_dark_colour_and_keeps_holes(disc: Image.Image) -> None:
    pixels = np.asarray(silhouette(disc))
    assert pixels[pixels[..., 3] > 0][:, :3].max() < 64
    assert pixels[48, 48, 3] == 0 and pixels[48, 24, 3] == 255


def test_paper_has_a_pale_edge_around_its_colour(disc: Image.Image) -> None:
    row = np.asarray(paper(disc)).astype(int)[48]
    solid = np.flatnonzero(row[:, 3] > 240)
    assert row[solid[1], :3].min() > 200  # the edge
    assert row[solid[0] + 12, 1] > row[solid[0] + 12, 0] + 80  # the green inside


def test_pixel_art_has_few_colours_in_whole_cells(disc: Image.Image) -> None:
    pixels = np.asarray(pixel_art(disc))
    cell = SIDE // CELLS
    blocks = pixels.reshape(CELLS, cell, CELLS, cell, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert set(np.unique(pixels[..., 3])) == {0, 255}
    assert len(np.unique(pixels[pixels[..., 3] > 0], axis=0)) <= PIXEL_ART_COLOURS


def test_a_sketch_has_no_colour(disc: Image.Image) -> None:
    pixels = np.asarray(sketch(disc)).astype(int)
    visible = pixels[pixels[..., 3] > 200][:, :3]
    assert (visible.max(1) - visible.min(1)).max() < 12
    assert visible.min() < 90 and visible.max() > 200
