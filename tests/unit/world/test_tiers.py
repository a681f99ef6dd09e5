"""Tiers: each holds the one before and is whole; the shipped model's is as it was when its weights were made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import himmel
from himmel.words import WordList
from himmel.world.lexicon import build_words, caption_corpus
from himmel.world.nouns import NOUNS
from himmel.world.sprites import _digest
from himmel.world.tiers import LAPTOP_NOUNS, LARGE_NOUNS, MEDIUM_NOUNS
from himmel.world.vocabulary import FULL, LAPTOP, VOCABULARIES

TIERS = {"laptop": LAPTOP_NOUNS, "medium": MEDIUM_NOUNS, "gpu": LARGE_NOUNS, "full": FULL.nouns}
GROUPS = {
    "animals": {"walker", "flyer", "swimmer"},
    "people": {"person"},
    "vehicles": {"vehicle", "boat", "aircraft"},
    "food": {"food"},
    "plants": {"plant"},
    "buildings": {"building"},
    "things": {"thing", "floater"},
}


def test_tiers_have_their_sizes_and_each_holds_the_one_before() -> None:
    assert [len(nouns) for nouns in TIERS.values()] == [20, 64, 200, len(NOUNS)]
    assert {name: VOCABULARIES[name].nouns for name in TIERS} == TIERS
    for smaller, larger in ((LAPTOP_NOUNS, MEDIUM_NOUNS), (MEDIUM_NOUNS, LARGE_NOUNS)):
        assert larger[: len(smaller)] == smaller and len(set(larger)) == len(larger)


@pytest.mark.parametrize("tier", ["medium", "gpu", "full"])
def test_a_tier_is_whole_by_itself(tier: str) -> None:
    kinds = [NOUNS[key].kind for key in TIERS[tier]]
    for group, members in GROUPS.items():
        assert sum(kind in members for kind in kinds) >= len(kinds) / 32, group


def test_heads_come_late_and_variants_last() -> None:
    assert not any(NOUNS[key].face_only for key in MEDIUM_NOUNS)
    assert not any(key.startswith("woman_") for key in LARGE_NOUNS)


def test_the_shipped_model_s_vocabulary_is_what_its_weights_learned() -> None:
    assert _sha(repr(LAPTOP)) == "e93a67c7d4433b80ec975403e91d3a880db66cdb68662d73bdc54a71ad9d40a5"
    assert _digest(LAPTOP.nouns, LAPTOP.styles, 128) == "b01a50de6352a183"
    assert (
        _sha("\n".join(caption_corpus(LAPTOP, 200, seed=0)))
        == "42f3fb0345d34d6ed65f14de34c7c5dca563afaa2b4ab419775c9a06eb39f454"
    )


def test_the_shipped_word_list_is_what_the_lexicon_says_today() -> None:
    shipped = WordList.load(Path(himmel.__path__[0]) / "weights" / "papercut" / "words.json")
    built = build_words(LAPTOP)
    assert shipped.terms == built.terms and shipped.function == built.function
    # Words that the world has learned since then may be near to what it knows; none is forgotten.
    assert set(shipped.neighbours) <= set(built.neighbours)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
