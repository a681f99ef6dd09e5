"""From a body to a job: what is asked for, with everything settled that was left open.

Owns: the making of jobs, for requests and for the lines of a batch alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.files import find_file
from himmel.studio.intake import Clip, Gate
from himmel.studio.jobs import Job
from himmel.studio.schemas import DEFAULT_SIZE, CreateVideo, validated
from himmel.studio.server import Server

REFERENCE = "input_reference"
LONGEST_URL = 20_971_520  # characters, data URLs included
TEXT = LONGEST_URL + 1_000_000  # bytes of a JSON body, or of a form's field
FETCHES = Gate(8, waiting=0)  # each holds a thread as long as another server likes


def create_video(server: Server, account_id: str, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job of its own for a body; ``once`` is an idempotency key. Raises ApiError."""
    body = validated(CreateVideo, fields)
    values = _settled(server, body)
    server.storage.check_space()
    values["first_frame"] = _first_frame(server, account_id, fields.get(REFERENCE))
    same = json.dumps([body.model_dump(), values["first_frame"]], sort_keys=True)
    digest = hashlib.sha256(same.encode()).hexdigest()
    return server.queue.accept(account_id, values, server.cost_of(values), once=(once, digest) if once else None)


def refuse_task(server: Server, account_id: str, task: str, fields: dict[str, Any], parent: Job | None) -> Job:
    """A job that says that the model cannot do this task; never another clip in its place. Raises ApiError."""
    if parent is None:
        checked_clip(server, fields.get("video"))
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


def checked_clip(server: Server, given: Any, param: str = "video") -> Clip:
    """What an uploaded clip is, every frame of it decoded. Raises ApiError (400, 413, 503)."""
    if not isinstance(given, UploadFile):
        raise ApiError(400, "invalid_value", "give the clip: a file, or {'id': …}", param=param)
    return server.intake.clip(given.file, param)


def _first_frame(server: Server, account_id: str, given: Any) -> str | None:
    """The digest of a first frame, given in any of its forms and kept as a clean PNG. Raises ApiError."""
    if given is None:
        return None
    with _picture(server, account_id, given) as source, server.intake.picture(source, REFERENCE) as clean:
        return server.storage.put(clean)


@contextmanager
def _picture(server: Server, account_id: str, given: Any) -> Iterator[Any]:
    """A picture in any of its forms as a file, not looked at yet. Raises ApiError."""
    match given:
        case UploadFile():
            yield given.file
        case {"file_id": str(file_id), **others} if not others:
            file = find_file(server.database, account_id, file_id)
            with server.storage.path(file.digest).open("rb") as found:
                yield found
        case {"image_url": str(url), **others} if not others:
            with tempfile.TemporaryFile() as copy:
                copy.write(_fetched(server, url))
                yield copy
        case _:
            raise ApiError(400, "invalid_value", "give a file, or one of 'file_id' and 'image_url'", param=REFERENCE)


def _fetched(server: Server, url: str) -> bytes:
    if len(url) > LONGEST_URL:
        raise ApiError(400, "invalid_value", f"the URL is longer than {LONGEST_URL} characters", param=REFERENCE)
    if found := re.match(r"data:image/(?:jpeg|png|webp);base64,", url):
        try:
            return base64.b64decode(url[found.end() :], validate=True)
        except (binascii.Error, ValueError):  # ValueError for what is not even ASCII
            raise ApiError(400, "invalid_image", "the data URL is no base64", param=REFERENCE) from None
    with FETCHES.passed():
        return server.webhooks.outbound.get(url).content
