import numpy as np
import pytest

from himmel.media.scaling import between, blend, crop_to
from himmel.spec import Size


def ramp(count):
    """Frames of one grey each: frame i has the value 10 i."""
    return np.broadcast_to((np.arange(count) * 10).astype(np.uint8)[:, None, None, None], (count, 2, 2, 3)).copy()


def retimed(count_in, native_fps, fps, count):
    timed = ((float(index), frame) for index, frame in enumerate(ramp(count_in)))
    moments = (index * native_fps / fps for index in range(count))
    return np.stack([blend(*around) for around in between(timed, moments)])[:, 0, 0, 0]


def test_resizing_gives_the_size_and_keeps_flat_colour():
    big = crop_to(np.full((16, 24, 3), (10, 200, 90), np.uint8), Size(48, 64))
    assert big.shape == (64, 48, 3)
    assert (big == (10, 200, 90)).all()


def test_resizing_to_the_same_size_changes_nothing():
    frame = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    assert crop_to(frame, Size(24, 16)) is frame


@pytest.mark.parametrize(("width", "height"), [(72, 128), (128, 72), (96, 96)])
def test_a_disc_stays_a_disc_in_other_proportions(width, height):
    rows, columns = np.mgrid[:64, :64]
    disc = np.where(np.hypot(rows - 31.5, columns - 31.5) < 12, 255, 0).astype(np.uint8)
    frame = crop_to(np.repeat(disc[..., None], 3, axis=-1), Size(width, height))
    assert frame.shape == (height, width, 3)
    rows, columns = np.nonzero(frame[..., 0] > 127)
    larger = max(width, height) / 64  # the picture fills the longer side
    assert np.ptp(rows) + 1 == pytest.approx(24 * larger, abs=1.5)
    assert np.ptp(columns) + 1 == pytest.approx(24 * larger, abs=1.5)
    assert (rows.mean(), columns.mean()) == pytest.approx(((height - 1) / 2, (width - 1) / 2), abs=0.5)


def test_cropping_keeps_the_middle():
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, 16:32] = 255
    cropped = crop_to(picture, Size(32, 32))
    assert cropped.shape == (32, 32, 3)
    assert cropped[:, 4:-4].min() > 250


def test_equal_rates_pass_frames_unchanged():
    assert retimed(5, 8, 8, 5).tolist() == [0, 10, 20, 30, 40]


def test_double_rate_blends_between_frames_and_stands_at_the_end():
    assert retimed(4, 8, 16, 8).tolist() == [0, 5, 10, 15, 20, 25, 30, 30]


def test_half_rate_takes_every_other_frame():
    assert retimed(6, 8, 4, 3).tolist() == [0, 20, 40]


def test_odd_rates_keep_the_time_of_every_frame():
    assert retimed(10, 8, 12, 12).tolist() == [round(i * 8 / 12 * 10) for i in range(12)]


def test_no_more_is_asked_for_than_is_needed():
    asked = []

    def endless():
        while True:
            asked.append(len(asked))
            yield float(asked[-1]), ramp(1)[0]

    assert len(list(between(endless(), [0.0, 1.0, 2.5]))) == 3
    assert asked == [0, 1, 2, 3]


def test_nothing_is_shown_of_nothing():
    assert list(between([], [0.0, 1.0])) == []
    assert list(between([(0.0, ramp(1)[0])], [])) == []
