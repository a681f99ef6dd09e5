"""What errors say on pages: those that makers meet most in the page's language, all others marked as English.

Owns: which ones are translated. Errors are raised in English with their values in them; here stand their sentences with
gaps for the values. What fills a gap called "why" or "status" is a complaint of its own.
"""

from __future__ import annotations

import re
from functools import cache

from markupsafe import Markup, escape

from himmel.studio.texts import catalogue

FIELD = re.compile(r"^(?:([a-z_]+): )?(?:Value error, )?")  # what an API's client needs, and a page does not

OURS = re.compile(r"^[a-z_]+: Value error, ")  # before a sentence of ours about a field, which names it itself


def _(sentence: str) -> str:
    """Marks a sentence for the catalogues."""
    return sentence


SENTENCES = (
    # what is asked for
    _("the prompt is empty"),
    _("size '%(size)s' is not understood; allowed: WIDTHxHEIGHT, for example 256x256"),
    _("size %(size)s is not possible; allowed: WIDTHxHEIGHT, even numbers from 16 to 4096"),
    _("seconds must be a number, for example '4'"),
    _("seconds must be between %(low)s and %(high)s"),
    _("'%(text)s' is no such number of seconds; allowed: %(low)s to %(high)s"),
    _("a clip may last %(most)s seconds on this server"),
    _(
        "all frames of a request may have %(most)s megapixels together on this server; "
        "at this size, frame rate and number that is %(seconds)s seconds"
    ),
    _("a loop is made in one piece; take the cuts away, or do not close it"),
    _("a loop of clips begins with one and ends with seconds that are to be made"),
    # what it is made of
    _("there is no video '%(clip)s'"),
    _("the clip is not there: the job is %(status)s"),
    _("queued"),
    _("in_progress"),
    _("failed"),
    _("at most %(most)s at a time, and %(all)s in all"),
    _("it was extended %(times)s times already"),
    _("from %(start)s to %(stop)s s there is nothing to keep; allowed: 0 to %(length)s s, at least %(least)s"),
    _("nothing would change; move an end, or have seconds made"),
    _("both clips must last longer than the %(seconds)s s that go over into one another"),
    _("card %(number)s: %(why)s"),
    _("a storyboard has at most %(most)s cards"),
    _("say on at least one card what is to be seen"),
    _("give it a picture: a JPEG, PNG or WebP file"),
    _("choose a clip"),
    # files
    _("choose a clip first: an MP4 file"),
    _("this is not a JPEG, PNG or WebP picture that can be used: %(why)s"),
    _("this is not an MP4 clip that can be used: %(why)s"),
    _("it is damaged, or no JPEG, PNG or WebP picture (%(kind)s)"),
    _("it is damaged, or no MP4 video (%(kind)s)"),
    _("it is too long; allowed: %(frames)s frames, %(seconds)s seconds"),
    _("the body is larger than %(most)s bytes"),
    _("there is no such file, or not yet"),
    _("there is no such picture any more; give it again"),
    _("there is nothing at this address"),
    _("this is no zip and no folder, or it is damaged"),
    _("there is no MP4 clip in it"),
    _("an import of yours is under way; bring the next when it is over"),
    # limits and room
    _("%(waiting)s jobs are waiting already, and %(most)s may; ask again later"),
    _("this account may have %(most)s jobs at a time, and %(count)s are waiting or running"),
    _("this account may use %(most)s compute-seconds a day; %(used)s are used, %(more)s more asked"),
    _("the server's disk is full; nothing was lost, try again later"),
    _("the server's store of files cannot be reached; nothing was lost, try again later"),
    _("its worker fell silent %(times)s times; the job is not tried again"),
    _("the worker made a mistake; it was noted"),
    _("the server made a mistake; it was noted"),
    _("the server has too much to do; try again in a moment"),
    _("the server's database does not answer; try again later"),
    # the library
    _("no clip is chosen; tick some first"),
    _("to compare, tick exactly two clips"),
    _("there is a folder '%(name)s' already"),
    # who somebody is
    _("the name or the password is not right"),
    _("the present password is not right"),
    _("a password has %(least)s to %(most)s characters; several words are easy to remember"),
    _("too many wrong tries; %(why)s"),
    _("wait ten minutes, or sign in with a key"),
    _("wait an hour, or sign in with a passkey or a key"),
    _("this code is not right, or it was used already"),
    _("this API key is not known, or it was revoked"),
    _("this account is suspended; ask the server's operator"),
    _("this form did not come from a page of your session; load the page again and send it anew"),
    _("this link is not good, or it was used already"),
    _("this link leads nowhere: it was revoked, or a piece of it is missing"),
)

# What pydantic says of fields: for these it is said on pages, too, which one is meant.
OF_FIELDS = (
    _("Input should be less than or equal to %(most)s"),
    _("Input should be greater than or equal to %(least)s"),
    _("Input should be a valid integer, unable to parse string as an integer"),
    _("Input should be a valid number, unable to parse string as a number"),
    _("String should have at least %(least)s character"),
    _("String should have at most %(most)s characters"),
)
FIELDS = {
    "prompt": _("What the clip shows"),
    "negative_prompt": _("What it must not show"),
    "seed": _("Seed"),
    "steps": _("Steps"),
    "guidance": _("Guidance"),
    "fps": _("Frames a second"),
    "size": _("Size"),
    "n": _("Variations"),
}


def complaint(text: str, language: str) -> Markup:
    """What an error says, for a page in this language."""
    found, english = _found(text), OURS.sub("", text)
    if language == "en" and (found is None or found[0] not in OF_FIELDS):
        return escape(english)
    if found is None:
        return Markup('<span lang="en">%s</span>') % english
    sentence, gaps = found
    said = catalogue(language).gettext
    filled = {name: complaint(value, language) if name in ("why", "status") else value for name, value in gaps.items()}
    told = Markup(said(sentence)) % filled
    field = FIELD.match(text)
    if sentence in OF_FIELDS and field and field[1] in FIELDS:
        return Markup("%s: %s") % (said(FIELDS[field[1]]), told)
    return told


def as_told(text: str, language: str) -> dict[str, str]:
    """The same for a script: the ``message`` as plain text, and the language, ``lang``, that it is in."""
    return {"message": complaint(text, language).striptags(), "lang": language if _found(text) else "en"}


def _found(text: str) -> tuple[str, dict[str, str]] | None:
    """The sentence that a text is, and what fills its gaps."""
    bare = FIELD.sub("", text)
    for sentence, pattern in _patterns():
        if match := pattern.fullmatch(bare):
            return sentence, match.groupdict()
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    gap = re.compile(r"%\\\((\w+)\\\)s")  # as re.escape leaves it
    return [(one, re.compile(gap.sub(r"(?P<\1>.+)", re.escape(one)), re.DOTALL)) for one in SENTENCES + OF_FIELDS]
