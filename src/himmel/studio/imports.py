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
from typing import Annotated, Any, BinaryIO, cast, get_args

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select
from starlette.datastructures import UploadFile

from himmel.errors import ApiError, BadRequest
from himmel.media.mask import is_box
from himmel.spec import MAX_SEED, STRENGTH, Size, whole_fps
from himmel.studio import folders
from himmel.studio.archive import Archive, Entry, shown
from himmel.studio.bodies import file_name
from himmel.studio.export import CLIPS, FORMAT, INDEX
from himmel.studio.intake import Film
from himmel.studio.said import said_of
from himmel.studio.schemas import CreateVideo, Himmel, validated
from himmel.studio.server import Server
from himmel.studio.strict_json import parsed
from himmel.studio.tables import jobs

ENDINGS = (".mp4", ".m4v", ".mov")
TASKS = get_args(Himmel.model_fields["task"].annotation)
UPLOADED = "upload"  # the model of a clip of which nobody says who made it
ALIKE = 0.5  # seconds by which a file may differ from what is said of it
LATEST = 1e11  # seconds since 1970
Number = Annotated[str, Field(pattern=r"^video_[0-9a-f]{32}$")]
Moment = Annotated[float, Field(ge=0, le=LATEST)]


class Used(BaseModel):
    """The settings that a clip was made with."""

    steps: Annotated[int, Field(ge=0, le=10_000)] | None = None
    guidance: Annotated[float, Field(ge=0, le=1000)] | None = None
    fps: Annotated[int, Field(ge=1, le=240)] | None = None
    turbo: bool | None = None


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


@dataclass
class Taken:
    """What came of an import: clips that are new, that were there, that could not be used, and why the first not."""

    new: int = 0
    known: int = 0
    refused: int = 0
    why: str = ""
    ids: dict[str, str] = field(default_factory=dict)  # of the archive's clips, here


def take_in(server: Server, account_id: str, archive: Archive, told: Callable[[Taken], None] = lambda _: None) -> Taken:
    """Read an archive into an account; ``told`` hears of every clip.

    Raises BadRequest where there is no clip in it that can be used, ApiError (503, 507) where none can be kept.
    """
    clips = [entry for entry in archive.entries if entry.ending in ENDINGS and not entry.path.name.startswith("._")]
    if not clips:
        raise BadRequest("there is no MP4 clip in it")
    ours = _index(server, account_id, archive)
    said = {} if ours else said_of(archive, clips)
    taken = Taken()
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
    if not taken.new and not taken.known:
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


def _index(server: Server, account_id: str, archive: Archive) -> bool:
    """Whether an archive is an export of ours; then its folders are made. Raises BadRequest for another format."""
    entry = next((entry for entry in archive.entries if entry.name == INDEX), None)
    if entry is None:
        return False
    found = _object(archive, entry)
    if found.get("format") != FORMAT:
        raise BadRequest(f"this export has format {str(found.get('format'))[:20]}; this version reads {FORMAT}")
    names = found.get("folders")
    with server.database.write() as connection:
        for name in names if isinstance(names, list) else ():
            folders.folder_called(connection, account_id, str(name))
    return True


def _ours(archive: Archive, clip: Entry) -> dict[str, Any]:
    name = f"{CLIPS}{clip.path.stem}.json"
    entry = next((entry for entry in archive.entries if entry.name == name), None)
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
        _keep(server, account_id, file, clip, facts, told, taken, lambda: _first_frame(server, archive, clip))


def _keep(
    server: Server,
    account_id: str,
    file: BinaryIO,
    clip: Entry,
    facts: dict[str, Any],
    told: Told,
    taken: Taken,
    first_frame: Callable[[], str | None] = lambda: None,
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
    request["first_frame"] = first_frame()
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


def _first_frame(server: Server, archive: Archive, clip: Entry) -> str | None:
    """The digest of the picture that a clip of ours began with, where there is one."""
    name = f"{CLIPS}{clip.path.stem}.first-frame.png"
    entry = next((entry for entry in archive.entries if entry.name == name), None)
    if entry is None:
        return None
    with archive.opened(entry, server.settings.upload_bytes) as file, server.intake.picture(file, "picture") as clean:
        return server.storage.put(clean)


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
