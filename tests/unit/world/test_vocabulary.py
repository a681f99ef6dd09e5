"""Vocabularies hold known keys only, and each of ours is what it says."""

from dataclasses import replace

import pytest

from himmel.errors import BadRequest
from himmel.world.nouns import NOUNS
from himmel.world.vocabulary import FULL, LAPTOP, MOTIONS, PANORAMAS, PLAIN, SETTINGS, VOCABULARIES


@pytest.mark.parametrize(
    "kind", ["nouns", "styles", "settings", "motions", "lights", "weathers", "cameras", "colours", "sizes", "relations"]
)
def test_an_unknown_key_is_refused_with_the_known_ones(kind: str) -> None:
    known = getattr(FULL, kind)
    with pytest.raises(BadRequest, match=rf"unknown {kind}: quokkas; known: .*{known[0]}"):
        replace(LAPTOP, **{kind: (known[0], "quokkas")})


@pytest.mark.parametrize("change", [{"p_light": 1.1}, {"p_counted": -0.1}, {"max_actors": 4}, {"max_count": 0}])
def test_numbers_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadRequest, match=f"{next(iter(change))} must be between"):
        replace(LAPTOP, **change)


def test_the_full_vocabulary_has_everything() -> None:
    assert set(FULL.nouns) == set(NOUNS)
    assert set(FULL.settings) == set(SETTINGS) | set(PANORAMAS)
    assert set(FULL.motions) == set(MOTIONS)
    for kind in ("nouns", "styles", "settings", "motions", "lights", "weathers", "cameras", "colours", "relations"):
        assert set(getattr(LAPTOP, kind)) <= set(getattr(FULL, kind))


def test_the_plain_vocabulary_has_no_extras() -> None:
    assert not any(value for name, value in vars(PLAIN).items() if name.startswith("p_"))


def test_no_key_stands_twice() -> None:
    for vocabulary in VOCABULARIES.values():
        assert all(len(set(keys)) == len(keys) for keys in vars(vocabulary).values() if isinstance(keys, tuple))
