"""Storyboard: cards on a timeline, each a text, a picture or a clip; the model makes what is between, as one clip.

A cut before a card begins a new shot, which is made by itself; shots that did not change since they were made are taken
as they are, and each card says so.

Owns: this page, its form, and what its cards become. Without scripts every button sends the whole form, which comes
back changed; pictures that came with it are kept meanwhile, see ``web_pictures``.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.storyboard import CLIP, IMAGE, KINDS, TEXT
from himmel.studio.api_videos import TheServer
from himmel.studio.cards import Card, cards_of
from himmel.studio.database import some_of
from himmel.studio.jobs import Job, Status
from himmel.studio.schemas import LONGEST_PROMPT
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.tables import jobs
from himmel.studio.timelines import Kept, Made, Piece, Still, kept_of, make_timeline, seconds_of, shots_kept
from himmel.studio.videos import LONGEST_TEXT, find_video, keep_picture
from himmel.studio.web import PageRoute, TheVisitor, asked_by_script, form_of, page, page_language, went
from himmel.studio.web_create import SIZES, estimate_of, making_of, sizes_with
from himmel.studio.web_library import latest
from himmel.studio.web_pictures import opened, renew, sealed

MOST_CARDS = 24
MOST_CLIPS = 48  # that one may choose among
FIELDS = 40 + 8 * MOST_CARDS
SHOWN_BYTES = 4_000_000  # of a form without pictures
CARRIED = ("loop", "negative_prompt", "steps", "guidance", "fps")  # of a clip that is changed; set nowhere here
SETTINGS = ("size", "turbo", "seed", *CARRIED)
GIVEN, KEPT, MADE = FATES = ("given", "kept", "made")  # what is shown as it is, as it was made, and made (again)
USUAL_SECONDS = {TEXT: "4", IMAGE: "2", CLIP: "2"}

T = TypeVar("T")
router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class ShotCard:
    """A card as the form has it, everything as it was typed; ``kept`` names a picture that is stored already."""

    kind: str
    seconds: str = ""
    text: str = ""
    clip: str = ""
    start: str = "0"
    kept: str = ""
    cut: str = ""  # anything: a new shot begins with it


NAMES = tuple(field.name for field in fields(ShotCard))


@router.get("/storyboard")
def form(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    from_: str = Query(default="", alias="from"),
) -> Response:
    """The page, empty, or with the cards of a clip that was made here; any other clip becomes its first card."""
    cards, values = [ShotCard(TEXT, USUAL_SECONDS[TEXT])], {}
    if from_:
        job = find_video(server, visitor.caller.account_id, from_)
        cards, values = _cards_of_job(server, visitor, job), {"size": job.request["size"], "from": job.id}
        if job.request.get("parts"):  # made again with these, its shots stay as they are
            values |= {name: str(job.request[name]) for name in CARRIED if job.request.get(name) not in (None, False)}
            values |= {"seed": str(job.request["seed"]), "turbo": "false" if job.request.get("turbo") is False else ""}
    return _page(request, server, visitor, cards, values)


@router.post("/storyboard")
async def make(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Make the clip, or change the cards as the button says; what is wrong is said beside them."""
    limit = server.settings.upload_bytes
    sent = await form_of(request, visitor, limit, LONGEST_TEXT, fields=FIELDS, files=MOST_CARDS)

    def made() -> Response:
        cards: list[ShotCard] = []
        act = str(sent.get("act", ""))
        values = {name: str(sent[name]) for name in (*SETTINGS, "from") if sent.get(name)}
        try:
            cards = _typed(sent.get("cards"))
            cards = _pictured(server, visitor, cards, sent["cards"])
            if act:
                return _page(request, server, visitor, _changed(cards, act), values)
            loop = _loop(cards, values)
            shots = _shots(cards, _pieces(server, visitor, cards))
            pieces = [piece for shot in shots for piece in shot]
            job = make_timeline(
                server,
                visitor.caller,
                pieces,
                _asked(cards, pieces, values),
                loop=loop,
                cuts=None if loop else set(accumulate(len(shot) for shot in shots[:-1])),
                parent_id=_parent(server, visitor, values, pieces),
                once=_once(str(sent.get("once", "")), values, cards),
            )
        except ApiError as error:
            if asked_by_script(request):
                raise
            return _page(request, server, visitor, cards, values, str(error), error.status)
        return went(request, f"/clips/{job.id}")

    return await run_in_threadpool(made)


