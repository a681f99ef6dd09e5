"""Every text of the pages is there in every language, with the same gaps to fill."""

import ast
import re
from pathlib import Path

import pytest
from jinja2 import Environment

from himmel.studio import texts

STUDIO = Path(texts.__file__).parent
GAP = re.compile(r"%\(\w+\)[sd]|%%")


def said():
    """All texts that pages and modules say through ``_()``."""
    environment = Environment(extensions=["jinja2.ext.i18n"])
    found = set()
    for path in (STUDIO / "templates").glob("*.html"):
        for _, _, message in environment.extract_translations(path.read_text("utf-8")):
            found.add(message if isinstance(message, str) else message[0])
    for path in STUDIO.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                found.add(ast.literal_eval(node.args[0]))
    return found


@pytest.mark.parametrize("language", [name for name in texts.LANGUAGES if name != "en"])
def test_no_text_lacks_a_translation_and_none_is_left_over(language):
    known = texts.read_po((texts.LOCALES / f"{language}.po").read_text("utf-8"))
    assert said() - {message for message, told in known.items() if told} == set()
    assert set(known) - said() == set()
    for message, told in known.items():
        assert sorted(GAP.findall(message)) == sorted(GAP.findall(told)), message


def test_a_catalogue_is_read_as_it_is():
    text = '# a word\nmsgid ""\nmsgstr "Language: de\\n"\n\n#: x.html\nmsgid "a \\"b\\""\nmsgstr ""\n"c "\n"d"\n'
    assert texts.read_po(text) == {'a "b"': "c d"}
    with pytest.raises(ValueError, match="line 1"):
        texts.read_po("msgstr[0] 1")


def test_what_a_catalogue_lacks_is_english():
    assert texts.catalogue("de").gettext("Library") == "Bibliothek"
    assert texts.catalogue("de").gettext("never said") == "never said"
    assert texts.span(8, 30, "ja") == "8 〜 30 秒" and texts.language_of("fr, ja;q=0.9") == "ja"
