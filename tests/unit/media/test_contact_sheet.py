import numpy as np
import pytest
from PIL import Image

from himmel.errors import CannotWrite
from himmel.media.contact_sheet import GAP, MARGIN, write_contact_sheet


def flat(colour, count=9, height=32, width=32):
    return np.full((count, height, width, 3), colour, np.uint8)


def test_every_clip_is_on_the_sheet_with_frames_in_order(tmp_path):
    fading = np.stack([np.full((32, 32, 3), value, np.uint8) for value in np.linspace(0, 240, 9)])
    path = tmp_path / "sheet.png"
    clips = [("fading", fading), ("green", flat((0, 200, 0))), ("blue", flat((0, 0, 200)))]
    write_contact_sheet(path, clips, frames_per_clip=3, columns=2, frame_width=40)
    sheet = np.asarray(Image.open(path))
    middle = MARGIN + 20
    assert [sheet[middle, MARGIN + (40 + GAP) * n + 20, 0] for n in range(3)] == [0, 120, 240]
    assert sheet[middle, 2 * MARGIN + 3 * 40 + 2 * GAP + 20].tolist() == [0, 200, 0]
    assert (sheet.reshape(-1, 3) == (0, 0, 200)).all(axis=1).sum() == 3 * 40 * 40


def test_the_caption_is_written_under_the_frames(tmp_path):
    for name, caption in (("with", "a cat on the beach"), ("without", "")):
        write_contact_sheet(tmp_path / f"{name}.png", [(caption, flat(255))], frame_width=64)
    with_caption, without = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("with", "without"))
    assert (without == 255).all()
    assert (with_caption[: MARGIN + 64] == 255).all()
    assert (with_caption[MARGIN + 64 :] < 128).any()


def test_clips_shorter_than_the_row_repeat_frames(tmp_path):
    write_contact_sheet(tmp_path / "sheet.png", [("one", flat(9, count=1))], frames_per_clip=4, frame_width=32)
    row = np.asarray(Image.open(tmp_path / "sheet.png"))[MARGIN + 16]
    assert (row == 9).all(axis=1).sum() == 4 * 32


def test_an_unwritable_place_is_named(tmp_path):
    with pytest.raises(CannotWrite, match="does not exist"):
        write_contact_sheet(tmp_path / "nowhere" / "sheet.png", [("x", flat(0))])