@router.post("/storyboard/shots")
async def shots(request: Request, server: TheServer, visitor: TheVisitor) -> dict[str, Any]:
    """What would become of each card, for a page that shows it as somebody types, and what the whole would cost."""
    sent = await form_of(request, visitor, SHOWN_BYTES, LONGEST_TEXT, fields=FIELDS, files=0)

    def looked() -> dict[str, Any]:
        cards = _typed(sent.get("cards"))
        values = {name: str(sent[name]) for name in SETTINGS if sent.get(name)}
        found = _fates(server, visitor, cards, values)
        seconds = min(3600.0, max(0.1, _made_seconds(cards, found)))
        asked = making_of(values) | {"seconds": seconds}
        cost = estimate_of(server, visitor.caller.account_id, asked, 1, page_language(request))
        return {"cards": found, "text": cost}

    return await run_in_threadpool(looked)


def _typed(rows: Any) -> list[ShotCard]:
    """The cards of a form, without the pictures that came with it. Raises ApiError (400) that names the card."""
    if not isinstance(rows, list) or not rows:
        raise ApiError(400, "invalid_value", "a storyboard needs at least one card", param="cards")
    if len(rows) > MOST_CARDS:
        raise ApiError(400, "invalid_value", f"a storyboard has at most {MOST_CARDS} cards", param="cards")
    return [_card(number, row) for number, row in enumerate(rows, 1)]


def _card(number: int, row: Any) -> ShotCard:
    told = {name: str(row[name]) for name in NAMES if isinstance(row.get(name), str)} if isinstance(row, dict) else {}
    if told.get("kind") not in KINDS:
        raise _bad(number, f"its kind is unknown; allowed: {', '.join(KINDS)}")
    return ShotCard(**told)


def _pictured(server: Server, visitor: Visitor, cards: list[ShotCard], rows: Any) -> list[ShotCard]:
    """The cards with the pictures that came with them kept. Raises ApiError that names the card."""
    found = list(cards)
    for number, row in enumerate(rows, 1):
        given = row.get("picture")
        if cards[number - 1].kind != IMAGE or not isinstance(given, UploadFile) or not given.size:
            continue
        try:
            digest = str(keep_picture(server, visitor.caller.account_id, given))
        except ApiError as error:
            raise _bad(number, str(error), error) from None
        found[number - 1] = replace(cards[number - 1], kept=sealed(server, visitor, digest))
    return found


def _changed(cards: list[ShotCard], act: str) -> list[ShotCard]:
    """The cards after a button: "add-text", "earlier-3", "later-3", "remove-3", counted from 1."""
    what, _, which = act.partition("-")
    changed = list(cards)
    if what == "add" and which in KINDS and len(cards) < MOST_CARDS:
        return [*changed, ShotCard(which, USUAL_SECONDS[which])]
    place = int(which) - 1 if which.isdecimal() and len(which) < 4 else -1
    if not 0 <= place < len(cards):
        return changed
    card = changed.pop(place)
    if what in ("earlier", "later"):
        changed.insert(max(0, place + (1 if what == "later" else -1)), card)
    return changed if changed and what in ("earlier", "later", "remove") else list(cards)


def _pieces(server: Server, visitor: Visitor, cards: list[ShotCard]) -> list[list[Piece]]:
    """What each card is made of: a text holds until another replaces it, and the first for all before it.

    Raises ApiError (400) that names the card.
    """
    found: list[list[Piece]] = []
    for number, (card, prompt) in enumerate(_prompted(cards), 1):
        try:
            found.append(_pieces_of(server, visitor, card, prompt))
            for piece in found[-1]:
                if isinstance(piece, Still):
                    renew(server, piece.digest)
        except ApiError as error:
            raise _bad(number, str(error), error) from None
    if any(isinstance(piece, Made) and not piece.prompt for pieces in found for piece in pieces):
        raise ApiError(400, "invalid_value", "say on at least one card what is to be seen", param="cards")
    return found


