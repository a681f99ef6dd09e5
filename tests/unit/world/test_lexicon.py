"""The word list of a vocabulary holds every word that its captions use, and good neighbours for others."""

import random
from functools import cache

import pytest

from himmel.words import KINDS, WordList
from himmel.world.caption import LANGUAGES, caption
from himmel.world.lexicon import build_words, caption_corpus
from himmel.world.nouns import NOUNS
from himmel.world.scene import Actor, Scene
from himmel.world.thesaurus import groups
from himmel.world.vocabulary import LAPTOP, PANORAMAS, SETTINGS, Vocabulary

EVERYTHING = Vocabulary(nouns=tuple(NOUNS), settings=SETTINGS + PANORAMAS)


@cache
def words(vocabulary: Vocabulary) -> WordList:
    return build_words(vocabulary)


@pytest.mark.parametrize("vocabulary", [LAPTOP, EVERYTHING])
def test_captions_have_no_unknown_word(vocabulary):
    known = words(vocabulary)
    strange = {caption for caption in caption_corpus(vocabulary, 400, seed=1) if not known.knows(caption)}
    assert not {caption: known.unknown(caption) for caption in list(strange)[:5]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_motion_style_and_relation_is_said_with_its_own_words(language):
    said = {
        "motion": lambda key: Scene((Actor("penguin", (key,)),), "beach"),
        "style": lambda key: Scene((Actor("penguin", ("jump",)),), "beach", style=key),
        "relation": lambda key: Scene((Actor("penguin"), Actor("car")), "beach", relation=key),
    }
    for kind, scene in said.items():
        for term in words(EVERYTHING).of_kind(kind):
            forms = tuple(form.lower() for form in term.words[language])
            for seed in range(12):
                text = caption(scene(term.key), random.Random(seed), language).lower()
                unsaid = term.key in ("stand", "3d")
                assert unsaid or any(form in text for form in forms), (term.key, text)


def test_every_term_of_the_vocabulary_is_listed_under_its_kind():
    known = words(LAPTOP)
    assert {
        kind: [term.key for term in known.of_kind(kind)] for kind in KINDS if kind in ("noun", "motion", "count")
    } == {
        "noun": list(LAPTOP.nouns),
        "motion": list(LAPTOP.motions),
        "count": ["two", "three"],
    }
    assert all(term.names[language] for term in known.terms for language in ("en", "de", "ja"))


def test_names_are_fit_to_be_shown():
    shown = {term.key: term.names for term in words(LAPTOP).terms}
    assert shown["go_right"] == {"en": "moves to the right", "de": "bewegt sich nach rechts", "ja": "右へ動く"}
    assert shown["night_sky"] == {"en": "night sky", "de": "Nachthimmel", "ja": "夜空"}
    assert shown["jump"]["en"] == "jumps"


@pytest.mark.parametrize(
    ("vocabulary", "prompt", "nearest"),
    [
        (EVERYTHING, "a quokka", ("kangaroo", "koala")),
        (LAPTOP, "pengiun", ("penguin",)),
        (LAPTOP, "jungle", ("forest",)),
        (LAPTOP, "Dschungel", ("Wald",)),
        (LAPTOP, "ジャングル", ("森",)),
        (LAPTOP, "nodding", ("rocks back and forth",)),
        (LAPTOP, "bouncing", ("jumps",)),  # a motion of the world that the laptop is not taught
        (LAPTOP, "the sun", ()),  # known, but near to nothing; not a slip for "spun"
        (LAPTOP, "二匹の猫が遊んでいる", ("じっとしている",)),
        (EVERYTHING, "grizzly bear", ("bear", "panda", "polar bear")),
        (EVERYTHING, "Schäferhund", ("Hund", "Pudel", "Wolf")),
    ],
)
def test_nearest(vocabulary, prompt, nearest):
    assert [unknown.nearest for unknown in words(vocabulary).unknown(prompt)] == [nearest]


def test_neighbours_are_known_and_their_words_are_not():
    known = words(LAPTOP)
    assert len(known.neighbours) > 1000
    assert not [word for word in known.neighbours if known.knows(word)]
    assert all(known.knows(name) for names in known.neighbours.values() for name in names)


def test_every_noun_and_every_group_has_its_place():
    placed = [key for group in groups().values() for key in group.nouns]
    assert set(placed) == set(NOUNS)
    assert all(group.up is None or group.up in groups() for group in groups().values())


def test_corpus_is_the_same_for_the_same_seed_and_has_three_languages():
    corpus = list(caption_corpus(LAPTOP, 60, seed=3))
    assert corpus == list(caption_corpus(LAPTOP, 60, seed=3))
    assert corpus != list(caption_corpus(LAPTOP, 60, seed=4))
    assert any("。" in text or "の" in text for text in corpus)


def test_saved_list_is_the_same(tmp_path):
    known = words(LAPTOP)
    known.save(tmp_path / "words.json")
    assert WordList.load(tmp_path / "words.json") == known
