"""Create: a prompt, and all that can be said beside it; what it will cost and how long it takes; the words it knows.

Owns: this page, its form, and what the form asks the server while somebody types. What becomes of a body stands in
``videos``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from himmel.directions import appended, directed
from himmel.errors import ApiError, HimmelError
from himmel.looks import BUILT_IN, KINDS, PACES, look_named, read_looks, with_look
from himmel.spec import MAX_SEED, RANGES, Size
from himmel.studio.api_videos import TheServer
from himmel.studio.auth import Caller
from himmel.studio.bodies import file_name, read_body
from himmel.studio.cards import cards_of
from himmel.studio.excerpts import excerpt
from himmel.studio.imports import ENDINGS, take_clip
from himmel.studio.jobs import Job
from himmel.studio.published import find_readable
from himmel.studio.server import Server
from himmel.studio.texts import catalogue, duration, span
from himmel.studio.timelines import Made, Piece, Still, make_timeline, seconds_of
from himmel.studio.videos import LONGEST_TEXT, REFERENCE, create_video, find_video, keep_picture
from himmel.studio.web import (
    PageRoute,
    TheVisitor,
    asked_by_script,
    check_origin,
    form_of,
    once_of_form,
    page,
    page_language,
    went,
)
from himmel.studio.web_library import latest

SIZES = ("256x256", "512x512", "640x360", "1280x720", "360x640", "720x1280")
SECONDS = ("2", "4", "6", "8", "12", "20")
VARIATIONS = ("1", "2", "3", "4")
SHOWN = 8  # latest clips below the form
LONGEST_TYPED = 2000  # characters of a prompt whose words are looked up as it is typed
PLAIN = ("prompt", "size", "seconds", "n", "seed", "turbo", "negative_prompt", "steps", "guidance", "fps")
FRAMES = ("first", "last")  # of clips, as "clip:frame"; frame 0 is the last one
LAST = "last_frame"  # a picture that the clip ends with
MATERIAL = "material"  # a clip that is to be remixed or extended
USUAL = {"size": SIZES[0], "seconds": "4", "n": "1", "turbo": ""}
EXAMPLES = {
    "en": (
        "a cat jumping on the beach, the camera zooms in",
        "a penguin spinning in the snow",
        "a red balloon rising over a forest at golden hour",
    ),
    "de": (
        "eine Katze springt am Strand, die Kamera zoomt heran",
        "ein Pinguin dreht sich im Schnee",
        "ein roter Luftballon steigt über dem Wald auf, im Abendlicht",
    ),
    "ja": (
        "浜辺でジャンプする猫、カメラがズームイン",
        "雪の中でくるくる回るペンギン",
        "夕焼けの中、森で上昇する赤い風船",
    ),
}

router = APIRouter(route_class=PageRoute)


@router.get("/create")
def form(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    from_: str = Query(default="", alias="from"),
    keep: bool = False,
    frame: int = Query(default=0, ge=0, le=99_999),
    use: str = Query(default="first", pattern="^(first|last)$"),
    prompt: str = Query(default="", max_length=LONGEST_TYPED),
) -> Response:
    """The page; ``from`` a clip whose words and settings it begins with, and its seed where it is to be kept.

    ``frame`` of that clip, from 1, is to be the new one's first or last.
    """
    values = {"prompt": prompt}
    if from_:
        account = visitor.caller.account_id
        job = find_video(server, account, from_) if frame else find_readable(server.database, account, from_)
        values = _of_job(job) | ({} if keep else {"seed": ""})
        if frame:
            values |= {use: f"{job.id}:{frame}", "fps": "", "n": "1", "seconds": USUAL["seconds"]}
    return _page(request, server, visitor.caller, values, locked=bool(from_) and keep)


@router.post("/create")
async def make(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Keep the jobs that the form asks for. Sent twice, it makes them once; what is wrong is said beside the form."""
    fields = await form_of(request, visitor, server.settings.upload_bytes, LONGEST_TEXT)

    def made() -> Response:
        try:
            job = _asked(server, visitor.caller, fields)
        except ApiError as error:
            return _refused(request, server, visitor.caller, fields, error)
        return went(request, f"/create?from={job.id}{'&keep=1' if fields.get('locked') else ''}")

    return await run_in_threadpool(made)


