"""From parts in order to a job of the task "timeline": clips that are kept, pictures, and seconds that are made.

Owns: what a part of a job is, whose clips may be in one, and what a timeline costs and keeps. The clips and pictures of
a job are stored files, named by their digests; a worker fetches them by their place in the job.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any

from himmel.errors import ApiError, BadRequest
from himmel.spec import RANGES, Clip, Gap, Part, Picture, VideoRequest
from himmel.studio.auth import Caller
from himmel.studio.jobs import Job, Status
from himmel.studio.schemas import CreateVideo, validated
from himmel.studio.server import Server
from himmel.studio.shots import kept_of as shots_of
from himmel.studio.shots import key_of
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


@dataclass(frozen=True)
class Asked:
    """A timeline as a request that could be kept: ``once`` see ``videos.once_of``."""

    values: dict[str, Any]
    n: int
    said: dict[str, Any]


def make_timeline(
    server: Server,
    caller: Caller,
    pieces: Sequence[Piece],
    fields: dict[str, Any],
    *,
    loop: bool = False,
    cuts: Collection[int] | None = None,
    parent_id: str | None = None,
    once: str | None = None,
) -> Job:
    """A job of these pieces, the first of several where ``fields``, those of a request, ask for ``n``.

    What ``fields`` leave open of size and frame rate is as in the first clip. With ``cuts``, the places of pieces that
    begin a new shot, every shot is made by itself and kept, see ``shots``; one that is there already is not made. It
    costs the seconds that are made. Raises ApiError.
    """
    shots = _shots(pieces, cuts or ())
    for number, shot in enumerate(shots, 1):
        _checked(shot, loop, f"shot {number}: " if len(shots) > 1 else "")
    asked = asked_for(server, caller, pieces, fields)
    values, counts = asked.values, None if cuts is None else [len(shot) for shot in shots]
    values |= {"loop": loop} | reckoned(server, caller.account_id, values, counts)
    server.space.check_jobs(values, asked.n)
    said = once_of(once, "timeline", asked.said, values["parts"], loop, parent_id, *([sorted(cuts)] if cuts else []))
    return accepted(server, caller, values, said, parent_id)


def reckoned(server: Server, account_id: str, values: dict[str, Any], counts: Sequence[int] | None) -> dict[str, Any]:
    """What of a settled timeline is made and what is kept, in seconds.

    ``counts`` are the parts of each shot, where every shot is made by itself; then also what each is kept by.
    """
    parts = iter(values["parts"])
    shots = [list(islice(parts, count)) for count in counts or [len(values["parts"])]]
    keys = [None if counts is None else key_of(shot, values) for shot in shots]
    kept = kept_before(server, account_id, keys)
    made = sum(_made(shot) for key, shot in zip(keys, shots, strict=True) if key not in kept)
    told = {"seconds": max(LEAST_MADE, made), "kept_seconds": float(values["asked_seconds"]) - made}
    if counts is None:
        return told
    return told | {"shots": [{"key": key, "parts": len(shot)} for key, shot in zip(keys, shots, strict=True)]}


def asked_for(server: Server, caller: Caller, pieces: Sequence[Piece], fields: dict[str, Any]) -> Asked:
    """The request of these pieces, with everything settled that ``fields`` leave open. Raises ApiError (400)."""
    total = sum(piece.seconds for piece in pieces if not isinstance(piece, Still))
    first = next((piece.job for piece in pieces if isinstance(piece, Kept)), None)
    known = {"model": server.settings.model} | _like(server, first) | fields | {"seconds": f"{total:.6g}"}
    body = validated(CreateVideo, known)
    values = settled(server, caller, body, "timeline") | {"parts": [piece.told for piece in pieces]}
    return Asked(values, body.n, body.model_dump())


def shots_kept(server: Server, caller: Caller, shots: Sequence[Sequence[Piece]], fields: dict[str, Any]) -> list[bool]:
    """Of each shot, whether it would be taken as it was made before. Raises ApiError (400)."""
    if not str(fields.get("seed", "")).strip():
        return [False] * len(shots)  # any seed: nobody knows which
    asked = asked_for(server, caller, [piece for shot in shots for piece in shot], fields).values
    keys = [key_of([piece.told for piece in shot], asked) for shot in shots]
    kept = kept_before(server, caller.account_id, keys)
    return [key in kept for key in keys]


def kept_before(server: Server, account_id: str, keys: Sequence[str | None]) -> set[str]:
    """Which shots would be taken as they were made before, by the workers that there are."""
    with server.database.read() as connection:
        return shots_of(connection, account_id, keys, server.workers.weights(connection))


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


def _shots(pieces: Sequence[Piece], cuts: Collection[int]) -> list[Sequence[Piece]]:
    """The pieces between the cuts."""
    firsts = sorted({0, *cuts, len(pieces)})
    return [pieces[first:after] for first, after in pairwise(firsts)] or [pieces]


def _made(shot: Sequence[dict[str, Any]]) -> float:
    return float(sum(part["seconds"] for part in shot if part["kind"] == "gap"))


def _checked(pieces: Sequence[Piece], loop: bool, where: str = "") -> None:
    """Raise ApiError (400) for what no model could put together; ``where`` names the shot."""
    total = sum(piece.seconds for piece in pieces if not isinstance(piece, Still))
    try:
        parts = tuple(_part(piece) for piece in pieces)
        if not parts or not total:
            raise BadRequest("nothing lasts any time; give seconds to make, or a clip to keep")
        VideoRequest(prompt="checked elsewhere", seconds=total, timeline=parts, loop=loop)
    except BadRequest as error:
        raise ApiError(400, "invalid_value", f"{where}{error}", param="timeline") from None
    clips = [isinstance(piece, Kept) for piece in pieces]
    if loop and any(clips) and not (clips[0] and not clips[-1]):
        told = "a loop of clips begins with one and ends with seconds that are to be made"
        raise ApiError(400, "invalid_value", told, param="timeline")
    for number, piece in enumerate(pieces):
        beside = (*pieces[max(0, number - 1) : number], *pieces[number + 1 : number + 2])
        if isinstance(piece, Still) and not any(isinstance(other, Made) for other in beside):
            told = f"{where}a picture needs seconds before or after it"
            raise ApiError(400, "invalid_value", told, param="timeline")


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
