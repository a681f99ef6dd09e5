"""What the server and its workers tell of their work: one line for each thing that happened.

Owns: the form of the lines, for people or for machines, and what they are about (a request, a job, an account),
which follows the work from thread to thread.

No prompt, body, secret or query string gets into a line: what may stand in one is named below, and an error is told
by its kind and place. Its text, which may quote anything, is told at the level "debug" only.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from himmel.errors import BadRequest

FORMATS = ("auto", "text", "json")
LEVELS = ("debug", "info", "warning", "error")
FIELDS = (
    "request_id",
    "method",
    "route",
    "status",
    "milliseconds",
    "account_id",
    "key_id",
    "job_id",
    "worker",
    "seconds",
    "error_code",
    "subject",
    "audit_hash",
)
DEEPEST = 5  # causes of an error that are told

_about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Lines that are written in this block, in whichever thread, tell these fields too."""
    token = _about.set({**known(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def note(**fields: object) -> None:
    """Add what was found out to the innermost ``about``; does nothing outside of any.

    The fields are kept in one dict that all threads of a request share, so that a thread can tell its request.
    """
    fields_now = _about.get()
    if fields_now is not None:
        fields_now.update(fields)


def known() -> dict[str, object]:
    """What the work at hand is about."""
    return dict(_about.get() or {})


def configure(form: str = "auto", level: str = "info") -> None:
    """Write lines to standard error; ``auto`` is text on a terminal and JSON elsewhere.

    Other libraries are heard from warnings upwards: what they say in detail may quote addresses and headers.
    Raises BadRequest.
    """
    for value, allowed in ((form, FORMATS), (level, LEVELS)):
        if value not in allowed:
            raise BadRequest(f"the log cannot be '{value}'; allowed: {', '.join(allowed)}")
    handler = logging.StreamHandler()
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter((Text if as_text else Json)(whole=level == "debug"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("himmel").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(max(logging.INFO, logging.getLogger("himmel").level))


class Json(logging.Formatter):
    """A line as one JSON object. ``whole`` tells the texts of errors too."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__()
        self.whole = whole

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1]:
            line["errors"] = _told(record.exc_info[1], self.whole)
        return json.dumps(line, ensure_ascii=False, default=str)


class Text(Json):
    """The same for people: time, level, message, fields; an error's places on lines of their own."""

    def format(self, record: logging.LogRecord) -> str:
        line = json.loads(super().format(record))
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        del line["time"], line["logger"]
        errors = line.pop("errors", [])
        told = [time, f"{line.pop('level'):<7}", " ".join(line.pop("message").split())]
        told += [f"{name}={value}" for name, value in line.items()]
        places = [f"\n    {error['kind']} {error.get('text', '')}: {' < '.join(error['at'])}" for error in errors]
        return " ".join(told) + "".join(places)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    own = {name: getattr(record, name, None) for name in FIELDS}
    told = known() | {name: value for name, value in own.items() if value is not None}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in told.items()}


def _told(error: BaseException | None, whole: bool) -> list[dict[str, Any]]:
    """An error and its causes: kind and places, innermost place first."""
    found: list[dict[str, Any]] = []
    while error is not None and len(found) < DEEPEST:
        frames = reversed(traceback.extract_tb(error.__traceback__))
        at = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        text = (str(error).splitlines() or [""])[0]  # in further lines PostgreSQL quotes the row
        found.append({"kind": type(error).__name__, "at": at} | ({"text": text} if whole else {}))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found
