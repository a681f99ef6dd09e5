import pytest

from himmel.engine.shapes import Blocks, ClipShape, LatentShape


def test_there_and_back():
    assert ClipShape(49, 64, 96).latent == LatentShape(13, 8, 12)
    assert LatentShape(13, 8, 12).pixels == ClipShape(49, 64, 96)
    assert LatentShape(13, 8, 12).tokens_per_frame == 24


@pytest.mark.parametrize("shape", [(48, 64, 64), (0, 64, 64), (49, 60, 64), (49, 64, 8)])
def test_impossible_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="1 \\+ 4k|multiples"):
        ClipShape(*shape)


def test_blocks():
    blocks = Blocks(6, 3)
    assert blocks.spans == [(0, 1), (1, 4), (4, 6)]
    assert blocks.of_frame == [0, 1, 1, 1, 2, 2]
