"""Compare: two clips of an account's beside each other, or one over the other; and choosing the second.

Owns: this page.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request, Response

from himmel.errors import ApiError
from himmel.studio.api_videos import TheServer
from himmel.studio.cards import USUAL_FPS, Card, cards_of
from himmel.studio.jobs import Job, Status
from himmel.studio.lineage import lineage_of
from himmel.studio.server import Server
from himmel.studio.tables import jobs
from himmel.studio.videos import find_video
from himmel.studio.web import PageRoute, TheVisitor, page, page_language
from himmel.studio.web_library import latest

MOST_OTHERS = 36
router = APIRouter(route_class=PageRoute)


@router.get("/compare")
def compare(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    a: str = Query(max_length=80),
    b: str = Query(default="", max_length=80),
) -> Response:
    """Two clips; with one alone, what it can be compared with. Raises ApiError (404) for anybody else's."""
    account, language = visitor.caller.account_id, page_language(request)
    found = [find_video(server, account, number) for number in (a, b) if number]
    if not all(job.status == Status.COMPLETED for job in found):
        raise ApiError(400, "video_not_ready", "only clips that are finished can be compared")
    if len(found) < 2:
        kin, others = _others(server, found[0])
        card, *cards = cards_of(server, [found[0], *kin, *others], language)
        return page(request, "compare_with.html", card=card, kin=cards[: len(kin)], others=cards[len(kin) :])
    cards = cards_of(server, found, language)
    negatives = [job.request.get("negative_prompt") or None for job in found]
    facts = [_facts(card) | {"negative": negative} for card, negative in zip(cards, negatives, strict=True)]
    rows = [(name, facts[0][name], facts[1][name]) for name in facts[0] if facts[0][name] or facts[1][name]]
    fps = max(card.video.himmel.settings.fps or USUAL_FPS for card in cards)
    return page(request, "compare.html", cards=cards, rows=rows, fps=fps)


def _others(server: Server, job: Job) -> tuple[list[Job], list[Job]]:
    """The finished clips that belong to it by descent or request, and the latest others."""
    kin = [one for one in lineage_of(server.database, job).all if one.status == Status.COMPLETED]
    known = {job.id, *(one.id for one in kin)}
    found = latest(server, job.account_id, MOST_OTHERS + len(known), jobs.c.status == Status.COMPLETED)
    return kin, [one for one in found if one.id not in known][:MOST_OTHERS]


def _facts(card: Card) -> dict[str, Any]:
    """What is told of how a clip was made, by name."""
    made, video = card.video.himmel, card.video
    told: dict[str, Any] = {"prompt": video.prompt, "model": made.settings.model, "turbo": made.settings.turbo}
    told |= {"seed": str(made.seed), "size": f"{card.size.width} × {card.size.height}", "seconds": f"{video.seconds} s"}
    told |= {name: getattr(made.settings, name) for name in ("fps", "steps", "guidance")}
    return told | {"strength": made.strength}
