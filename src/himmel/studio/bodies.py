"""Request bodies in all the forms that clients really send, as one form.

Owns: telling multipart, URL-encoded and JSON apart, bracketed names ("video[id]", "characters[][id]"), limits on
depth and size. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from himmel.errors import ApiError

DEEPEST = 8
MOST_FIELDS = 100


async def read_body(request: Request, limit: int) -> dict[str, Any]:
    """Fields by name: text as it came, JSON values, :class:`UploadFile` for files, dicts and lists for brackets.

    ``limit`` in bytes. Raises ApiError (400, 413) for what cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if int(request.headers.get("content-length") or 0) > limit:
        raise _too_large(limit)
    limited = Request(request.scope, _counted(request, limit).__anext__)
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        try:
            form = await limited.form(max_fields=MOST_FIELDS, max_files=4, max_part_size=limit)
        except ApiError:
            raise
        except Exception as error:  # the parser raises its own kinds
            raise ApiError(400, "invalid_form", f"the form cannot be read: {error}") from None
        return unbracketed(form.multi_items())
    body = await limited.body()
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "the body is no JSON") from None
    if not isinstance(found, dict) or _depth(found) > DEEPEST:
        raise ApiError(400, "invalid_json", f"the body must be a JSON object, at most {DEEPEST} levels deep")
    return found


def unbracketed(items: list[tuple[str, UploadFile | str]]) -> dict[str, Any]:
    """("video[id]", "x") becomes {"video": {"id": "x"}}; ("characters[][id]", "a"), … a list of dicts."""
    fields: dict[str, Any] = {}
    for name, value in items:
        path = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name)
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


async def _counted(request: Request, limit: int) -> AsyncIterator[dict[str, Any]]:
    """The request's messages, until they are more than ``limit`` bytes together."""
    seen = 0
    while True:
        message = dict(await request.receive())
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        yield message


def _too_large(limit: int) -> ApiError:
    return ApiError(413, "body_too_large", f"the body is larger than {limit} bytes")


def _depth(value: object) -> int:
    """Levels of a JSON value, counted without recursion."""
    level, deepest = [value], 0
    while level:
        deepest += 1
        children = (list(v.values()) if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [grandchild for child in children for grandchild in child]
        if deepest > DEEPEST + 1:
            break
    return deepest
