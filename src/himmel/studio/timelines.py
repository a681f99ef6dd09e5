"""From parts in order to a job of the task "timeline": clips that are kept, pictures, and seconds that are made.

Owns: what a part of a job is, whose clips may be in one, and what a timeline costs and keeps. The clips and pictures of
a job are stored files, named by their digests; a worker fetches them by their place in the job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from himmel.errors import ApiError, BadRequest
from himmel.spec import RANGES, Clip, Gap, Part, Picture, VideoRequest
from himmel.studio.auth import Caller
from himmel.studio.jobs import Job, Status
from himmel.studio.schemas import CreateVideo, validated
from himmel.studio.server import Server
from himmel.studio.videos import accepted, find_video, model_like, once_of, settled

LEAST_MADE = RANGES["seconds"][0]  # what a timeline counts for that keeps everything and makes nothing
SHORTEST = RANGES["seconds"][0]  # seconds of a clip that are worth keeping


@dataclass(frozen=True)
class Kept:
    """A stretch of a finished clip of the account's, from ``start`` to ``stop`` seconds of it."""

    job: Job
    start: float
    stop: float

    @property
    def seconds(self) -> float:
        return self.stop - self.start

    @property
    def told(self) -> dict[str, Any]:
        where = {"digest": self.job.results["video"], "video": self.job.id}
        return {"kind": "clip", **where, "start": self.start, "stop": self.stop}


@dataclass(frozen=True)
class Still:
    """A picture that is stored under this digest."""

    digest: str

    @property
    def told(self) -> dict[str, Any]:
        return {"kind": "picture", "digest": self.digest}


@dataclass(frozen=True)
class Made:
    """Seconds that are to be made; ``prompt`` None means the whole timeline's."""

    seconds: float
    prompt: str | None = None

    @property
    def told(self) -> dict[str, Any]:
        return {"kind": "gap", "seconds": self.seconds, "prompt": self.prompt}


Piece = Kept | Still | Made


def make_timeline(
    server: Server,
    caller: Caller,
    pieces: Sequence[Piece],
    fields: dict[str, Any],
    *,
    loop: bool = False,
    parent_id: str | None = None,
    once: str | None = None,
) -> Job:
    """A job of these pieces, the first of several where ``fields``, those of a request, ask for ``n``.

    What ``fields`` leave open of size and frame rate is as in the first clip. It costs the seconds that are made.
    Raises ApiError.
    """
    total = _checked(pieces, loop)
    first = next((piece.job for piece in pieces if isinstance(piece, Kept)), None)
    known = {"model": server.settings.model} | _like(server, first) | fields | {"seconds": f"{total:.6g}"}
    body = validated(CreateVideo, known)
    values = settled(server, caller, body, "timeline")
    made = sum(piece.seconds for piece in pieces if isinstance(piece, Made))
    values |= {"parts": [piece.told for piece in pieces], "loop": loop}
    values |= {"seconds": max(LEAST_MADE, made), "kept_seconds": total - made}
    server.space.check_jobs(values, body.n)
    told = once_of(once, "timeline", body.model_dump(), values["parts"], loop, parent_id)
    return accepted(server, caller, values, told, parent_id)


def kept_of(server: Server, account_id: str, video_id: str, start: float = 0.0, stop: float | None = None) -> Kept:
    """A stretch of one of the account's clips, all of it unless told. Raises ApiError (400, 404)."""
    job = find_video(server, account_id, video_id)
    if job.status != Status.COMPLETED:
        raise ApiError(400, "video_not_ready", f"the clip is not there: the job is {job.status}", param="video")
    seconds = float(job.request["asked_seconds"])
    stop = seconds if stop is None or seconds < stop <= seconds + SHORTEST else stop
    if not 0 <= start < stop <= seconds or stop - start < SHORTEST:
        told = (
            f"from {start:g} to {stop:g} s there is nothing to keep; allowed: 0 to {seconds:g} s, at least {SHORTEST}"
        )
        raise ApiError(400, "invalid_value", told, param="start")
    return Kept(job, start, stop)


def seconds_of(text: object, name: str, least: float = 0.0) -> float:
    """A number of seconds that somebody typed, with a comma where they like. Raises ApiError (400)."""
    low, high = least, RANGES["seconds"][1]
    try:
        found = float(str(text).strip().replace(",", "."))
    except ValueError:
        found = float("nan")
    if not low <= found <= high:
        allowed = f"{name}: '{str(text)[:20]}' is no such number of seconds; allowed: {low:g} to {high:g}"
        raise ApiError(400, "invalid_value", allowed, param=name)
    return found


def blended(one: Kept, other: Kept, overlap: float) -> list[Piece]:
    """One clip that goes over into another: ``overlap`` seconds of both are made anew. Raises ApiError (400)."""
    shortest = min(one.seconds, other.seconds)
    if shortest - overlap < SHORTEST:
        told = f"seconds: both clips must last longer than the {overlap:g} s that go over into one another"
        raise ApiError(400, "invalid_value", told, param="seconds")
    ends, begins = one.stop - overlap, other.start + overlap
    return [replace(one, stop=ends), Made(overlap), replace(other, start=begins)]


def _checked(pieces: Sequence[Piece], loop: bool) -> float:
    """How long all of it is. Raises ApiError (400) for what no model could put together."""
    total = sum(piece.seconds for piece in pieces if not isinstance(piece, Still))
    try:
        parts = tuple(_part(piece) for piece in pieces)
        if not parts or not total:
            raise BadRequest("nothing lasts any time; give seconds to make, or a clip to keep")
        VideoRequest(prompt="checked elsewhere", seconds=total, timeline=parts, loop=loop)
    except BadRequest as error:
        raise ApiError(400, "invalid_value", str(error), param="timeline") from None
    for number, piece in enumerate(pieces):
        beside = (*pieces[max(0, number - 1) : number], *pieces[number + 1 : number + 2])
        if isinstance(piece, Still) and not any(isinstance(other, Made) for other in beside):
            raise ApiError(400, "invalid_value", "a picture needs seconds before or after it", param="timeline")
    return total


def _part(piece: Piece) -> Part:
    match piece:
        case Kept(job, start, stop):
            return Clip(job.results["video"], start, stop)
        case Still(digest):
            return Picture(digest)
        case Made(seconds, prompt):
            return Gap(seconds, prompt)


def _like(server: Server, first: Job | None) -> dict[str, Any]:
    """Size and frame rate of the first clip, where there is one and they are known."""
    if first is None:
        return {}
    fps = first.details.get("settings", {}).get("fps")
    return {"size": first.request["size"], "model": model_like(server, first)} | ({"fps": fps} if fps else {})
