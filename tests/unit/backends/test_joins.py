"""Where made frames meet given ones: the given are exact, the made lean towards them, nothing else changes."""

import numpy as np
import pytest

from himmel.backends.joins import MOVED, QUICK, REACH, joined


def grey(value):
    return np.full((2, 3, 3), value, np.uint8)


def shown(made, given, **how):
    return {number: int(frame[0, 0, 0]) for number, frame in joined(enumerate(map(grey, made)), given, **how)}


def test_without_anything_given_nothing_changes():
    assert shown([10, 20, 30], {}) == {0: 10, 1: 20, 2: 30}


def test_a_given_frame_is_shown_as_it_is_and_what_stands_still_leans_to_it_for_long():
    found = shown([100] * 80, {40: grey(150)})
    assert found[40] == 150
    for away in range(1, REACH + 1):
        assert found[40 + away] == found[40 - away] == round(100 + 50 * (1 - away / (REACH + 1)))
    assert found[15] == found[65] == 100


def test_where_something_moves_the_difference_is_gone_soon():
    found = shown([100] * 40 + [100 + MOVED + 2] * 40, {39: grey(150)})
    assert [found[39 + away] - MOVED - 2 for away in range(1, QUICK + 1)] == [140, 130, 120, 110, 100]
    assert found[38] == 148


def test_between_two_given_frames_one_takes_over_from_the_other():
    found = shown([100] * 13, {0: grey(110), 10: grey(130)})
    assert (found[0], found[5], found[10]) == (110, 120, 130)
    assert found[12] == round(100 + 30 * (1 - 2 / (REACH + 1)))


def test_two_given_frames_near_each_other_both_stay_exact():
    found = shown([100] * 8, {2: grey(120), 4: grey(60)})
    assert (found[2], found[4]) == (120, 60)


def test_a_loop_ends_as_it_began():
    found = shown([40, 50, 60, 70, 80, 90, 100], {}, loop_at=6)
    assert found[6] == found[0] == 40
    assert found[5] < 90


def test_values_stay_within_what_a_pixel_can_be():
    found = shown([250] * 6, {0: grey(255)}) | {10 + n: v for n, v in shown([2] * 6, {0: grey(0)}).items()}
    assert max(found.values()) == 255 and min(found.values()) == 0
    assert found[5] == 254


def test_large_frames_wait_for_fewer():
    def frames():
        for number in range(40):
            asked.append(number)
            yield number, np.zeros((1080, 1920, 3), np.uint8)

    asked, given = [], np.full((1080, 1920, 3), 250, np.uint8)
    stream = joined(frames(), {30: given})
    found = {}
    for number, frame in stream:
        found[number] = int(frame[0, 0, 0])
        assert len(asked) - number - 1 <= QUICK
    assert found[30] == 250 and found[30 - QUICK - 1] == 0 < found[29] == found[31]


def test_motion_in_large_pictures_is_looked_for_as_in_small_ones():
    small = [np.zeros((64, 64, 3), np.uint8) for _ in range(20)]
    for number, frame in enumerate(small):
        frame[:, number : number + 8] = 200
    large = [frame.repeat(4, 0).repeat(4, 1) for frame in small]
    found = [dict(joined(enumerate(frames), {0: np.full_like(frames[0], 60)})) for frames in (small, large)]
    for number in (1, 6, 12):
        shrunk = found[1][number].reshape(64, 4, 64, 4, 3).mean((1, 3))
        assert abs(shrunk - found[0][number]).mean() < 3


@pytest.mark.parametrize("count", [1, REACH, REACH + 1, 70])
@pytest.mark.parametrize("anchor", [0, 60])
def test_every_frame_comes_once_and_waits_only_for_what_lies_ahead(count, anchor):
    asked = []

    def frames():
        for number in range(count):
            asked.append(number)
            yield number, grey(number)

    for position, (number, _) in enumerate(joined(frames(), {anchor: grey(9)})):
        assert number == position
        waited = len(asked) - number - 1
        assert waited == 0 if number + REACH < anchor or number > anchor else waited <= REACH
    assert len(asked) == count
