"""Request bodies in all the forms that clients really send, as one form.

Owns: telling multipart, URL-encoded and JSON apart, bracketed names ("video[id]", "characters[][id]"), how many fields
there may be, and how a file may be called. What JSON may hold stands in ``strict_json``, how many bytes may come in
``reception``. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from himmel.errors import ApiError
from himmel.studio.reception import expect
from himmel.studio.storage import FULL, full
from himmel.studio.strict_json import check_text, parsed

MOST_FIELDS = 100
MOST_FILES = 4
IN_MEMORY = 1 << 20  # bytes of each file; the rest of it goes to disk
LONGEST_NAME = 200  # characters of fields and files
SOME_TEXT = 1_000_000  # bytes of a JSON body, or of a form's field


async def read_body(
    request: Request, limit: int, text: int = SOME_TEXT, *, fields: int = MOST_FIELDS, files: int = MOST_FILES
) -> dict[str, Any]:
    """Fields by name: text as it came, JSON values, :class:`UploadFile` for files, dicts and lists for brackets.

    ``limit`` in bytes, ``text`` those of a JSON body and of a field that is no file; ``fields`` and ``files`` say how
    many there may be. Raises ApiError (400, 408, 413,
    503) for what cannot be read.
    """
    kind, _, rest = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _json(request, min(limit, text))
    if rest.count("charset") != len(re.findall(r"charset=([\"']?)(?:utf-8|us-ascii)\1\s*(?:;|$)", rest)):
        raise ApiError(400, "invalid_form", "the form's charset cannot be used; allowed: utf-8")
    expect(request, limit, min(limit, files * IN_MEMORY + 2 * text))
    try:
        form = await request.form(max_fields=fields, max_files=files, max_part_size=text)
    except ApiError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise full() from None
        raise
    except Exception as error:  # the parser raises its own kinds
        told = getattr(error, "detail", None) or str(error)
        raise ApiError(400, "invalid_form", f"the form cannot be read: {told}") from None
    items = form.multi_items()
    for _, value in items:
        if isinstance(value, str):
            check_text(value)
    return unbracketed(items)


async def _json(request: Request, limit: int) -> dict[str, Any]:
    expect(request, limit)
    body = await request.body()
    if not body:
        return {}
    found = await run_in_threadpool(parsed, body)
    if not isinstance(found, dict):
        raise ApiError(400, "invalid_json", "the body must be a JSON object")
    return found


class StrictRoute(APIRoute):
    """A route whose JSON body the framework reads, as strictly as we do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_Strict(request.scope, request.receive))

        return strict


class _Strict(Request):
    async def json(self) -> Any:
        try:
            return parsed(await self.body())
        except ApiError as error:
            raise HTTPException(error.status, str(error)) from None  # the framework keeps no other kind


def file_name(file: UploadFile) -> str:
    """What an uploaded file shall be called where it is shown: its last part, without what cannot be seen."""
    last = re.split(r"[/\\\\]", file.filename or "")[-1]
    # C: control characters and marks that turn the direction of writing among them
    seen = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip(" .")
    return seen[:LONGEST_NAME] or "file"


def unbracketed(items: list[tuple[str, UploadFile | str]]) -> dict[str, Any]:
    """("video[id]", "x") becomes {"video": {"id": "x"}}; ("characters[][id]", "a"), … a list of dicts."""
    fields: dict[str, Any] = {}
    for name, value in items:
        path = re.fullmatch(r"([^\[\]\0]+)((?:\[[^\[\]\0]*\])*)", name) if len(name) <= LONGEST_NAME else None
        if not path:
            raise ApiError(400, "invalid_form", f"the field name '{name[:80]}' cannot be read", param=name[:80])
        keys = re.findall(r"\[([^\[\]]*)\]", path[2])
        match keys:
            case []:
                fields[path[1]] = value
            case [""]:
                _child(fields, path[1], list).append(value)
            case ["", key]:
                rows = _child(fields, path[1], list)
                if not rows or not isinstance(rows[-1], dict) or key in rows[-1]:
                    rows.append({})
                rows[-1][key] = value
            case [key]:
                _child(fields, path[1], dict)[key] = value
            case _:
                raise ApiError(400, "invalid_form", f"the field name '{name[:80]}' is too deep", param=name[:80])
    return fields


def _child(fields: dict[str, Any], name: str, kind: type) -> Any:
    child = fields.setdefault(name, kind())
    if not isinstance(child, kind):
        raise ApiError(400, "invalid_form", f"the field '{name}' came in two forms", param=name)
    return child
