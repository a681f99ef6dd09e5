"""The word list of a vocabulary: every word that its captions use, and what stands near to other words.

Owns: taking wordings and nouns apart into words, the thesaurus, and the captions that a tokenizer is
trained on. Knows grammar only through the ``caption_*`` modules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from himmel.words import JAPANESE, TOKEN, Term, WordList
from himmel.world import caption_de, caption_en, caption_ja
from himmel.world.caption import LANGUAGES, caption
from himmel.world.nouns import NOUNS, Noun
from himmel.world.phrases import phrases
from himmel.world.scene import sample_scene
from himmel.world.thesaurus import neighbours
from himmel.world.vocabulary import (
    CAMERAS,
    COLOURS,
    LIGHTS,
    MAX_COUNT,
    MOTIONS,
    PANORAMAS,
    RELATIONS,
    SETTINGS,
    STYLES,
    WEATHERS,
    Vocabulary,
)

PAST = {
    "run": "ran", "fly": "flew", "swim": "swam", "drive": "drove", "ride": "rode", "speed": "sped", "go": "went",
    "slide": "slid", "shoot": "shot", "stand": "stood", "sit": "sat", "spin": "spun", "grow": "grew", "get": "got",
    "become": "became", "shrink": "shrank", "rise": "rose", "take": "took", "fall": "fell", "come": "came",
    "sink": "sank", "swing": "swung", "shake": "shook", "beat": "beat", "make": "made", "swell": "swelled",
}  # fmt: skip
COLUMNS = {
    "motion": "motions", "setting": "settings", "light": "lights", "weather": "weathers", "camera": "cameras",
    "colour": "colours", "size": "sizes", "relation": "relations", "style": "styles",
}  # fmt: skip
ALL = {
    "motion": MOTIONS, "setting": SETTINGS + PANORAMAS, "light": LIGHTS, "weather": WEATHERS, "camera": CAMERAS,
    "colour": COLOURS, "size": ("small", "big"), "relation": RELATIONS, "style": STYLES,
}  # fmt: skip
# Captions may say these even where a vocabulary has nothing else of the kind.
USUAL = {"light": "day", "weather": "clear", "camera": "static", "style": "3d"}


def build_words(vocabulary: Vocabulary) -> WordList:
    """All words that captions of this vocabulary can contain, by term, with neighbours for words they cannot."""
    kinds = {NOUNS[key].kind for key in vocabulary.nouns}
    terms = [_noun_term(NOUNS[key]) for key in vocabulary.nouns]
    terms += [_term(kind, key, kinds) for kind in COLUMNS for key in _keys(vocabulary, kind)]
    terms += [_count_term(count, vocabulary) for count in range(2, vocabulary.max_count + 1)]
    function = {language: _unique(_function_words(language)) for language in LANGUAGES}
    counters = sorted({NOUNS[key].ja_counter for key in vocabulary.nouns})
    function["ja"] = (*function["ja"], *counters)
    words = WordList(tuple(terms), function, {})
    taught = {(term.kind, term.key) for term in terms}
    others = [_term(kind, key, kinds) for kind in COLUMNS for key in ALL[kind] if (kind, key) not in taught]
    others += [_count_term(count, vocabulary) for count in range(vocabulary.max_count + 1, MAX_COUNT + 1)]
    return replace(words, neighbours=neighbours(words, others))


def _keys(vocabulary: Vocabulary, kind: str) -> list[str]:
    """The keys of one kind that captions of a vocabulary may say."""
    usual = (USUAL[kind],) if kind in USUAL else ()
    return [key for key in dict.fromkeys((*getattr(vocabulary, COLUMNS[kind]), *usual)) if key != "normal"]


def caption_corpus(vocabulary: Vocabulary, n: int, seed: int) -> Iterator[str]:
    """``n`` captions of scenes of the vocabulary in the usual mixture of languages, for training a tokenizer."""
    for number in range(n):
        rng = random.Random(f"{seed}/{number}")
        yield caption(sample_scene(vocabulary, rng.getrandbits(48)), rng)


def _noun_term(noun: Noun) -> Term:
    english = (noun.en, *noun.synonyms["en"])
    words = {
        "en": _unique(form for name in english for form in (name, caption_en.plural(noun.key, name))),
        "de": _unique((noun.de, noun.de_plural, noun.de_oblique, noun.de_dative_plural, *noun.synonyms["de"])),
        "ja": _unique((noun.ja, *noun.synonyms["ja"])),
    }
    return Term(noun.key, "noun", {"en": noun.en, "de": noun.de, "ja": noun.ja}, words)


def _term(table: str, key: str, kinds: set[str]) -> Term:
    """A term of the phrase tables, with the wordings that nouns of these kinds call for."""
    forms = {"en": _english, "de": _german, "ja": _japanese}
    names, words = {}, {}
    for language in LANGUAGES:
        wordings = list(_wordings(table, key, language, kinds)) or [key.replace("_", " ")]
        spelt = [form for wording in wordings for form in forms[language](wording)]
        if table == "relation":  # small words that mean something here: vor, over
            apart = [part for text in phrases(language).of("apart", key, "full") for part in text.split("{}")]
            spelt = [*wordings, *spelt, *(form for part in apart for form in forms[language](part.strip("、, :")))]
        words[language] = _unique(spelt)
        names[language] = _name(table, wordings[0], language)
    return Term(key, table, names, words)


def _wordings(table: str, key: str, language: str, kinds: set[str]) -> Iterator[str]:
    """Every wording of a term, keywords first, going spelt out."""
    source = phrases(language)
    for form in ("bare", "any", "full", "of", "command", *sorted(kinds)):
        for wording in source.of(table, key, form):
            if "{go}" not in wording:
                yield wording
                continue
            for kind in ("any", *sorted(kinds), "mistaken"):
                for verb in source.of("go", kind, "verbs"):
                    yield _going(wording, verb, language)
                    if language == "ja":  # 歩く alone, for it is one with 右へ歩く otherwise
                        yield verb


def _going(wording: str, verb: str, language: str) -> str:
    if language == "ja":
        return caption_ja.going(wording, verb)
    return wording.replace("{go}", verb if language == "de" else "{" + verb + "}")


def _english(wording: str) -> Iterator[str]:
    """Content words, verbs in all their forms; short keywords whole as well."""
    for verb in re.findall(r"\{(\w+)\}", wording):
        yield from (caption_en.conjugate(verb, form) for form in ("s", "base", "ing"))
        if verb in PAST:
            yield PAST[verb]
    yield from _content(wording, "en")


def _german(wording: str) -> Iterator[str]:
    if "{" not in wording:
        yield from _content(wording, "de")
        return
    verb = caption_de.Verb.parse(wording)
    for form in (verb.finite(plural=False), verb.infinitive, verb.infinitive + "d"):
        yield form
        if verb.prefix:
            yield verb.prefix + form
    yield from _content(f"{verb.rest} {verb.prefix}", "de")


def _japanese(wording: str) -> Iterator[str]:
    if "|" not in wording:
        yield wording
        # 雪の中 is known, so 雪 is; 赤い is known, so 赤 is.
        yield from re.findall(rf"^[{JAPANESE}]+?(?=(?:の中|の上|色の|の|い|な|風の?|する)$)", wording)
        if re.search("[A-Za-z0-9]", wording):
            yield from TOKEN.findall(wording)
        return
    verb = caption_ja.Verb.parse(wording)
    yield from (verb.plain, verb.te, verb.progressive, verb.keyword)
    for joined in (verb.te, verb.progressive.removesuffix("いる")):
        if joined.endswith(("て", "で")):
            yield from (joined + "いる", joined + "います", joined[:-1] + ("た" if joined[-1] == "て" else "だ"))


def _content(text: str, language: str) -> Iterator[str]:
    """The text itself if it is short and has no gaps, and each of its words that means something."""
    small = {word.lower() for word in _function_words(language)}
    if 1 < len(text.split()) <= 3 and "{" not in text:
        yield text.strip()
    yield from (token for token in TOKEN.findall(re.sub(r"\{\w*\}", "", text)) if token.lower() not in small)


def _name(table: str, wording: str, language: str) -> str:
    """How a term is shown to people."""
    if language == "ja":
        return wording.partition("|")[0].removesuffix("の中")
    if "{" not in wording:
        return wording
    if language == "en":
        return caption_en.conjugated(wording.removeprefix("the camera ").replace("{go}", "{move}"), "s")
    return caption_de.Verb.parse(wording.replace("{go}", "{bewegen} sich")).main("", plural=False)


def _count_term(count: int, vocabulary: Vocabulary) -> Term:
    names = {"en": caption_en.NUMBERS[count], "de": caption_de.NUMBERS[count], "ja": caption_ja.NUMBERS[count]}
    counters = dict.fromkeys(NOUNS[key].ja_counter for key in vocabulary.nouns)
    counted = (f"{number}{counter}" for counter in counters for number in (names["ja"], count))
    words = {"en": (names["en"],), "de": (names["de"],), "ja": _unique((names["ja"], *counted))}
    return Term(names["en"], "count", names, words)


def _function_words(language: str) -> tuple[str, ...]:
    table = phrases(language)
    return (*table.of("function", "grammar", "words"), *table.of("function", "typed", "words"))


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))
