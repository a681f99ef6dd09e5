"""A training world of drawn shapes, small enough for tests, that needs no art."""

import pytest
import torch

from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary(
        nouns=("cat", "car", "owl", "bee", "duck", "horse"),
        styles=("3d",),
        settings=("beach", "snow", "sky", "room", "space", "road"),
        motions=("stand", "go_right", "go_left", "jump", "grow"),
        cameras=("static", "zoom_in"),
        colours=("red", "blue"),
        relations=("left_of", "right_of", "above"),
        max_actors=2,
        max_count=2,
    )


@pytest.fixture(scope="session")
def atlas(vocabulary: Vocabulary) -> Atlas:
    """A shape and a colour for each noun: bars, a disc, a cross, a corner, a frame."""
    side, middle = 32, 15.5
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    across, down = (columns - middle).abs(), (rows - middle).abs()
    shapes = [
        down < 5,
        across < 5,
        across**2 + down**2 < middle**2,
        (across < 4) | (down < 4),
        rows > columns,
        torch.maximum(across, down) > 10,
    ]
    colours = [(220, 40, 40), (40, 200, 60), (50, 80, 230), (240, 220, 40), (20, 20, 20), (250, 250, 250)]
    pixels = torch.zeros(len(shapes), 4, side, side, dtype=torch.uint8)
    for picture, shape, colour in zip(pixels, shapes, colours, strict=True):
        picture[:3] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
        picture[3] = 255 * shape
    return Atlas(tuple((noun, "3d") for noun in vocabulary.nouns), pixels)
