"""From a body to a job: what is asked for, with everything settled that was left open.

Owns: the making of jobs, for requests and for the lines of a batch alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import secrets
from typing import Any

from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.files import find_file
from himmel.studio.jobs import Job
from himmel.studio.schemas import DEFAULT_SIZE, CreateVideo, validated
from himmel.studio.server import Server

PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")  # what JPEG, PNG and WebP begin with
REFERENCE = "input_reference"


def create_video(server: Server, account_id: str, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job of its own for a body; ``once`` is an idempotency key. Raises ApiError."""
    body = validated(CreateVideo, fields)
    values = _settled(server, body)
    picture = _picture(server, account_id, fields.get(REFERENCE))
    server.space.check_job(values)
    values["first_frame"] = server.storage.put(io.BytesIO(picture)) if picture else None
    same = json.dumps([body.model_dump(), values["first_frame"]], sort_keys=True)
    digest = hashlib.sha256(same.encode()).hexdigest()
    return server.queue.accept(account_id, values, server.cost_of(values), once=(once, digest) if once else None)


def refuse_task(server: Server, account_id: str, task: str, fields: dict[str, Any], parent: Job | None) -> Job:
    """A job that says that the model cannot do this task; never another clip in its place. Raises ApiError."""
    if parent is None and not isinstance(fields.get("video"), UploadFile):
        raise ApiError(400, "invalid_value", "give the clip: a file, or {'id': …}", param="video")
    was = parent.request if parent else {}
    usual = {"model": was.get("asked_model", "sora-2"), "size": was.get("size", DEFAULT_SIZE)}
    body = validated(CreateVideo, usual | {"seconds": was.get("asked_seconds", "4")} | fields)
    values = _settled(server, body)
    message = f"the model '{values['model']}' cannot {task} clips yet"
    return server.queue.refuse(account_id, values, parent.id if parent else None, "task_not_supported", message)


def _settled(server: Server, body: CreateVideo) -> dict[str, Any]:
    """The request as it is kept: with the model that is meant and the seed that is used. Raises ApiError (400)."""
    model = server.settings.model_for(body.model)
    if model != server.settings.model:
        raise ApiError(400, "model_not_found", f"there is no model '{body.model}' here", param="model")
    return body.model_dump() | {
        "asked_model": body.model,
        "model": model,
        "asked_seconds": body.seconds,
        "seconds": float(body.seconds),
        "seed": secrets.randbelow(2**31) if body.seed is None else body.seed,
        "first_frame": None,
    }


def _picture(server: Server, account_id: str, given: Any) -> bytes | None:
    """The bytes of a first frame in any of its forms. Raises ApiError (400) for what is no picture."""
    match given:
        case None:
            return None
        case UploadFile():
            content = given.file.read()
        case {"file_id": str(file_id), **others} if not others:
            file = find_file(server.database, account_id, file_id)
            content = server.storage.read(file.digest)
        case {"image_url": str(url), **others} if not others:
            content = _fetched(server, url)
        case _:
            raise ApiError(400, "invalid_value", "give a file, or one of 'file_id' and 'image_url'", param=REFERENCE)
    if not content.startswith(PICTURES):
        raise ApiError(400, "invalid_image", "the first frame must be a JPEG, PNG or WebP picture", param=REFERENCE)
    return content


def _fetched(server: Server, url: str) -> bytes:
    if found := re.match(r"data:image/(?:jpeg|png|webp);base64,", url):
        try:
            return base64.b64decode(url[found.end() :], validate=True)
        except binascii.Error:
            raise ApiError(400, "invalid_image", "the data URL is no base64", param=REFERENCE) from None
    return server.webhooks.outbound.get(url).content
