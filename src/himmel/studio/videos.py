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
from himmel.spec import MAX_SEED
from himmel.studio.auth import Caller
from himmel.studio.characters import find_character
from himmel.studio.files import find_file
from himmel.studio.jobs import Job
from himmel.studio.schemas import DEFAULT_SIZE, CreateVideo, validated
from himmel.studio.server import Server

PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")  # what JPEG, PNG and WebP begin with
REFERENCE = "input_reference"


def create_video(server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None) -> Job:
    """The job of a body, the first of several where it asks for ``n``; ``once`` is an idempotency key.

    Raises ApiError.
    """
    body = validated(CreateVideo, fields)
    values = _settled(server, caller, body)
    if body.characters:
        return _without_characters(server, caller, body, values)
    picture = _picture(server, caller.account_id, fields.get(REFERENCE))
    server.space.check_jobs(values, body.n)
    values["first_frame"] = server.storage.put(io.BytesIO(picture)) if picture else None
    same = json.dumps([body.model_dump(), values["first_frame"]], sort_keys=True)
    digest = hashlib.sha256(same.encode()).hexdigest()
    seeds = [(values["seed"] + number) % (MAX_SEED + 1) for number in range(body.n)]
    return server.queue.accept(
        caller.account_id,
        [values | {"seed": seed} for seed in seeds],
        server.cost_of(values),
        key_id=caller.key_id,
        priority=body.priority,
        once=(once, digest) if once else None,
    )


def refuse_task(server: Server, caller: Caller, task: str, fields: dict[str, Any], parent: Job | None) -> Job:
    """A job that says that the model cannot do this task; never another clip in its place. Raises ApiError."""
    if parent is None and not isinstance(fields.get("video"), UploadFile):
        raise ApiError(400, "invalid_value", "give the clip: a file, or {'id': …}", param="video")
    was = parent.request if parent else {}
    usual = {"model": was.get("asked_model", "sora-2"), "size": was.get("size", DEFAULT_SIZE)}
    body = validated(CreateVideo, usual | {"seconds": was.get("asked_seconds", "4")} | fields)
    values = _settled(server, caller, body)
    return _refused(server, caller, values, f"{task} clips", parent.id if parent else None)


def _without_characters(server: Server, caller: Caller, body: CreateVideo, values: dict[str, Any]) -> Job:
    """The failed job of a body with characters, which no model of ours knows how to draw. Raises ApiError."""
    for given in body.characters:
        if find_character(server.database, caller.account_id, given.id).name not in body.prompt:
            raise ApiError(400, "invalid_value", "the names of the characters must stand in the prompt", param="prompt")
    return _refused(server, caller, values, "show characters", None)


def _refused(server: Server, caller: Caller, values: dict[str, Any], task: str, parent_id: str | None) -> Job:
    message = f"the model '{values['model']}' cannot {task} yet"
    return server.queue.refuse(
        caller.account_id, values, "task_not_supported", message, key_id=caller.key_id, parent_id=parent_id
    )


def _settled(server: Server, caller: Caller, body: CreateVideo) -> dict[str, Any]:
    """The request as it is kept: with the model that is meant and the seed that is used. Raises ApiError (400)."""
    model = server.settings.model_for(body.model)
    if model != server.settings.model:
        raise ApiError(400, "model_not_found", f"there is no model '{body.model}' here", param="model")
    caller.check_model(model)
    return body.model_dump() | {
        "asked_model": body.model,
        "model": model,
        "asked_seconds": body.seconds,
        "seconds": float(body.seconds),
        "seed": secrets.randbelow(MAX_SEED + 1) if body.seed is None else body.seed,
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