@router.post("/create/clip")
async def bring(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Take a clip into the library, to be remixed or extended; one that is there already is not kept twice."""
    fields = await form_of(request, visitor, server.settings.upload_bytes, LONGEST_TEXT)

    def brought() -> Response:
        try:
            given = fields.get(MATERIAL)
            if not isinstance(given, UploadFile) or not given.size:
                raise ApiError(400, "invalid_value", "choose a clip first: an MP4 file", param=MATERIAL)
            number = take_clip(server, visitor.caller.account_id, given, str(fields.get("prompt", "")))
        except ApiError as error:
            return _refused(request, server, visitor.caller, fields, error)
        return went(request, f"/clips/{number}#from-here")

    return await run_in_threadpool(brought)


@router.get("/create/estimate")
def estimate(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    seconds: float = Query(default=4, gt=0, le=3600),
    n: int = Query(default=1, ge=1, le=len(VARIATIONS)),
) -> dict[str, str]:
    """What clips would cost and how long they would take, in words; the other fields are those of ``making_of``."""
    language, asked = page_language(request), making_of(request.query_params) | {"seconds": seconds}
    return {"text": estimate_of(server, visitor.caller.account_id, asked, n, language)}


@router.post("/create/words")
async def words(request: Request, server: TheServer, visitor: TheVisitor) -> dict[str, Any]:
    """What the model does not know of a prompt, with the nearest that it knows, and what brackets become."""
    check_origin(request)
    prompt = str((await read_body(request, 20_000)).get("prompt", ""))[:LONGEST_TYPED]
    return await run_in_threadpool(lambda: _looked_up(server, prompt))


@router.post("/create/look")
async def look(request: Request, server: TheServer, visitor: TheVisitor) -> dict[str, Any]:
    """A prompt with a preset's words, as the prompt's language and what it says already have it; and what yielded."""
    check_origin(request)
    fields = await read_body(request, 20_000)
    chosen, prompt = look_named(str(fields.get("look", "")), read_looks(BUILT_IN)), str(fields.get("prompt", ""))

    def put() -> dict[str, Any]:
        if server.words is None:
            language = page_language(request)
            return {"prompt": appended(prompt, [chosen.line(language)], language), "notes": []}
        found = with_look(prompt, chosen, server.words, server.settings.model)
        return {"prompt": found.prompt, "notes": found.notes}

    return await run_in_threadpool(put)


def asked_for(server: Server, fields: dict[str, Any]) -> dict[str, Any]:
    """A form's fields as a body of the API: what was left empty is left out."""
    body = {name: fields[name] for name in PLAIN if str(fields.get(name, "")).strip()}
    if str(body.get("n", "1")) not in VARIATIONS:
        raise ApiError(400, "invalid_value", f"n: allowed are {', '.join(VARIATIONS)} variations", param="n")
    return body | {"model": server.settings.model}


def _asked(server: Server, caller: Caller, fields: dict[str, Any]) -> Job:
    """The job of a form: a timeline where it says how the clip ends. Raises ApiError."""
    body = asked_for(server, fields)
    once = once_of_form("/create", fields | {"locked": ""})  # which changes the next clip, not this one
    first, parent_id = _frame(server, caller.account_id, fields, "first", REFERENCE)
    last, other_id = _frame(server, caller.account_id, fields, "last", LAST)
    if last is None:
        return create_video(server, caller, body | ({REFERENCE: first} if first else {}), once, parent_id)
    stills = [Still(digest) for given in (first, last) if (digest := keep_picture(server, caller.account_id, given))]
    pieces: list[Piece] = [*stills[:-1], Made(seconds_of(body.get("seconds"), "seconds")), stills[-1]]
    return make_timeline(server, caller, pieces, body, parent_id=parent_id or other_id, once=once)


def _frame(
    server: Server, account_id: str, fields: dict[str, Any], name: str, upload: str
) -> tuple[UploadFile | None, str | None]:
    """A picture that a form gives, as a file or as "clip:frame" of the account's; and that clip. Raises ApiError.

    Of a file that is a clip it is the frame that leads on: the last to begin with, the first to end with. Such a clip
    is kept in the library.
    """
    given = fields.get(upload)
    if isinstance(given, UploadFile) and given.size:
        if not file_name(given).lower().endswith(ENDINGS):
            return given, None
        fields = {name: f"{take_clip(server, account_id, given)}:{0 if name == 'first' else 1}"}
    named = re.fullmatch(r"([\w-]{1,80}):(\d{1,5})", str(fields.get(name, "")), re.ASCII)
    if not named:
        return None, None
    job = find_video(server, account_id, named[1])
    return UploadFile(excerpt(server, job, "frame", int(named[2]))), job.id


def _looked_up(server: Server, prompt: str) -> dict[str, Any]:
    if server.words is None or not prompt.strip():
        return {"unknown": [], "notes": []}
    told = directed(prompt, server.words, server.settings.model)
    unknown = [
        {"word": found.word, "nearest": found.nearest, "examples": found.examples}
        for found in server.words.unknown(told.prompt)
    ]
    return {"unknown": unknown, "notes": told.notes}


def making_of(values: Mapping[str, str]) -> dict[str, Any]:
    """What of a form settles how much a second costs, as a request has it; what is no such number is left open."""
    numbers: dict[str, float] = {}
    for name in ("steps", "guidance"):
        low, high = RANGES[name]
        with suppress(ValueError):
            if low <= (number := float(values.get(name, ""))) <= high:
                numbers[name] = number
    turbo = False if values.get("turbo") == "false" else None
    return numbers | {"turbo": turbo, "negative_prompt": values.get("negative_prompt", "")}


def estimate_of(
    server: Server, account_id: str, asked: Mapping[str, Any], n: int, language: str, longest: float | None = None
) -> str:
    """What so many clips that are ``asked`` for would cost and how long they would take, in words.

    With ``longest`` they may last from the seconds that are asked for up to so many: what is to be chosen yet.
    """
    _ = catalogue(language).gettext
    least, most = (
        n * server.cost_of({"model": server.settings.model, **asked, "seconds": seconds})
        for seconds in (asked["seconds"], longest or asked["seconds"])
    )
    with server.database.read() as connection:
        workers = server.workers.at_work(connection)
        ends = [server.places.foreseen(connection, account_id, cost, workers) for cost in (least, most)]
    same = duration(least, language) == duration(most, language)
    cost = duration(most, language) if same else span(least, most, language)
    told = {"cost": cost, "wait": span(ends[0][0], ends[1][1], language)}
    return _("Costs about %(cost)s of computing · ready in %(wait)s") % told


def says_all(job: Job) -> bool:
    """Whether this form can say all that a clip was asked for with; pictures, characters and clips it would lose."""
    request = job.request
    return request.get("task", "create") == "create" and not request.get("first_frame") and not request.get("cast")


def _of_job(job: Job) -> dict[str, str]:
    """What the form says so that it asks for the same clip again."""
    request = job.request
    values = {name: request.get(name) for name in PLAIN} | {"seconds": request["asked_seconds"]}
    if request.get("task", "create") != "create":
        values["n"] = 1
    values["turbo"] = "false" if request.get("turbo") is False else ""
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _page(
    request: Request,
    server: Server,
    caller: Caller,
    values: dict[str, str],
    locked: bool = False,
    problem: str = "",
    status: int = 200,
) -> Response:
    language = page_language(request)
    known = dict.fromkeys((*PLAIN, *FRAMES), "") | USUAL | {name: value for name, value in values.items() if value}
    known["seed"] = known["seed"] or str(secrets.randbelow(MAX_SEED + 1))
    seconds = float(known["seconds"]) if known["seconds"].replace(".", "", 1).isdecimal() else 4.0
    many = int(known["n"]) if known["n"] in VARIATIONS else 1
    asked = making_of(known) | {"seconds": min(3600.0, seconds)}
    found = latest(server, caller.account_id, SHOWN)
    return page(
        request,
        "create.html",
        status,
        values=known,
        locked=locked,
        problem=problem,
        sizes=sizes_with(known["size"]),
        lengths=list(dict.fromkeys((*SECONDS, known["seconds"]))),
        looks=_looks(language),
        kinds=_kinds(server, language),
        examples=() if found else EXAMPLES[language],
        cards=cards_of(server, found, language),
        estimate=estimate_of(server, caller.account_id, asked, many, language),
        once=secrets.token_urlsafe(12),
        model=server.settings.model,
        largest=server.settings.upload_bytes,
    )


def _refused(request: Request, server: Server, caller: Caller, fields: dict[str, Any], error: ApiError) -> Response:
    """The page as it was sent, with what is wrong beside it; a script is told that alone. Raises ``error`` for it."""
    if asked_by_script(request):
        raise error
    values = {name: fields[name] for name in (*PLAIN, *FRAMES) if isinstance(fields.get(name), str)}
    return _page(request, server, caller, values, bool(fields.get("locked")), str(error), error.status)


def sizes_with(size: str) -> list[tuple[str, Size]]:
    """The usual sizes to choose among, and this one where it is one at all."""
    found = [(name, Size.parse(name)) for name in SIZES]
    with suppress(HimmelError):
        own = Size.parse(size)
        found += [] if str(own) in SIZES else [(str(own), own)]
    return found


def _looks(language: str) -> list[tuple[str, str]]:
    """Presets: name, and the words that each puts into a prompt."""
    return [(look.name, look.line(language)) for look in read_looks(BUILT_IN).values()]


def _kinds(server: Server, language: str) -> list[tuple[str, list[str]]]:
    """What the model knows of style, camera, light and pace: words to put into a prompt, by kind."""
    if server.words is None:
        return []
    told = {kind: [term.names.get(language, term.key) for term in server.words.of_kind(kind)] for kind in KINDS}
    told["pace"] = [word for word in PACES[language] if server.words.knows(word)]
    return [(kind, names) for kind, names in told.items() if names]
