"""Where made frames meet given ones: the given are exact, the made lean towards them, nothing else changes."""

import numpy as np
import pytest

from himmel.backends.joins import REACH, joined


def grey(value):
    return np.full((2, 3, 3), value, np.uint8)


def shown(made, given, **how):
    return {number: int(frame[0, 0, 0]) for number, frame in joined(enumerate(map(grey, made)), given, **how)}


def test_without_anything_given_nothing_changes():
    assert shown([10, 20, 30], {}) == {0: 10, 1: 20, 2: 30}


def test_a_given_frame_is_shown_as_it_is_and_its_neighbours_lean_to_it():
    found = shown([100] * 12, {6: grey(150)})
    assert found[6] == 150
    assert [found[6 + away] for away in range(1, REACH + 1)] == [140, 130, 120, 110]
    assert [found[6 - away] for away in range(1, REACH + 1)] == [140, 130, 120, 110]
    assert found[1] == found[11] == 100


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
    assert found[1] == 254


@pytest.mark.parametrize("count", [1, REACH, REACH + 1, 30])
def test_every_frame_comes_once_and_few_are_held_back(count):
    asked = []

    def frames():
        for number in range(count):
            asked.append(number)
            yield number, grey(number)

    for position, (number, _) in enumerate(joined(frames(), {0: grey(9)})):
        assert number == position
        assert len(asked) <= number + REACH + 1
    assert len(asked) == count
