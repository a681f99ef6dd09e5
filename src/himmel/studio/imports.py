"""Clips that were made elsewhere, read into an account's library: an export of ours, or clips with prompts beside them.

Owns: what is believed of such an archive. Every clip is decoded in the limited child process, and its pictures are made
there anew; every word is validated; numbers of other clips count only within the archive, digests not at all. What is
there already is not kept twice, so an import that was cut off is begun again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Any, BinaryIO, cast, get_args

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select
from starlette.datastructures import UploadFile

from himmel.errors import ApiError, BadRequest, HimmelError
from himmel.media.mask import is_box
from himmel.spec import MAX_SEED, STRENGTH, Size, whole_fps
from himmel.studio import folders
from himmel.studio.archive import Archive, Entry, shown
from himmel.studio.bodies import file_name
from himmel.studio.characters import bring_character
from himmel.studio.export import CAST, CLIPS, FORMAT, INDEX
from himmel.studio.intake import Film
from himmel.studio.said import said_of
from himmel.studio.schemas import LONGEST_PROMPT, CharacterId, CreateVideo, Himmel, validated
from himmel.studio.server import Server
from himmel.studio.shots import key_of
from himmel.studio.strict_json import parsed
from himmel.studio.tables import jobs

ENDINGS = (".mp4", ".m4v", ".mov")
TASKS = get_args(Himmel.model_fields["task"].annotation)
UPLOADED = "upload"  # the model of a clip of which nobody says who made it
ALIKE = 0.5  # seconds by which a file may differ from what is said of it
FORMATS = (1, FORMAT)  # what the first ones lack was not in them
MOST_PARTS, MOST_CHARACTERS = 400, 1000
LATEST = 1e11  # seconds since 1970
Number = Annotated[str, Field(pattern=r"^video_[0-9a-f]{32}$")]
Moment = Annotated[float, Field(ge=0, le=LATEST)]


class Used(BaseModel):
    """The settings that a clip was made with."""

    steps: Annotated[int, Field(ge=0, le=10_000)] | None = None
    guidance: Annotated[float, Field(ge=0, le=1000)] | None = None
    fps: Annotated[int, Field(ge=1, le=240)] | None = None
    turbo: bool | None = None


class Part(BaseModel):
    """A part of a timeline: a clip's stretch, a picture, or seconds that were made."""

    kind: Annotated[str, Field(pattern="^(clip|picture|gap)$")]
    video: Number | None = None
    start: Annotated[float, Field(ge=0, le=36_000)] | None = None
    stop: Annotated[float, Field(ge=0, le=36_000)] | None = None
    seconds: Annotated[float, Field(ge=0, le=36_000)] | None = None
    prompt: Annotated[str, Field(max_length=LONGEST_PROMPT)] | None = None


class Told(BaseModel):
    """What an export says of a clip beyond the fields of a request, see ``export.told_of``."""

    id: Number | None = None
    created_at: Moment | None = None
    task: str = "create"
    strength: Annotated[float, Field(ge=STRENGTH[0], le=STRENGTH[1])] | None = None
    mask: Annotated[str, Field(max_length=80)] | None = None
    native_size: Annotated[str, Field(pattern=r"^\d{1,5}x\d{1,5}$")] | None = None
    settings: Used | None = None
    parent_id: Number | None = None
    group_id: Number | None = None
    starred_at: Moment | None = None
    folder: str | None = None
    loop: bool | None = None
    parts: Annotated[list[Part], Field(max_length=MOST_PARTS)] = []
    shots: Annotated[list[Annotated[int, Field(ge=1, le=MOST_PARTS)]], Field(max_length=MOST_PARTS)] = []
    characters: Annotated[list[CharacterId], Field(max_length=20)] = []


class Shown(BaseModel):
    """What an export says of a character."""

    id: Annotated[str, Field(pattern=r"^char_[0-9a-f]{24}$")]
    name: Annotated[str, Field(min_length=1, max_length=80)]
    created_at: Moment = 0.0


@dataclass
class Taken:
    """What came of an import: clips that are new, that were there, that could not be used, and why the first not.

    ``total`` is how many it looks through.
    """

    total: int = 0
    new: int = 0
    known: int = 0
    refused: int = 0
    why: str = ""
    ids: dict[str, str] = field(default_factory=dict)  # of the archive's clips, here
    cast: dict[str, dict[str, str]] = field(default_factory=dict)  # of its characters: id, name and digest here

    @property
    def done(self) -> int:
        """How many clips were looked at."""
        return self.new + self.known + self.refused


