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

from sqlalchemy import Row
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.spec import MAX_SEED, Size
from himmel.studio import outbound
from himmel.studio.auth import Caller
from himmel.studio.characters import find_character, keep_character
from himmel.studio.files import find_file
from himmel.studio.jobs import Job, Status, find
from himmel.studio.schemas import CreateVideo, EditVideo, ExtendVideo, NewCharacter, Prompted, validated
from himmel.studio.server import Server
from himmel.studio.settings import Settings

REFERENCE = "input_reference"
LONGEST_URL = 20_971_520  # characters of an image_url, data URLs included
LONGEST_TEXT = LONGEST_URL + 1_000_000  # bytes of a JSON body, or of a form's field
FETCHES = outbound.gate()
USUAL_FPS = 24  # where a request leaves it to the model
LONGEST_EXTENSION, LONGEST_EXTENDED, MOST_EXTENSIONS = 20, 120, 6  # seconds, seconds, times


def create_video(server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None) -> Job:
    """The job of a body, the first of several where it asks for ``n``; ``once`` is an idempotency key.

    Raises ApiError.
    """
    body = validated(CreateVideo, fields)
    values = _settled(server, caller, body, "create")
    for character in body.characters:
        _check_character(server, caller.account_id, character.id, body.prompt)
    if body.characters:
        return _refused(server, caller, values, None, once)
    server.space.check_jobs(values, body.n)
    values["first_frame"] = _first_frame(server, caller.account_id, fields.get(REFERENCE))
    seeds = [(values["seed"] + number) % (MAX_SEED + 1) for number in range(body.n)]
    job = server.queue.accept(
        caller.account_id,
        [values | {"seed": seed} for seed in seeds],
        server.cost_of(values),
        key_id=caller.key_id,
        priority=body.priority,
        once=_once(once, body.model_dump(), values["first_frame"]),
    )
    server.space.take(values, body.n)
    return job