def _loop(cards: list[ShotCard], values: dict[str, str]) -> bool:
    """Whether its end shall lead back to its beginning. Raises ApiError (400) where it is cut."""
    if values.get("loop") and any(card.cut for card in cards[1:]):
        raise ApiError(400, "invalid_value", "a loop is made in one piece; take the cuts away, or do not close it")
    return bool(values.get("loop"))


def _prompted(cards: list[ShotCard]) -> list[tuple[ShotCard, str]]:
    """The cards, each with what is told while it lasts."""
    prompt = next((card.text.strip() for card in cards if card.text.strip()), "")
    return [(card, prompt := card.text.strip() or prompt) for card in cards]


def _shots(cards: list[ShotCard], pieces: list[list[T]]) -> list[list[T]]:
    """The same, shot by shot: a card with a cut begins one."""
    shots: list[list[T]] = []
    for card, own in zip(cards, pieces, strict=True):
        if card.cut or not shots:
            shots.append([])
        shots[-1] += own
    return shots


def _fates(server: Server, visitor: Visitor, cards: list[ShotCard], values: dict[str, str]) -> list[str]:
    """What would become of each card, one of ``FATES``; what is not filled in yet is still to be made."""
    pieces = [_pieces_if_good(server, visitor, card, prompt) for card, prompt in _prompted(cards)]
    shots = _shots(cards, pieces)
    good = [shot for shot in shots if all(shot)]
    try:
        whole = [[piece for piece in shot if piece] for shot in good]
        asked = _asked(cards, [piece for shot in whole for piece in shot], values)
        kept = iter(shots_kept(server, visitor.caller, whole, asked))
        taken = [not values.get("loop") and all(shot) and next(kept) for shot in shots]
    except ApiError:  # a size or seed that cannot be
        taken = [False] * len(shots)
    place, found = -1, []
    for card, own in zip(cards, pieces, strict=True):
        place += bool(card.cut) or place < 0
        given = not any(piece is None or isinstance(piece, Made) for piece in own)
        found.append(GIVEN if given else KEPT if taken[place] else MADE)
    return found


def _pieces_if_good(server: Server, visitor: Visitor, card: ShotCard, prompt: str) -> list[Piece | None]:
    """What a card is made of; None stands for what is not to be made like this."""
    try:
        pieces = _pieces_of(server, visitor, card, prompt)
    except ApiError:
        return [None]
    return [None if isinstance(piece, Made) and not piece.prompt else piece for piece in pieces]


def _made_seconds(cards: list[ShotCard], fates: list[str]) -> float:
    """How much of all is to be made."""
    return sum(
        _number(card.seconds) for card, fate in zip(cards, fates, strict=True) if card.kind != CLIP and fate != KEPT
    )


def _asked(cards: list[ShotCard], pieces: list[Piece], values: dict[str, str]) -> dict[str, Any]:
    """The fields of a request that the form says."""
    said = {name: values[name] for name in SETTINGS if values.get(name) and name != "loop"}
    return said | {"prompt": _prompt(cards, pieces)}


def _parent(server: Server, visitor: Visitor, values: dict[str, str], pieces: list[Piece]) -> str | None:
    """The storyboard that this one was before, or the first clip in it. Raises ApiError (404)."""
    if before := values.get("from"):
        return find_video(server, visitor.caller.account_id, before).id
    return next((piece.job.id for piece in pieces if isinstance(piece, Kept)), None)


def _pieces_of(server: Server, visitor: Visitor, card: ShotCard, prompt: str) -> list[Piece]:
    if len(card.text) > LONGEST_PROMPT:
        raise ApiError(400, "invalid_value", f"its text is too long; allowed: {LONGEST_PROMPT} characters")
    match card.kind:
        case "text":
            return [Made(seconds_of(card.seconds, "seconds", 0.1), prompt)]
        case "image":
            if not card.kept:
                raise ApiError(400, "invalid_value", "give it a picture: a JPEG, PNG or WebP file")
            seconds = seconds_of(card.seconds or 0, "seconds")
            return [Still(opened(server, visitor, card.kept)), *([Made(seconds, prompt)] if seconds else [])]
        case _:
            if not card.clip:
                raise ApiError(400, "invalid_value", "choose a clip")
            start = seconds_of(card.start or 0, "start")
            stop = round(start + seconds_of(card.seconds, "seconds", 0.1), 6)
            return [kept_of(server, visitor.caller.account_id, card.clip, start, stop)]