def take_in(server: Server, account_id: str, archive: Archive, told: Callable[[Taken], None] = lambda _: None) -> Taken:
    """Read an archive into an account; ``told`` hears of every clip.

    Raises BadRequest where there is no clip in it that can be used, ApiError (503, 507) where none can be kept.
    """
    taken = Taken()
    ours = _index(server, account_id, archive, taken)
    clips = [entry for entry in archive.entries if entry.ending in ENDINGS and not entry.path.name.startswith("._")]
    clips = [entry for entry in clips if not (ours and entry.name.startswith(CAST))]
    if not clips and not taken.cast:
        raise BadRequest("there is no MP4 clip in it")
    said = {} if ours else said_of(archive, clips)
    taken.total = len(clips)
    told(taken)
    for clip in clips if ours else sorted(clips, key=lambda entry: (_moment(said.get(entry.name, {})), entry.name)):
        try:
            facts = _ours(archive, clip) if ours else _foreign(clip, said.get(clip.name, {}))
            _take(server, account_id, archive, clip, facts, taken)
        except (BadRequest, ApiError) as error:
            if isinstance(error, ApiError) and error.status >= 500:
                raise
            taken.refused += 1
            taken.why = taken.why or f"'{shown(clip.name)}': {error}"
        told(taken)
    if not taken.new and not taken.known and not taken.cast:
        raise BadRequest(taken.why)
    return taken


def take_clip(server: Server, account_id: str, upload: UploadFile, prompt: str = "") -> str:
    """Keep a clip that somebody brings by itself, as one of an import; gives its number, or that of the same clip.

    Without a prompt it is called as its file is. Raises ApiError (400, 413, 503, 507).
    """
    entry = Entry(file_name(upload), upload.size or 0)
    facts = _foreign(entry, {"prompt": prompt.strip(), "model": UPLOADED})
    upload.file.seek(0)
    return _keep(server, account_id, upload.file, entry, facts, Told(), Taken())


def _index(server: Server, account_id: str, archive: Archive, taken: Taken) -> bool:
    """Whether an archive is an export of ours; then its folders are made, and its characters kept.

    Raises BadRequest for another format.
    """
    entry = _entry(archive, INDEX)
    if entry is None:
        return False
    found = _object(archive, entry)
    if found.get("format") not in FORMATS:
        allowed = " and ".join(map(str, FORMATS))
        raise BadRequest(f"this export has format {str(found.get('format'))[:20]}; this version reads {allowed}")
    names = found.get("folders")
    with server.database.write() as connection:
        for name in names if isinstance(names, list) else ():
            folders.folder_called(connection, account_id, str(name))
    cast = found.get("characters")
    for one in cast[:MOST_CHARACTERS] if isinstance(cast, list) else ():
        _bring_character(server, account_id, archive, one, taken)
    return True


def _bring_character(server: Server, account_id: str, archive: Archive, one: Any, taken: Taken) -> None:
    """Keep a character; one that cannot be used is passed over, and those who named it do without."""
    try:
        shown = Shown.model_validate(one)
        entry = _entry(archive, f"{CAST}{shown.id}.mp4")
        if entry is None:
            raise BadRequest("there is no clip of it")
        with archive.opened(entry, server.settings.upload_bytes) as file:
            server.intake.clip(file, "video")
            server.space.check(entry.size)
            file.seek(0)
            digest = server.storage.put(file)
    except (ValidationError, BadRequest, ApiError) as error:
        if isinstance(error, ApiError) and error.status >= 500:
            raise
        taken.why = taken.why or f"a character could not be used: {error if isinstance(error, HimmelError) else 'bad'}"
        return
    number = bring_character(server.database, account_id, shown.name, digest, shown.created_at)
    taken.cast[shown.id] = {"id": number, "name": shown.name, "digest": digest}


def _entry(archive: Archive, name: str) -> Entry | None:
    return next((entry for entry in archive.entries if entry.name == name), None)


def _ours(archive: Archive, clip: Entry) -> dict[str, Any]:
    entry = _entry(archive, f"{CLIPS}{clip.path.stem}.json")
    if entry is None:
        raise BadRequest("the export says nothing of it")
    return _object(archive, entry)


