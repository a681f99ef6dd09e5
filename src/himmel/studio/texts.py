"""What pages say: every text through a catalogue of messages, in the language that a browser asks for.

Owns: which languages there are, reading their catalogues (gettext's .po in ``locales``, as they are), and numbers said
in words. English is the language of the source: it needs no catalogue, and it stands in for what a catalogue lacks.
"""

from __future__ import annotations

import ast
import gettext
import re
import time
from functools import cache
from pathlib import Path

LOCALES = Path(__file__).parent / "locales"
NAMES = {"en": "English", "de": "Deutsch", "ja": "日本語"}  # as each calls itself
LANGUAGES = tuple(NAMES)
LINE = re.compile(r'(?:(msgid|msgstr) )?(".*")')


class Messages(gettext.NullTranslations):
    """A catalogue: by English text, what is said instead."""

    def __init__(self, said: dict[str, str]) -> None:
        super().__init__()
        self.said = said

    def gettext(self, message: str) -> str:
        return self.said.get(message) or message


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The messages of one of ``LANGUAGES``."""
    path = LOCALES / f"{language}.po"
    return Messages(read_po(path.read_text(encoding="utf-8")) if path.exists() else {})


def read_po(text: str) -> dict[str, str]:
    """The messages of a .po file without plurals and contexts. Raises ValueError for a line that is neither."""
    said: dict[str, str] = {}
    parts = {"msgid": "", "msgstr": ""}
    part = "msgid"
    for number, line in enumerate([*text.splitlines(), 'msgid ""'], 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line.strip())
        if found is None:
            raise ValueError(f"line {number}: '{line}' is no line of a catalogue")
        if found[1] == "msgid":
            said[parts["msgid"]] = parts["msgstr"]
            parts = {"msgid": "", "msgstr": ""}
        part = found[1] or part
        parts[part] += ast.literal_eval(found[2])
    return {message: told for message, told in said.items() if message}


def language_of(accepted: str) -> str:
    """The language that an Accept-Language header likes best, of those that there are."""
    wishes: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        name, _, weight = part.partition(";q=")
        try:
            wishes.append((-float(weight or 1), name.strip().lower().split("-")[0]))
        except ValueError:
            continue
    return next((name for _, name in sorted(wishes, key=lambda wish: wish[0]) if name in LANGUAGES), "en")


def duration(seconds: float, language: str) -> str:
    """About how long: "8 s", "3 min", "2 h"; whoever waits needs no more figures."""
    _ = catalogue(language).gettext
    if seconds < 90:
        return _("%(count)d s") % {"count": max(1, round(seconds))}
    if seconds < 5400:
        return _("%(count)d min") % {"count": round(seconds / 60)}
    return _("%(count)d h") % {"count": round(seconds / 3600)}


def span(low: float, high: float, language: str) -> str:
    """From … to, about: "8 to 30 s"; one of both where they are the same in words."""
    _ = catalogue(language).gettext
    short, long = duration(low, language), duration(high, language)
    if short == long:
        return _("about %(time)s") % {"time": long}
    if short.split()[-1] == long.split()[-1]:
        short = short.split()[0]
    return _("%(low)s to %(high)s") % {"low": short, "high": long}


def moment(seconds: float, language: str, now: float | None = None) -> str:
    """When something was: "just now", "3 min ago", or its day. ``seconds`` since 1970."""
    _ = catalogue(language).gettext
    ago = (time.time() if now is None else now) - seconds
    if ago < 45:
        return _("just now")
    if ago < 20 * 3600:
        return _("%(time)s ago") % {"time": duration(ago, language)}
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