def edit_video(server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job that changes a clip of the account's or one that comes with the body. Raises ApiError."""
    body = validated(EditVideo, fields)
    parent = _given_clip(server, caller.account_id, fields)
    if parent is None and body.model is None:
        raise ApiError(400, "invalid_value", "model: a file needs to be told the model too", param="model")
    return _derived(server, caller, "edit", body, parent, once)


def extend_video(server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job that goes on from a clip; its seconds are those of both together. Raises ApiError."""
    body = validated(ExtendVideo, fields)
    parent = _given_clip(server, caller.account_id, fields)
    whole = float(body.seconds) + (float(parent.request["asked_seconds"]) if parent else 0)
    if float(body.seconds) > LONGEST_EXTENSION or whole > LONGEST_EXTENDED:
        allowed = f"at most {LONGEST_EXTENSION} at a time, and {LONGEST_EXTENDED} in all"
        raise ApiError(400, "invalid_value", f"seconds: {allowed}", param="seconds")
    if parent and _extensions(server, caller.account_id, parent) >= MOST_EXTENSIONS:
        raise ApiError(400, "invalid_value", f"video: it was extended {MOST_EXTENSIONS} times already", param="video")
    return _derived(server, caller, "extend", body, parent, once, asked_seconds=f"{whole:g}")


def remix_video(server: Server, caller: Caller, parent: Job, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job that makes a clip anew in another way. Raises ApiError."""
    return _derived(server, caller, "remix", validated(Prompted, fields), _completed(parent), once)


def _derived(
    server: Server, caller: Caller, task: str, body: Prompted, parent: Job | None, once: str | None, **more: str
) -> Job:
    """A job on a clip: what the body leaves open is as it was in the clip."""
    was = parent.request if parent else {}
    usual = {"model": was.get("asked_model"), "size": was.get("size"), "seconds": was.get("asked_seconds")}
    said = {name: value for name, value in (usual | body.model_dump(exclude_none=True)).items() if value is not None}
    values = _settled(server, caller, validated(CreateVideo, said), task) | more
    return _refused(server, caller, values, parent, once)


def _refused(server: Server, caller: Caller, values: dict[str, Any], parent: Job | None, once: str | None) -> Job:
    """A job that says that the model cannot do this; never another clip in its place."""
    server.space.check()
    what = {"create": "show characters", "edit": "edit clips", "extend": "extend clips", "remix": "remix clips"}
    message = f"the model '{values['model']}' cannot {what[values['task']]} yet"
    asked = {name: value for name, value in values.items() if name != "seed"}
    told = _once(once, asked, parent.id if parent else None)
    parent_id = parent.id if parent else None
    whose = (caller.account_id, values, "task_not_supported", message)
    return server.queue.refuse(*whose, key_id=caller.key_id, parent_id=parent_id, once=told)


def new_character(server: Server, caller: Caller, fields: dict[str, Any]) -> Row[Any]:
    """A character of a body: its name, and the clip that shows it. Raises ApiError."""
    name, clip = validated(NewCharacter, fields).name, fields.get("video")
    if not isinstance(clip, UploadFile):
        raise ApiError(400, "invalid_value", "video: give the clip as a file", param="video")
    server.intake.clip(clip.file, "video")
    server.space.check(clip.size or 0)
    clip.file.seek(0)
    return keep_character(server.database, caller, name, server.storage.put(clip.file))


def _once(key: str | None, *asked: object) -> tuple[str, str] | None:
    """An idempotency key and the digest of what came with it."""
    if key is None:
        return None
    return key, hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _settled(server: Server, caller: Caller, body: CreateVideo, task: str) -> dict[str, Any]:
    """The request as it is kept: with the model that is meant and the seed that is used. Raises ApiError (400)."""
    check_extent(server.settings, body)
    model = server.settings.model_for(body.model)
    if model != server.settings.model:
        raise ApiError(400, "model_not_found", f"there is no model '{body.model}' here", param="model")
    caller.check_model(model, body.model)
    return body.model_dump() | {
        "task": task,
        "asked_model": body.model,
        "model": model,
        "asked_seconds": body.seconds,
        "seconds": float(body.seconds),
        "seed": secrets.randbelow(MAX_SEED + 1) if body.seed is None else body.seed,
        "first_frame": None,
    }


def check_extent(settings: Settings, body: CreateVideo) -> None:
    """Raise ApiError (400) for more seconds or pixels than the operator lets one request have."""
    seconds, size = float(body.seconds), Size.parse(body.size)
    if seconds > settings.job_seconds:
        told = f"seconds: a clip may last {settings.job_seconds:g} seconds on this server"
        raise ApiError(400, "invalid_value", told, param="seconds")
    a_second = size.width * size.height * (body.fps or USUAL_FPS) * body.n / 1e6
    if seconds * a_second > settings.job_megapixels:
        told = f"size: all frames of a request may have {settings.job_megapixels:g} megapixels together on this server"
        allowed = (
            f"{told}; at this size, frame rate and number that is {settings.job_megapixels / a_second:.1f} seconds"
        )
        raise ApiError(400, "invalid_value", allowed, param="size")


def _given_clip(server: Server, account_id: str, fields: dict[str, Any]) -> Job | None:
    """The clip that a body names by its number; None for one that comes with it as a file. Raises ApiError."""
    match fields.get("video"):
        case UploadFile() as given:
            server.intake.clip(given.file, "video")
            return None
        case {"id": str(video_id), **others} if not others:
            return _completed(find_video(server, account_id, video_id))
    raise ApiError(400, "invalid_value", "video: give the clip, a file or {'id': …}", param="video")


def find_video(server: Server, account_id: str, video_id: str) -> Job:
    """A job of this account. Raises ApiError (404)."""
    with server.database.read() as connection:
        job = find(connection, video_id, account_id)
    if job is None:
        raise no_video(video_id)
    return job


def no_video(video_id: str) -> ApiError:
    return ApiError(404, "video_not_found", f"there is no video '{video_id[:80]}'", param="video_id")


def _completed(parent: Job) -> Job:
    if parent.status != Status.COMPLETED:
        message = f"the clip is not there: the job is {parent.status}"
        raise ApiError(400, "video_not_ready", message, param="video")
    return parent


def _extensions(server: Server, account_id: str, job: Job) -> int:
    """How often a clip was extended to become what it is; a clip that was deleted since ends the count."""
    count = 0
    with server.database.read() as connection:
        found: Job | None = job
        while found and found.request.get("task") == "extend":
            count += 1
            found = find(connection, found.parent_id, account_id) if found.parent_id else None
    return count


def _check_character(server: Server, account_id: str, character_id: str, prompt: str) -> None:
    name = find_character(server.database, account_id, character_id).name
    if name not in prompt:
        raise ApiError(400, "invalid_value", f"prompt: the name '{name}' must be in it", param="prompt")


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
            with tempfile.TemporaryFile() as copy:
                copy.writelines(server.storage.chunks(file.digest))
                copy.seek(0)
                yield copy
        case {"image_url": str(url), **others} if not others:
            with tempfile.TemporaryFile() as copy:
                copy.write(_fetched(server, url))
                copy.seek(0)
                yield copy
        case _:
            raise ApiError(400, "invalid_value", "give a file, or one of 'file_id' and 'image_url'", param=REFERENCE)


def _fetched(server: Server, url: str) -> bytes:
    if len(url) > LONGEST_URL:
        raise ApiError(400, "invalid_value", f"image_url: at most {LONGEST_URL} characters", param=REFERENCE)
    if found := re.match(r"data:image/(?:jpeg|png|webp);base64,", url):
        try:
            return base64.b64decode(url[found.end() :], validate=True)
        except (binascii.Error, ValueError):  # ValueError for what is not even ASCII
            raise ApiError(400, "invalid_image", "the data URL is no base64", param=REFERENCE) from None
    with FETCHES.passed():
        return server.webhooks.outbound.get(url).content
