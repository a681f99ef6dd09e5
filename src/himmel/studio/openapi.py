"""The description of the API at /openapi.json: what the routes cannot say of themselves.

Owns: errors as every route answers them, bodies that come in several forms, and where the key stands.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

FILE = {"type": "string", "format": "binary"}
MEDIA = {"form": "multipart/form-data", "json": "application/json"}
KEYS = {"key": "/v1/", "worker": "/workers/"}  # what must be shown, and where
BY_NUMBER = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}  # a clip


class Trouble(BaseModel):
    """What went wrong; ``param`` is the field that it lies in."""

    message: str
    type: str
    param: str | None
    code: str


class Envelope(BaseModel):
    """An answer that is no success."""

    error: Trouble


WHEN = {
    400: "A value, or the whole body, cannot be used.",
    401: "The key is missing, unknown or revoked.",
    403: "The key, or the account's role, does not reach so far.",
    404: "There is no such thing in this account.",
    408: "The body came too slowly.",
    409: "The request contradicts an earlier one.",
    413: "The body is too large.",
    429: "Too much at a time; `retry-after` says when to come again.",
    500: "The server made a mistake.",
    503: "A part of the server cannot be used, or too much is going on; `retry-after` says when to come again.",
    507: "The server's disk is full.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Envelope, "description": text} for status, text in WHEN.items()
}


def body(model: type[BaseModel], *required: str, **kinds: dict[str, Any]) -> dict[str, Any]:
    """A body for ``openapi_extra``: the model in each of the kinds "form" and "json", with further fields there.

    Of those fields the ``required`` ones must come. Models within the model wait under "x-models" for ``describe``.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    within = schema.pop("$defs", {})
    content = {}
    for kind, more in kinds.items():
        fields = {"properties": schema["properties"] | more, "required": [*schema.get("required", []), *required]}
        content[MEDIA[kind]] = {"schema": schema | {name: value for name, value in fields.items() if value}}
    return {"requestBody": {"required": True, "content": content}, "x-models": within}


def describe(app: FastAPI) -> dict[str, Any]:
    """The application's description, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path, operations in made["paths"].items():
            for operation in operations.values():
                made["components"]["schemas"] |= operation.pop("x-models", {})
                operation["responses"].pop("422", None)  # we answer 400
                operation["security"] = [{scheme: []} for scheme, below in KEYS.items() if path.startswith(below)]
        for unused in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(unused, None)
        made["components"]["securitySchemes"] = {scheme: {"type": "http", "scheme": "bearer"} for scheme in KEYS}
        app.openapi_schema = made
    return app.openapi_schema
