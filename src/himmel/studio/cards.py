"""Clips as pages show them: what is to be seen of each, and how it is getting on, in words.

Owns: these words, failures and what to do about them among them. Knows nothing of requests and templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from sqlalchemy import select

from himmel.media.thumbnails import SHEET_COLUMNS, SHEET_FRAMES
from himmel.spec import Size
from himmel.studio.complaints import as_told
from himmel.studio.database import some_of
from himmel.studio.jobs import FINAL, Job, Status
from himmel.studio.schemas import Video
from himmel.studio.server import Server
from himmel.studio.tables import previews
from himmel.studio.texts import catalogue, span

USUAL_FPS = 12  # where no worker has told it
SHAPES = {"wide": 16 / 9, "classic": 4 / 3, "square": 1.0, "portrait": 3 / 4, "tall": 9 / 16}  # width by height


@dataclass(frozen=True)
class Card:
    """One clip on a page. ``line`` is one sentence on how it is getting on; ``frames`` are those of its sheet."""

    video: Video
    line: str
    advice: str
    has_preview: bool
    frames: int

    @property
    def id(self) -> str:
        return self.video.id

    @property
    def open(self) -> bool:
        """Whether it waits or is being made."""
        return self.video.status not in FINAL

    @property
    def done(self) -> bool:
        return self.video.status == Status.COMPLETED

    @property
    def size(self) -> Size:
        return Size.parse(self.video.size)

    @property
    def shape(self) -> str:
        """Which of ``SHAPES`` comes nearest to its picture."""
        aspect = log(self.size.width / self.size.height)
        return min(SHAPES, key=lambda shape: abs(log(SHAPES[shape]) - aspect))

    @property
    def columns(self) -> int:
        """Pictures in a row of its sheet."""
        return min(self.frames, SHEET_COLUMNS)

    @property
    def rows(self) -> int:
        return -(-self.frames // SHEET_COLUMNS)

    @property
    def why(self) -> str:
        """What its failure complains of, in English; nothing where it did not fail, or somebody stopped it."""
        error = self.video.error
        return error.message if self.video.status == Status.FAILED and error and error.code != "cancelled" else ""

    def told(self) -> dict[str, Any]:
        """What a script needs to bring the card up to date."""
        video = self.video
        told = {"id": video.id, "status": video.status, "progress": video.progress, "line": self.line}
        return told | {"preview": self.has_preview}


def cards_of(server: Server, found: Sequence[Job], language: str) -> list[Card]:
    """Jobs as cards, in their order."""
    waiting = [job.id for job in found if job.status == Status.IN_PROGRESS]
    seen: set[str] = set()
    if waiting:
        with server.database.read() as connection:
            which = previews.c.job_id.in_(some_of(waiting))
            seen = set(connection.scalars(select(previews.c.job_id).where(which)))
    return [_card(video, video.id in seen, language) for video in server.all_shown(found)]


def _card(video: Video, has_preview: bool, language: str) -> Card:
    fps = video.himmel.settings.fps or USUAL_FPS
    frames = max(1, min(SHEET_FRAMES, round(float(video.seconds) * fps)))
    return Card(video, _line(video, language), _advice(video, language), has_preview, frames)


def _line(video: Video, language: str) -> str:
    _ = catalogue(language).gettext
    if video.status == Status.FAILED:
        if video.error and video.error.code == "cancelled":
            return _("Cancelled")
        return _("Failed: %(why)s") % {"why": as_told(video.error.message if video.error else "", language)["message"]}
    if video.status == Status.COMPLETED:
        return _("Done")
    ends = video.himmel.eta_seconds
    wait = span(*ends, language) if ends else _("unknown")
    if video.status == Status.IN_PROGRESS:
        return _("%(done)d %% · %(wait)s left") % {"done": video.progress, "wait": wait}
    ahead = video.himmel.queue_position or 0
    if not ahead:
        return _("Next in line · ready in %(wait)s") % {"wait": wait}
    return _("%(ahead)d before it · ready in %(wait)s") % {"ahead": ahead, "wait": wait}


def _advice(video: Video, language: str) -> str:
    """What to do about a failure."""
    _ = catalogue(language).gettext
    if video.status != Status.FAILED or video.error is None:
        return ""
    match video.error.code:
        case "cancelled":
            return _("You stopped it. Nothing was kept; its words and settings are here to begin again.")
        case "worker_lost":
            return _("The machines that tried it fell silent. Try it shorter or smaller, or tell the operator.")
        case "worker_fault":
            return _("It was not your words. Ask for it again; if it goes on, tell the operator.")
        case "task_not_supported":
            return _("The model of this server cannot do this. Other models can.")
        case _:
            return _("Change what it complains of and make it again. If it goes on, tell the operator.")
