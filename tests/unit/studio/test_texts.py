"""The language that a browser asks for, and numbers said in words."""

import pytest

from himmel.studio.texts import duration, language_of, moment, span


@pytest.mark.parametrize("accepted", ["", "en", "fr-CH, fr;q=0.9, en;q=0.8", "xx;q=no, *;q=0.5", "," * 1000])
def test_what_is_not_there_is_english(accepted):
    assert language_of(accepted) == "en"


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "1 s"), (8, "8 s"), (89, "89 s"), (150, "2 min"), (9000, "2 h")])
def test_durations(seconds, told):
    assert duration(seconds, "en") == told


@pytest.mark.parametrize(
    ("ends", "told"), [((8, 30), "8 to 30 s"), ((60, 240), "60 s to 4 min"), ((4, 4), "about 4 s")]
)
def test_spans(ends, told):
    assert span(*ends, "en") == told


def test_moments():
    assert moment(100, "en", 110) == "just now"
    assert moment(100, "en", 280) == "3 min ago"
    assert moment(0, "en", 10**7).startswith("19")
