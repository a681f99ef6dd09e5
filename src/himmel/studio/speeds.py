"""What a second of clip costs, in compute-seconds, by what clips took lately that were made in the same way.

Owns: which clips are alike in that, and what is believed of a way that nobody has gone yet. Size and frame rate are no
part of it: a model draws at its own, and bringing its frames to others costs little. What keeps clips and makes little
tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from sqlalchemy import select

from himmel.spec import TURBO_STEPS
from himmel.studio.database import Database
from himmel.studio.jobs import Job, Status
from himmel.studio.tables import jobs

USUAL_SPEED = 2.0  # compute-seconds for a second of clip, until a model was measured
USUAL_STEPS = 12  # of a full model, until one was measured
LOOKED_AT, MEASURED = 1000, 20  # latest jobs that a model is sought among, and that the speed of a way is taken from


@dataclass(frozen=True)
class Way:
    """How a clip is asked for; ``steps`` None leaves them to the model, and without ``guided`` each costs half."""

    turbo: bool
    guided: bool
    steps: int | None

    @classmethod
    def of(cls, request: Mapping[str, Any], turbo: bool) -> Way:
        """That of a request that is made with Turbo, or without."""
        return cls(turbo, not turbo and request.get("guidance") != 1, request.get("steps"))

    @property
    def passes(self) -> int:
        """About how often the transformer is gone through for a block."""
        return _passes(self.steps or (TURBO_STEPS if self.turbo else USUAL_STEPS), self.guided)


@dataclass(frozen=True)
class Measured:
    """Compute-seconds for a second of clip, and the passes that it took."""

    speed: float
    passes: int


class Speeds:
    """The speeds of one server's models; each is read when it is first asked for, and learned from then on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._known: dict[str, dict[Way, Measured]] = {}

    def of(self, model: str, way: Way) -> float:
        """Compute-seconds for a second of clip; by the nearest way where nobody has gone this one lately."""
        known = self._of_model(model)
        if way in known:
            return known[way].speed
        alike = [found for other, found in known.items() if other.turbo == way.turbo] or list(known.values())
        if not alike:
            return USUAL_SPEED
        near = min(alike, key=lambda found: abs(log(found.passes / way.passes)))
        return near.speed * way.passes / near.passes

    def learn(self, job: Job) -> None:
        """Remember what a job took that has just finished."""
        if not _tells(job):
            return
        known, way, found = self._of_model(job.request["model"]), _way_of(job), job.cost / job.request["seconds"]
        before = known[way].speed if way in known else found
        self._known[job.request["model"]] = known | {way: Measured(0.8 * before + 0.2 * found, _took(job))}

    def average(self, model: str) -> float | None:
        """Compute-seconds for a second of clip, whichever way its latest jobs went; None where none was completed."""
        return _mean(self._lately(model)[:MEASURED])

    def _of_model(self, model: str) -> dict[Way, Measured]:
        if model not in self._known:
            by_way: dict[Way, list[Job]] = {}
            for job in self._lately(model):
                by_way.setdefault(_way_of(job), []).append(job)
            latest = {way: found[:MEASURED] for way, found in by_way.items()}
            self._known[model] = {way: Measured(_mean(found) or 0.0, _took(found[0])) for way, found in latest.items()}
        return self._known[model]

    def _lately(self, model: str) -> list[Job]:
        """The latest finished jobs of a model, but for those that were brought from elsewhere."""
        here = (jobs.c.status == Status.COMPLETED) & jobs.c.started_at.is_not(None)
        query = select(jobs).where(here).order_by(jobs.c.created_at.desc()).limit(LOOKED_AT)
        with self.database.read() as connection:
            found = [Job.of(row) for row in connection.execute(query)]
        return [job for job in found if job.request["model"] == model and _tells(job)]


def _tells(job: Job) -> bool:
    return bool(job.request.get("task") != "timeline")


def _way_of(job: Job) -> Way:
    """The way of a finished job; a worker that is older than Turbo says nothing of it."""
    return Way.of(job.request, bool(job.details.get("settings", {}).get("turbo")))


def _took(job: Job) -> int:
    """The passes of a finished job, as its worker told."""
    used = job.details.get("settings")
    return _passes(used["steps"], used["guidance"] != 1) if used else _way_of(job).passes


def _passes(steps: int, guided: bool) -> int:
    return max(1, steps) * (2 if guided else 1)


def _mean(found: list[Job]) -> float | None:
    seconds = sum(float(job.request["seconds"]) for job in found)
    return sum(job.cost for job in found) / seconds if seconds else None
