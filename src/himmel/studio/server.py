"""What the routes work with: settings, database, queue, storage and keys of one server.

Owns: putting them together, and who may do what. The routes find it in the application's state.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio import CapacityLimiter
from fastapi import Request
from sqlalchemy import Connection

from himmel import logs
from himmel.errors import ApiError
from himmel.spec import instead_of_turbo
from himmel.studio.alarm import Alarm
from himmel.studio.audit import keep
from himmel.studio.auth import Caller, Keys
from himmel.studio.callers import Callers
from himmel.studio.clock import Clock
from himmel.studio.database import Database
from himmel.studio.factors import Factors
from himmel.studio.intake import Intake
from himmel.studio.jobs import Job, find_all, siblings
from himmel.studio.metrics import Meters
from himmel.studio.outbound import Outbound
from himmel.studio.passkeys import Passkeys
from himmel.studio.passwords import Passwords
from himmel.studio.places import Places
from himmel.studio.queue import Queue
from himmel.studio.schemas import Video
from himmel.studio.sessions import Sessions
from himmel.studio.settings import Settings
from himmel.studio.space import Space
from himmel.studio.speeds import Speeds, Way
from himmel.studio.storage import Storage
from himmel.studio.together import Together
from himmel.studio.webhooks import Webhooks
from himmel.studio.workers import Workers
from himmel.words import WordList

READERS = 4  # threads that answer what is asked again and again
DRAINING = "draining"  # while a file of this name lies in the data folder, no job is given out


@dataclass(eq=False)
class Server:
    """One server's parts.

    ``setup_token`` is the secret part of the link that makes the first account. ``words`` are those that the model
    learned, where they are known. ``ending`` is set when the server is told to stop: streams end then.
    """

    settings: Settings
    clock: Clock
    database: Database
    storage: Storage
    space: Space
    keys: Keys
    queue: Queue
    places: Places
    webhooks: Webhooks
    workers: Workers
    intake: Intake
    alarm: Alarm
    passwords: Passwords
    sessions: Sessions
    words: WordList | None = None
    ending: threading.Event = field(default_factory=threading.Event)
    meters: Meters = field(default_factory=Meters)
    setup_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    speeds: Speeds = field(init=False)
    factors: Factors = field(init=False)
    passkeys: Passkeys = field(init=False)
    callers: Callers = field(init=False)
    looks: Together[tuple[str, str], Video | None] = field(init=False)

    def __post_init__(self) -> None:
        self.speeds = Speeds(self.database)
        self.factors = Factors(self.database, self.keys.pepper)
        self.passkeys = Passkeys(self.database, self.clock.now)
        readers = CapacityLimiter(READERS)
        self.callers = Callers(self.keys, readers)
        self.looks = Together(self._look, readers)

    @classmethod
    def opened(cls, settings: Settings) -> Server:
        """The server in a data folder, which is made where there is none; its database has the newest form."""
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database = Database(address_of(settings))
        database.migrate()
        storage = Storage(settings.data_dir, settings.storage_url)
        clock = Clock()
        return cls(
            settings,
            clock,
            database,
            storage,
            Space(database, storage, settings.reserve_bytes),
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
            Workers(database, settings.lease_seconds, clock.now),
            Intake(settings),
            Alarm(database, settings.alarm_addresses),
            Passwords(database, clock.now),
            Sessions(database, clock.now),
        )

    def cost_of(self, request: dict[str, Any]) -> float:
        """Compute-seconds that a request will take, by what others took lately that were made in the same way."""
        turbo = request.get("turbo")
        way = Way.of(request, self._takes_turbo(request) if turbo is None else turbo)
        return float(request["seconds"]) * self.speeds.of(request["model"], way)

    def _takes_turbo(self, request: dict[str, Any]) -> bool:
        """Whether a request that leaves it open will be made with Turbo, as far as is known of the workers."""
        asked = request.get("steps"), request.get("guidance"), request.get("negative_prompt") or ""
        known = self.workers.turbo_steps(request["model"]) or []
        return any(not instead_of_turbo(steps, *asked) for steps in known)

    def shown(self, job: Job) -> Video:
        """A job as its account sees it."""
        return self.all_shown([job])[0]

    def all_shown(self, found: Sequence[Job]) -> list[Video]:
        """Jobs as their accounts see them."""
        with self.database.read() as connection:
            return self._shown(connection, found)

    def _shown(self, connection: Connection, found: Sequence[Job]) -> list[Video]:
        places = self.places.of(connection, found, self.workers.at_work(connection))
        together, retention = siblings(connection, found), self.settings.retention_seconds
        return [
            Video.of(job, place, together.get(job.id, []), retention) for job, place in zip(found, places, strict=True)
        ]

    def _look(self, asked: Sequence[tuple[str, str]]) -> list[Video | None]:
        """Jobs by account and number, as they are shown; None for those that the account has not."""
        with self.database.read() as connection:
            found = find_all(connection, {job_id for _, job_id in asked})
            shown = {
                (job.account_id, video.id): video
                for job, video in zip(found, self._shown(connection, found), strict=True)
            }
        return [shown.get(question) for question in asked]


def set_draining(server: Server, draining: bool) -> None:
    """Give out no more jobs, or give them out again."""
    keep(server.database, "drain.on" if draining else "drain.off", "server")
    flag = server.settings.data_dir / DRAINING
    if draining:
        flag.touch()
    else:
        flag.unlink(missing_ok=True)


def address_of(settings: Settings) -> str:
    """Where the database is, as SQLAlchemy writes it."""
    return settings.database_url or f"sqlite:///{settings.data_dir / 'himmel.sqlite3'}"


async def server_of(request: Request) -> Server:
    """The server that a request came to."""
    found = request.app.state.server
    assert isinstance(found, Server)
    return found


async def caller_of(request: Request) -> Caller:
    """Whom a request speaks for, who may read, or make where it is no GET. Raises ApiError (401, 403)."""
    return await _with_scope(request, "read" if request.method in ("GET", "HEAD") else "create")


async def manager_of(request: Request) -> Caller:
    """Whom a request speaks for, who may manage webhooks and keys. Raises ApiError (401, 403)."""
    return await _with_scope(request, "manage")


async def operator_of(request: Request) -> Caller:
    """Whom a request speaks for, who may look after other people's accounts. Raises ApiError (401, 403)."""
    return await _with_scope(request, "operate")


async def _with_scope(request: Request, scope: str) -> Caller:
    server = await server_of(request)
    caller = await server.callers.of(request.headers.get("authorization", ""))
    address = request.client.host if request.client else None
    caller.check_address(address)
    server.alarm.see(caller.key_id or "", address or "")
    logs.note(account_id=caller.account_id, key_id=caller.key_id)
    caller.check_scope(scope)
    return caller


async def check_worker(request: Request) -> None:
    """Raise ApiError (401) unless a worker of ours is asking."""
    token = (await server_of(request)).keys.worker_token()
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise ApiError(401, "invalid_worker_token", "this is no worker of this server")
