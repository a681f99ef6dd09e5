"""From a body about a clip to a job: edits, extensions and remixes.

Owns: which clip is meant, what a job takes over from it, and how often and how far a clip is extended. The clip is
read by the worker, under the digest that it is stored by.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from starlette.datastructures import UploadFile

from himmel.errors import ApiError, BadRequest
from himmel.media.mask import box_of
from himmel.spec import RANGES, Size, whole_fps
from himmel.studio.auth import Caller
from himmel.studio.jobs import Job, Status, find
from himmel.studio.schemas import CreateVideo, EditVideo, ExtendVideo, Prompted, RemixVideo, validated
from himmel.studio.server import Server
from himmel.studio.videos import accepted, create_video, find_video, model_like, once_of, settled

LONGEST_EXTENSION, LONGEST_EXTENDED, MOST_EXTENSIONS = 20, 120, 6  # seconds, seconds, times

Maker: TypeAlias = Callable[[Server, Caller, dict[str, Any], str | None], Job]


@dataclass(frozen=True)
class Source:
    """The clip that another one is made from: a finished job, or an upload that was found to be a sound clip.

    ``fps`` is None where a worker has to look.
    """

    given: Job | UploadFile
    size: Size
    seconds: float
    fps: int | None
    model: str | None = None

    @property
    def parent_id(self) -> str | None:
        return self.given.id if isinstance(self.given, Job) else None

    def stored(self, server: Server) -> str:
        """The digest under which the clip is stored, which an upload is from now on. Raises ApiError (503, 507)."""
        if isinstance(self.given, Job):
            return self.given.results["video"]
        server.space.check(self.given.size or 0)
        self.given.file.seek(0)
        return server.storage.put(self.given.file)


def edit_video(server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job that changes a clip of the account's or one that comes with the body. Raises ApiError."""
    body = validated(EditVideo, fields)
    source = _given(server, caller.account_id, fields)
    if source.model is None and body.model is None:
        raise ApiError(400, "invalid_value", "model: a file needs to be told the model too", param="model")
    if body.mask is not None:
        try:
            box_of(body.mask, source.size.width, source.size.height)
        except BadRequest as error:
            raise ApiError(400, "invalid_value", f"mask: {error}", param="mask") from None
    return _made_of(server, caller, "edit", body, source, once)


def extend_video(server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job that goes on from a clip; it costs what is added, and its seconds are those of both. Raises ApiError."""
    body = validated(ExtendVideo, fields)
    source, added = _given(server, caller.account_id, fields), float(body.seconds)
    if added > LONGEST_EXTENSION or source.seconds + added > LONGEST_EXTENDED:
        allowed = f"at most {LONGEST_EXTENSION} at a time, and {LONGEST_EXTENDED} in all"
        raise ApiError(400, "invalid_value", f"seconds: {allowed}", param="seconds")
    if _extensions(server, caller.account_id, source) >= MOST_EXTENSIONS:
        raise ApiError(400, "invalid_value", f"video: it was extended {MOST_EXTENSIONS} times already", param="video")
    return _made_of(server, caller, "extend", body, source, once, added)


def remix_video(server: Server, caller: Caller, parent: Job, fields: dict[str, Any], once: str | None = None) -> Job:
    """A job that makes a clip anew in another way. Raises ApiError."""
    body = validated(RemixVideo, fields)
    return _made_of(server, caller, "remix", body, _finished(server, parent), once)


def maker_of(path: str) -> Maker | None:
    """What makes the job of a body that was sent to an address of the API; None for an address that makes none."""
    match path:
        case "/v1/videos":
            return create_video
        case "/v1/videos/edits":
            return edit_video
        case "/v1/videos/extensions":
            return extend_video
    found = re.fullmatch(r"/v1/videos/([\w-]{1,80})/remix", path, re.ASCII)
    return partial(_remix_by_number, found[1]) if found else None


def _remix_by_number(
    video_id: str, server: Server, caller: Caller, fields: dict[str, Any], once: str | None = None
) -> Job:
    return remix_video(server, caller, find_video(server, caller.account_id, video_id), fields, once)


def _made_of(
    server: Server, caller: Caller, task: str, body: Prompted, source: Source, once: str | None, added: float = 0.0
) -> Job:
    """A job on a clip: what the body leaves open is as it was in the clip. ``added`` seconds are all that is made."""
    whole = f"{source.seconds + added:.6g}"
    was = {"model": source.model, "size": str(source.size), "fps": source.fps}
    said = body.model_dump(exclude_none=True) | {"seconds": whole}
    known = {name: value for name, value in (was | said).items() if value is not None}
    values = settled(server, caller, validated(CreateVideo, known), task)
    values |= {name: getattr(body, name, None) for name in ("strength", "mask")}
    if added:
        values |= {"seconds": added, "kept_seconds": source.seconds}
    server.space.check_jobs(values, body.n)
    values["source"] = source.stored(server)
    told = once_of(once, task, body.model_dump(), values["source"], source.parent_id)
    return accepted(server, caller, values, told, source.parent_id)


def _given(server: Server, account_id: str, fields: dict[str, Any]) -> Source:
    """The clip that a body names by its number or brings as a file. Raises ApiError."""
    match fields.get("video"):
        case UploadFile() as given:
            return _uploaded(server, given)
        case {"id": str(video_id), **others} if not others:
            return _finished(server, find_video(server, account_id, video_id))
    raise ApiError(400, "invalid_value", "video: give the clip, a file or {'id': …}", param="video")


def _uploaded(server: Server, given: UploadFile) -> Source:
    """An upload as a source, at even sizes. Raises ApiError."""
    clip = server.intake.clip(given.file, "video")
    try:
        size = Size(clip.width - clip.width % 2, clip.height - clip.height % 2)
    except BadRequest as error:
        raise ApiError(400, "invalid_value", f"video: its {error}", param="video") from None
    if clip.seconds < RANGES["seconds"][0]:
        told = f"video: it lasts {clip.seconds:g} seconds; allowed: at least {RANGES['seconds'][0]:g}"
        raise ApiError(400, "invalid_value", told, param="video")
    return Source(given, size, clip.seconds, whole_fps(clip.frames / clip.seconds))


def _finished(server: Server, parent: Job) -> Source:
    """A job as a source. Raises ApiError."""
    if parent.status != Status.COMPLETED:
        message = f"the clip is not there: the job is {parent.status}"
        raise ApiError(400, "video_not_ready", message, param="video")
    request = parent.request
    fps = parent.details.get("settings", {}).get("fps")
    seconds = float(request["asked_seconds"])
    return Source(parent, Size.parse(request["size"]), seconds, fps, model_like(server, parent))


def _extensions(server: Server, account_id: str, source: Source) -> int:
    """How often a clip was extended to become what it is; a clip that was deleted since ends the count."""
    count, found = 0, source.given if isinstance(source.given, Job) else None
    with server.database.read() as connection:
        while found and found.request.get("task") == "extend":
            count += 1
            found = find(connection, found.parent_id, account_id) if found.parent_id else None
    return count
