"""How often one may guess: ten times, each name for itself, and again after a while."""

import pytest

from himmel.errors import SignInRefused
from himmel.studio.tries import MOST_REMEMBERED, TRIES, Tries


def test_after_ten_wrong_ones_everything_is_refused_until_the_time_is_over():
    now = [0.0]
    tries = Tries(lambda: now[0], "wait a minute", seconds=60)
    told = []
    for _ in range(TRIES):
        tries.check("anna", "an address")
        told.append(tries.wrong("anna", "an address"))
        now[0] += 1
    assert told == [False] * (TRIES - 1) + [True]
    with pytest.raises(SignInRefused, match="wait a minute"):
        tries.check("boris", "an address")
    tries.check("boris")
    now[0] = 60.5  # the first is over
    tries.check("anna")


def test_what_is_long_over_is_forgotten():
    now = [0.0]
    tries = Tries(lambda: now[0], "")
    for number in range(MOST_REMEMBERED + 1):
        tries.wrong(str(number))
    now[0] = 1000.0
    tries.check("x")
    assert not tries._wrong