def _prompt(cards: list[ShotCard], pieces: list[Piece]) -> str:
    """What the whole says: every text once, in order; where there is none, those of its clips."""
    texts = [card.text.strip() for card in cards if card.text.strip()]
    texts = texts or [piece.job.request["prompt"] for piece in pieces if isinstance(piece, Kept)]
    return " → ".join(dict.fromkeys(texts))[:LONGEST_PROMPT]


def _once(sent: str, values: dict[str, str], cards: list[ShotCard]) -> str | None:
    """An idempotency key for a form that may come twice: of its page, and of all that it says."""
    told = repr((sent, values, cards)).encode()
    return f"board-{hashlib.sha256(told).hexdigest()[:40]}" if sent else None


def _cards_of_job(server: Server, visitor: Visitor, job: Job) -> list[ShotCard]:
    """The cards that a clip was made of; of another clip one card, and one to go on with."""
    parts = job.request.get("parts")
    if not parts:
        whole = ShotCard(CLIP, job.request["asked_seconds"], clip=job.id)
        return [whole, ShotCard(TEXT, USUAL_SECONDS[TEXT], job.request["prompt"])]
    cards: list[ShotCard] = []
    begins = {0, *accumulate(shot["parts"] for shot in job.request.get("shots", ()))}
    for place, part in enumerate(parts):
        cut = "1" if place and place in begins else ""
        if part["kind"] == "clip":
            seconds, start = f"{part['stop'] - part['start']:.6g}", f"{part['start']:.6g}"
            cards.append(ShotCard(CLIP, seconds, clip=part["video"] or "", start=start, cut=cut))
        elif part["kind"] == "picture":
            cards.append(ShotCard(IMAGE, "0", kept=sealed(server, visitor, part["digest"]), cut=cut))
        else:
            seconds, text = f"{part['seconds']:.6g}", part["prompt"] or job.request["prompt"]
            if not cut and cards and cards[-1] == replace(cards[-1], kind=IMAGE, seconds="0"):
                cards[-1] = replace(cards[-1], seconds=seconds, text=text)
            else:
                cards.append(ShotCard(TEXT, seconds, text, cut=cut))
    return cards


def _page(
    request: Request,
    server: Server,
    visitor: Visitor,
    cards: list[ShotCard],
    values: dict[str, str],
    problem: str = "",
    status: int = 200,
) -> Response:
    language, account = page_language(request), visitor.caller.account_id
    clips = _clips(server, account, cards, language)
    known = dict.fromkeys((*SETTINGS, "from"), "") | {"size": SIZES[0]} | values
    fates = _fates(server, visitor, cards, values)
    asked = making_of(known) | {"seconds": min(3600.0, max(0.1, _made_seconds(cards, fates)))}
    return page(
        request,
        "storyboard.html",
        status,
        cards=cards or [ShotCard(TEXT, USUAL_SECONDS[TEXT])],
        usual=[ShotCard(kind, seconds) for kind, seconds in USUAL_SECONDS.items()],
        fates=fates,
        values=known,
        carried=CARRIED,
        problem=problem,
        clips=clips,
        gone={card.clip for card in cards if card.clip} - {clip.id for clip in clips},
        sizes=sizes_with(known["size"]),
        estimate=estimate_of(server, account, asked, 1, language),
        most=MOST_CARDS,
        once=secrets.token_urlsafe(12),
    )


def _clips(server: Server, account_id: str, cards: list[ShotCard], language: str) -> list[Card]:
    """What one may choose among: the account's latest finished clips, and those that cards have already."""
    found = latest(server, account_id, MOST_CLIPS, jobs.c.status == Status.COMPLETED)
    chosen = {card.clip for card in cards if card.clip} - {job.id for job in found}
    older = (jobs.c.status == Status.COMPLETED) & jobs.c.id.in_(some_of(chosen))
    return cards_of(server, found + latest(server, account_id, MOST_CARDS, older), language)


def _number(text: str) -> float:
    try:
        return seconds_of(text, "seconds")
    except ApiError:
        return 0.0


def _bad(number: int, why: str, cause: ApiError | None = None) -> ApiError:
    status, code = (cause.status, cause.code) if cause else (400, "invalid_value")
    return ApiError(status, code, f"card {number}: {why}", param="cards")
