"""From a body to a job: what is asked for, with everything settled that was left open.

Owns: the making of jobs, for requests and for the lines of a batch alike. Those that begin from a clip stand in
``remakes``.
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
from himmel.spec import MAX_SEED, Size, instead_of_turbo
from himmel.studio import outbound
from himmel.studio.auth import Caller
from himmel.studio.characters import find_character, keep_character
from himmel.studio.files import find_file
from himmel.studio.jobs import Job, find
from himmel.studio.schemas import CreateVideo, NewCharacter, validated
from himmel.studio.server import Server
from himmel.studio.settings import Settings

REFERENCE = "input_reference"
LONGEST_URL = 20_971_520  # characters of an image_url, data URLs included
LONGEST_TEXT = LONGEST_URL + 1_000_000  # bytes of a JSON body, or of a form's field
FETCHES = outbound.gate()
USUAL_FPS = 24  # where a request leaves it to the model


def create_video(
    server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None, parent_id: str | None = None
) -> Job:
    """The job of a body, the first of several where it asks for ``n``; ``once`` is an idempotency key.

    ``parent_id`` is the clip that its first frame is of.

    Raises ApiError.
    """
    body = validated(CreateVideo, fields)
    values = settled(server, caller, body, "create")
    values["cast"] = [_character(server, caller.account_id, each.id, body.prompt) for each in body.characters]
    server.space.check_jobs(values, body.n)
    values["first_frame"] = keep_picture(server, caller.account_id, fields.get(REFERENCE))
    return accepted(server, caller, values, once_of(once, body.model_dump(), values["first_frame"]), parent_id)


def accepted(
    server: Server,
    caller: Caller,
    values: dict[str, Any],
    once: tuple[str, str] | None,
    parent_id: str | None = None,
) -> Job:
    """The job of a settled request, the first of ``n``, each with the next seed; ``once`` see :func:`once_of`.

    Raises ApiError.
    """
    seeds = [(values["seed"] + number) % (MAX_SEED + 1) for number in range(values["n"])]
    job = server.queue.accept(
        caller.account_id,
        [values | {"seed": seed} for seed in seeds],
        server.cost_of(values),
        key_id=caller.key_id,
        parent_id=parent_id,
        priority=values["priority"],
        once=once,
    )
    server.space.take(values, values["n"])
    return job


def new_character(server: Server, caller: Caller, fields: dict[str, Any]) -> Row[Any]:
    """A character of a body: its name, and the clip that shows it. Raises ApiError."""
    name, clip = validated(NewCharacter, fields).name, fields.get("video")
    if not isinstance(clip, UploadFile):
        raise ApiError(400, "invalid_value", "video: give the clip as a file", param="video")
    server.intake.clip(clip.file, "video")
    server.space.check(clip.size or 0)
    clip.file.seek(0)
    return keep_character(server.database, caller, name, server.storage.put(clip.file))


def once_of(key: str | None, *asked: object) -> tuple[str, str] | None:
    """An idempotency key and the digest of what came with it."""
    if key is None:
        return None
    return key, hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def settled(server: Server, caller: Caller, body: CreateVideo, task: str) -> dict[str, Any]:
    """The request as it is kept: with the model that is meant and the seed that is used. Raises ApiError (400)."""
    check_extent(server.settings, body)
    model = server.settings.model_for(body.model)
    if model != server.settings.model:
        raise ApiError(400, "model_not_found", f"there is no model '{body.model}' here", param="model")
    caller.check_model(model, body.model)
    if body.turbo:
        _check_turbo(server, body, model)
    return body.model_dump() | {
        "task": task,
        "asked_model": body.model,
        "model": model,
        "asked_seconds": body.seconds,
        "seconds": float(body.seconds),
        "seed": secrets.randbelow(MAX_SEED + 1) if body.seed is None else body.seed,
        "first_frame": None,
        "source": None,
        "kept_seconds": 0.0,
    }


def check_extent(settings: Settings, body: CreateVideo) -> None:
    """Raise ApiError (400) for more seconds or pixels than the operator lets one request have."""
    seconds, size = float(body.seconds), Size.parse(body.size)
    if seconds > settings.job_seconds:
        told = f"seconds: a clip may last {settings.job_seconds:g} seconds on this server"
        raise ApiError(400, "invalid_value", told, param="seconds")
    a_second = size.width * size.height * (body.fps or USUAL_FPS) * body.n / 1e6
    if seconds * a_second > settings.job_megapixels:
        told = (
            f"size: all frames of a request may have {settings.job_megapixels:g} megapixels together on this server; "
            f"at this size, frame rate and number that is {settings.job_megapixels / a_second:.1f} seconds"
        )
        raise ApiError(400, "invalid_value", told, param="size")


def _check_turbo(server: Server, body: CreateVideo, model: str) -> None:
    """Raise ApiError (400) where Turbo is asked for and, as far as is known, no worker can do this as Turbo."""
    known = server.workers.turbo_steps(model) or []
    instead = [instead_of_turbo(steps, body.steps, body.guidance, body.negative_prompt) for steps in known]
    if instead and all(instead):
        told = f"turbo: the model '{model}' cannot do this as Turbo; {instead[0]}"
        raise ApiError(400, "invalid_value", told, param="turbo")


def find_video(server: Server, account_id: str, video_id: str) -> Job:
    """A job of this account. Raises ApiError (404)."""
    with server.database.read() as connection:
        job = find(connection, video_id, account_id)
    if job is None:
        raise no_video(video_id)
    return job


def model_like(server: Server, job: Job) -> str:
    """The model to ask for a clip like this one: that one's, or the server's where another made it elsewhere."""
    asked = str(job.request["asked_model"])
    return asked if server.settings.model_for(asked) == server.settings.model else server.settings.model


def no_video(video_id: str) -> ApiError:
    return ApiError(404, "video_not_found", f"there is no video '{video_id[:80]}'", param="video_id")


def _character(server: Server, account_id: str, character_id: str, prompt: str) -> dict[str, str]:
    """A character's name, and the digest of the clip that shows it. Raises ApiError."""
    found = find_character(server.database, account_id, character_id)
    if found.name not in prompt:
        raise ApiError(400, "invalid_value", f"prompt: the name '{found.name}' must be in it", param="prompt")
    return {"name": found.name, "digest": found.digest}


def keep_picture(server: Server, account_id: str, given: Any) -> str | None:
    """The digest of a picture, given in any of its forms and kept as a clean PNG. Raises ApiError."""
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