def _foreign(clip: Entry, said: dict[str, Any]) -> dict[str, Any]:
    """What is known of a clip that others made; without a prompt it is called as its file is."""
    prompt = said.get("prompt") or " ".join(clip.path.stem.replace("_", " ").split())
    seed = int(hashlib.sha256(clip.path.stem.encode()).hexdigest()[:8], 16) & MAX_SEED
    found = {"prompt": prompt, "model": said.get("model", "sora"), "seed": seed}
    moment = _moment(said)
    return found | ({"created_at": moment} if moment else {})


def _object(archive: Archive, entry: Entry) -> dict[str, Any]:
    try:
        found = parsed(archive.text(entry))
    except ApiError as error:
        raise BadRequest(f"'{shown(entry.name)}' cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"'{shown(entry.name)}' is no JSON object")
    return found


def _take(server: Server, account_id: str, archive: Archive, clip: Entry, facts: dict[str, Any], taken: Taken) -> None:
    """Keep one clip, unless it is there. Raises BadRequest and ApiError."""
    try:
        told = Told.model_validate(facts)
    except ValidationError as error:
        raise BadRequest(f"what is said of it cannot be: {error.errors()[0]['loc'][0]}") from None
    with archive.opened(clip) as file:
        _keep(server, account_id, file, clip, facts, told, taken, lambda: _pictures(server, archive, clip, told))


def _keep(
    server: Server,
    account_id: str,
    file: BinaryIO,
    clip: Entry,
    facts: dict[str, Any],
    told: Told,
    taken: Taken,
    pictures: Callable[[], dict[str, str]] = dict,
) -> str:
    """Keep a clip that stands at its beginning, unless it is there; gives its number. Raises ApiError, BadRequest."""
    digest = hashlib.file_digest(cast("io.BufferedReader", file), "sha256").hexdigest()
    once = f"import-{hashlib.sha256(f'{told.id or clip.path.stem} {digest}'.encode()).hexdigest()}"
    known = _known(server, account_id, told.id, digest) or server.queue.kept_before(account_id, once)
    if known:
        taken.known += 1
        taken.ids[told.id or ""] = known
        return known
    file.seek(0)
    film = server.intake.film(file, "video")
    request = _request(facts, told, film)
    server.space.check(clip.size)
    file.seek(0)
    results = {"video": server.storage.put(file)}
    results["thumbnail"] = server.storage.put(io.BytesIO(film.thumbnail))
    results["spritesheet"] = server.storage.put(io.BytesIO(film.sheet))
    request |= _made_of(server, account_id, request, told, taken, pictures())
    used = (told.settings or Used()).model_dump()
    used["fps"] = used["fps"] or whole_fps(film.clip.frames / max(film.clip.seconds, 0.001))
    relations = {"parent_id": _here(taken, told.parent_id), "group_id": _here(taken, told.group_id)}
    details = {"native_size": told.native_size, "settings": used}
    number = server.queue.keep(account_id, request, results, details, told.created_at, once, **relations)
    taken.new += 1
    taken.ids[told.id or ""] = number
    _shelve(server, account_id, number, told)
    return number


def _request(facts: dict[str, Any], told: Told, film: Film) -> dict[str, Any]:
    """A settled request that would ask for the clip again, of validated words and what the file itself shows."""
    width, height = (side - side % 2 for side in (film.clip.width, film.clip.height))
    seconds = str(facts.get("seconds", ""))
    number = float(seconds) if seconds.replace(".", "", 1).isdecimal() and len(seconds) < 10 else -1.0
    if abs(number - film.clip.seconds) > ALIKE:
        seconds = f"{film.clip.seconds:.6g}"
    given = {name: value for name, value in facts.items() if value is not None} | {"seconds": seconds}
    given |= {"size": str(Size(width, height)), "priority": 0, "characters": []}
    body = validated(CreateVideo, given)
    mask = told.mask if told.mask and is_box(told.mask) else None
    return body.model_dump() | {
        "task": told.task if told.task in TASKS else "create",
        "asked_model": body.model,
        "model": body.model,
        "asked_seconds": body.seconds,
        "seconds": float(body.seconds),
        "seed": body.seed or 0,
        "strength": told.strength,
        "mask": mask,
        "source": None,
        "kept_seconds": 0.0,
        "cast": [],
    }


def _pictures(server: Server, archive: Archive, clip: Entry, told: Told) -> dict[str, str]:
    """The digests of the pictures that a clip of ours was made of, by their names: "first-frame", "part-3"."""
    wanted = ["first-frame", *(f"part-{number}" for number, part in enumerate(told.parts) if part.kind == "picture")]
    found: dict[str, str] = {}
    for name in wanted:
        if entry := _entry(archive, f"{CLIPS}{clip.path.stem}.{name}.png"):
            most = server.settings.upload_bytes
            with archive.opened(entry, most) as file, server.intake.picture(file, "picture") as clean:
                found[name] = server.storage.put(clean)
    return found


def _made_of(
    server: Server, account_id: str, request: dict[str, Any], told: Told, taken: Taken, pictures: dict[str, str]
) -> dict[str, Any]:
    """What a request says of pictures, parts and characters, with what they are called here. Raises BadRequest."""
    cast = [taken.cast[each.id] for each in told.characters if each.id in taken.cast]
    found: dict[str, Any] = {"first_frame": pictures.get("first-frame")}
    found["characters"] = [{"id": each["id"]} for each in cast]
    found["cast"] = [{"name": each["name"], "digest": each["digest"]} for each in cast]
    if told.parts:
        found |= {"parts": _parts(server, account_id, told, taken, pictures), "loop": bool(told.loop)}
    if told.shots and sum(told.shots) == len(told.parts):
        ends = accumulate(told.shots)
        shots = [found["parts"][end - count : end] for count, end in zip(told.shots, ends, strict=True)]
        found["shots"] = [{"key": key_of(shot, request), "parts": len(shot)} for shot in shots]
    return found


def _parts(server: Server, account_id: str, told: Told, taken: Taken, pictures: dict[str, str]) -> list[dict[str, Any]]:
    """What a clip was put together of; clips that are not here have no number. Raises BadRequest."""
    parts: list[dict[str, Any]] = []
    for number, part in enumerate(told.parts):
        if part.kind == "gap":
            parts.append({"kind": "gap", "seconds": part.seconds or 0.0, "prompt": part.prompt})
        elif part.kind == "picture":
            if f"part-{number}" not in pictures:
                raise BadRequest("one of its pictures is missing")
            parts.append({"kind": "picture", "digest": pictures[f"part-{number}"]})
        else:
            here = _here(taken, part.video)
            where = {"digest": _video_of(server, account_id, here) if here else "", "video": here}
            parts.append({"kind": "clip", **where, "start": part.start or 0.0, "stop": part.stop or 0.0})
    return parts


def _video_of(server: Server, account_id: str, number: str) -> str:
    mine = (jobs.c.id == number) & (jobs.c.account_id == account_id)
    with server.database.read() as connection:
        results = connection.scalar(select(jobs.c.results).where(mine))
    return str((results or {}).get("video", ""))


def _shelve(server: Server, account_id: str, number: str, told: Told) -> None:
    values: dict[str, Any] = {"starred_at": told.starred_at} if told.starred_at else {}
    with server.database.write() as connection:
        if told.folder:
            values["folder_id"] = folders.folder_called(connection, account_id, told.folder)
        if values:
            folders.put(connection, account_id, [number], **values)


def _known(server: Server, account_id: str, number: str | None, digest: str) -> str | None:
    """The clip of this number itself, where the account still has it."""
    mine = (jobs.c.id == number) & (jobs.c.account_id == account_id) & jobs.c.deleted_at.is_(None)
    with server.database.read() as connection:
        row = connection.execute(select(jobs.c.id, jobs.c.results).where(mine)).first()
    return str(row.id) if row and row.results.get("video") == digest else None


def _here(taken: Taken, number: str | None) -> str | None:
    return taken.ids.get(number) if number else None


def _moment(said: dict[str, Any]) -> float:
    """Seconds since 1970 of a time in any of its usual forms; 0 where there is none."""
    value = said.get("created_at", 0)
    try:
        found = float(value)
    except ValueError:
        try:
            found = datetime.fromisoformat(str(value)).timestamp()
        except (ValueError, OverflowError):
            return 0.0
    found = found / 1000 if found > LATEST else found  # milliseconds
    return found if 0 <= found <= LATEST else 0.0
