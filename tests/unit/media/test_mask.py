import numpy as np
import pytest
from PIL import Image

from himmel.errors import BadRequest, UnreadableMedia
from himmel.media.mask import read_mask
from himmel.spec import Size

CLIP = {"width": 160, "height": 80}


def area(mask):
    """Left, top, right, bottom of what changes, which must be all of that box."""
    rows, columns = np.nonzero(mask)
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert mask[top:bottom, left:right].all()
    return left, top, right, bottom


def drawn(path, size=(160, 80), box=(40, 20, 80, 60), mode="L", **settings):
    picture = Image.new(mode, size)
    picture.paste("white", box)
    picture.save(path, **settings)
    return str(path)


@pytest.mark.parametrize("given", ["40,20,40,40", "25%,25%,25%,50%", " 40 , 25% , 40.0 , 50.0% "])
def test_a_box_is_pixels_or_percent_of_the_clip(given):
    assert area(read_mask(given, **CLIP, size=Size(160, 80))) == (40, 20, 80, 60)
    assert area(read_mask(given, **CLIP, size=Size(80, 40))) == (20, 10, 40, 30)


@pytest.mark.parametrize(("mode", "name"), [("L", "m.png"), ("1", "m.png"), ("RGB", "m.jpg"), ("RGBA", "m.png")])
def test_white_of_a_picture_changes_black_and_transparent_stays(tmp_path, mode, name):
    mask = read_mask(drawn(tmp_path / name, mode=mode), **CLIP, size=Size(160, 80))
    assert mask.dtype == bool
    assert mask.shape == (80, 160)
    assert area(mask) == (40, 20, 80, 60)


def test_a_mask_is_cropped_as_its_clip_is():
    assert area(read_mask("40,0,80,80", **CLIP, size=Size(80, 80))) == (0, 0, 80, 80)
    assert area(read_mask("0,0,80,80", **CLIP, size=Size(80, 80))) == (0, 0, 40, 80)


def test_a_mask_may_be_larger_than_its_clip_but_not_of_other_proportions(tmp_path):
    double = drawn(tmp_path / "double.png", (320, 160), (80, 40, 160, 120))
    assert area(read_mask(double, **CLIP, size=Size(160, 80))) == (40, 20, 80, 60)
    odd = drawn(tmp_path / "odd.png", (107, 53), (20, 20, 40, 40))  # a rounded two thirds
    assert read_mask(odd, **CLIP, size=Size(160, 80)).any()
    with pytest.raises(BadRequest, match=r"mask .* is 160x100, the clip is 160x80; allowed"):
        read_mask(drawn(tmp_path / "tall.png", (160, 100)), **CLIP, size=Size(160, 80))


@pytest.mark.parametrize(
    "box", ["40,20,160,10", "0,0,0,10", "100%,0,10,10", "0,40,10,50", "50%,50%,51%,50%", "0.2,0,0.2,9"]
)
def test_boxes_outside_the_clip_or_without_content_are_refused(box):
    with pytest.raises(BadRequest, match=r"does not lie in the clip of 160x80; allowed: left,top,width,height"):
        read_mask(box, **CLIP, size=Size(160, 80))


@pytest.mark.parametrize("box", ["1,2,3,x", "-1,0,10,10", "1,2,,3"])
def test_what_is_nearly_a_box_is_explained(box):
    with pytest.raises(BadRequest, match="is not understood; allowed: left,top,width,height"):
        read_mask(box, **CLIP, size=Size(160, 80))


def test_masks_that_change_nothing_are_refused(tmp_path):
    Image.new("L", (160, 80)).save(tmp_path / "black.png")
    with pytest.raises(BadRequest, match="changes nothing"):
        read_mask(str(tmp_path / "black.png"), **CLIP, size=Size(160, 80))
    with pytest.raises(BadRequest, match="changes nothing"):
        read_mask("0,0,10,80", **CLIP, size=Size(80, 80))  # cropped away


def test_a_photograph_is_no_mask(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (80, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    with pytest.raises(BadRequest, match="picture in colours"):
        read_mask(str(tmp_path / "photo.png"), **CLIP, size=Size(160, 80))


def test_masks_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    whole = tmp_path / "whole.png"
    drawn(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:60])
    for name, why in (
        ("text.png", "PNG, JPEG"),
        ("cut.png", "truncated"),
        ("absent.png", "no such mask"),
        ("", "directory"),
    ):
        with pytest.raises(UnreadableMedia, match=why):
            read_mask(str(tmp_path / name), **CLIP, size=Size(160, 80))
