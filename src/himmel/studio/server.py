"""What the routes work with: settings, database, queue, storage and keys of one server.

Owns: putting them together, and who may do what. The routes find it in the application's state.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from sqlalchemy import Connection

from himmel.errors import ApiError
from himmel.studio.auth import Caller, Keys
from himmel.studio.clock import Clock
from himmel.studio.database import Database
from himmel.studio.jobs import Job, find_all
from himmel.studio.outbound import Outbound
from himmel.studio.places import Places
from himmel.studio.queue import Queue
from himmel.studio.schemas import Video
from himmel.studio.settings import Settings
from himmel.studio.storage import Storage
from himmel.studio.together import Together
from himmel.studio.webhooks import Webhooks

REMEMBER_SECONDS = 1.5  # a key that was revoked is refused within two
MOST_REMEMBERED = 10_000
DRAINING = "draining"  # while a file of this name lies in the data folder, no job is given out


@dataclass
class Server:
    """One server's parts. ``speed`` is compute-seconds for a second of clip, as measured lately, by model."""

    settings: Settings
    clock: Clock
    database: Database
    storage: Storage
    keys: Keys
    queue: Queue
    places: Places
    webhooks: Webhooks
    speed: dict[str, float] = field(default_factory=dict)
    readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    callers: dict[str, tuple[float, Caller]] = field(default_factory=dict)
    looks: Together[tuple[str, str], Video | None] = field(init=False)

    def __post_init__(self) -> None:
        self.looks = Together(self._look, self.readers)

    @classmethod
    def opened(cls, settings: Settings) -> Server:
        """The server in a data folder, which is made where there is none; its database has the newest form."""
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database = Database(settings.database_url or f"sqlite:///{settings.data_dir / 'himmel.sqlite3'}")
        database.migrate()
        clock = Clock()
        return cls(
            settings,
            clock,
            database,
            Storage(settings.data_dir / "files", settings.reserve_bytes),
            Keys(database, settings.data_dir),
            Queue(
                database,
                settings.lease_seconds,
                settings.queued_per_account,
                clock.now,
                draining=(settings.data_dir / DRAINING).exists,
            ),
            Places(clock.now),
            Webhooks(database, Outbound(), clock.now),
        )

    def cost_of(self, request: dict[str, Any]) -> float:
        """Compute-seconds that a request will take, by what others of its model took lately."""
        return float(request["seconds"]) * self.speed.get(request["model"], 2.0)

    def learn_speed(self, job: Job) -> None:
        """Remember what a finished job took."""
        model, found = job.request["model"], job.cost / job.request["seconds"]
        self.speed[model] = 0.8 * self.speed.get(model, found) + 0.2 * found

    def shown(self, job: Job) -> Video:
        """A job as its account sees it."""
        return self.all_shown([job])[0]

    def all_shown(self, found: Sequence[Job]) -> list[Video]:
        """Jobs as their accounts see them."""
        with self.database.read() as connection:
            return self._shown(connection, found)

    def _shown(self, connection: Connection, found: Sequence[Job]) -> list[Video]:
        places = self.places.of(connection, found, self.settings.workers)
        return [Video.of(job, place) for job, place in zip(found, places, strict=True)]

    def _look(self, asked: Sequence[tuple[str, str]]) -> list[Video | None]:
        """Jobs by account and number, as they are shown; None for those that the account has not."""
        with self.database.read() as connection:
            found = find_all(connection, {job_id for _, job_id in asked})
            shown = {
                (job.account_id, video.id): video
                for job, video in zip(found, self._shown(connection, found), strict=True)
            }
        return [shown.get(question) for question in asked]


async def server_of(request: Request) -> Server:
    """The server that a request came to."""
    found = request.app.state.server
    assert isinstance(found, Server)
    return found


async def caller_of(request: Request) -> Caller:
    """Whom a request speaks for, looked up again after a while. Raises ApiError (401)."""
    server, header = await server_of(request), request.headers.get("authorization", "")
    known = server.callers.get(header)
    if known is None or time.monotonic() > known[0]:
        if len(server.callers) > MOST_REMEMBERED:
            server.callers.clear()
        known = (
            time.monotonic() + REMEMBER_SECONDS,
            await to_thread.run_sync(server.keys.caller, header, limiter=server.readers),
        )
        server.callers[header] = known
    return known[1]


async def check_worker(request: Request) -> None:
    """Raise ApiError (401) unless a worker of ours is asking."""
    token = (await server_of(request)).keys.worker_token()
    if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}"):
        raise ApiError(401, "invalid_worker_token", "this is no worker of this server")
