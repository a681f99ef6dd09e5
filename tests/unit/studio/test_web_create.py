"""Create's examples: in every language of the pages, in words that the model which comes along has learned."""

from pathlib import Path

import pytest

import himmel
from himmel.directions import language_of
from himmel.looks import PACES
from himmel.studio.texts import LANGUAGES
from himmel.studio.web_create import EXAMPLES
from himmel.words import WordList

PAPERCUT = WordList.load(Path(himmel.__path__[0]) / "weights" / "papercut" / "words.json")


@pytest.mark.parametrize("language", LANGUAGES)
def test_papercut_knows_every_word_of_the_examples(language):
    assert len(EXAMPLES[language]) == 3
    for example in EXAMPLES[language]:
        assert PAPERCUT.unknown(example) == []
        assert language_of(example, PAPERCUT) == language
    assert [PAPERCUT.knows(pace) for pace in PACES[language]] == [True, False]
