"""Webhooks: telling other machines what became of a job.

Owns: endpoints, the outbox and its deliveries. An event is put into the outbox in the very transaction that ends
its job, so none is lost and none is made up; it is delivered at least once, again with growing pauses until the
endpoint answers with 2xx, and laid aside after the last try.

Signatures as in Standard Webhooks: base64(HMAC-SHA256(secret, "id.timestamp.body")).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, func, select, update

from himmel import logs
from himmel.errors import ApiError
from himmel.studio.audit import record
from himmel.studio.database import Database
from himmel.studio.outbound import Outbound, gate
from himmel.studio.tables import deliveries, webhook_endpoints

EVENTS = ("video.completed", "video.failed")
PAUSES = (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)  # seconds before each further try
KEEP_OLD_SECRET = 24 * 3600
TOGETHER = 8  # deliveries at a time: a slow endpoint is waited for by itself
MOST_ENDPOINTS = 20  # of an account
ASKED = gate()  # for requests; deliveries have threads of their own


def announce(connection: Connection, account_id: str, job_id: str, kind: str, now: float) -> None:
    """Put an event into the outbox, once for every endpoint of the account that wants it."""
    mine = select(webhook_endpoints).where(webhook_endpoints.c.account_id == account_id)
    wanting = [row for row in connection.execute(mine) if kind in row.event_types]
    for endpoint in wanting:
        body = _event(kind, job_id, now)
        row = {"id": body["id"], "endpoint_id": endpoint.id, "body": json.dumps(body)}
        connection.execute(deliveries.insert().values(**row, attempts=0, next_at=now))


def signature(secret: str, number: str, timestamp: int, body: bytes) -> str:
    """The signature of one delivery under one secret ("whsec_…")."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{number}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


@dataclass(frozen=True)
class Webhooks:
    """The endpoints and the outbox of one server."""

    database: Database
    outbound: Outbound
    now: Callable[[], float] = time.time

    def create(self, account_id: str, name: str, url: str, event_types: list[str]) -> Row[Any]:
        """A new endpoint with a secret of its own.

        Raises ApiError: 400 for a URL that may not be reached, 429 for one too many, 503 where too many are looked at.
        """
        self._check(url)
        number, now = f"we_{secrets.token_hex(12)}", self.now()
        told = {"name": name, "url": url, "event_types": event_types, "created_at": now, "updated_at": now}
        new = webhook_endpoints.insert().values(id=number, account_id=account_id, secret=_new_secret(), **told)
        with self.database.write() as connection:
            mine = webhook_endpoints.c.account_id == account_id
            if (connection.scalar(select(func.count()).where(mine)) or 0) >= MOST_ENDPOINTS:
                raise ApiError(429, "too_many_endpoints", f"an account has at most {MOST_ENDPOINTS}; delete one")
            connection.execute(new)
            record(connection, account_id, "webhook.made", number, host=_host(url), event_types=event_types)
        return self.find(account_id, number)

    def find(self, account_id: str, endpoint_id: str) -> Row[Any]:
        """One endpoint of an account. Raises ApiError (404)."""
        with self.database.read() as connection:
            row = connection.execute(select(webhook_endpoints).where(_own(account_id, endpoint_id))).first()
        if row is None:
            raise ApiError(404, "webhook_endpoint_not_found", f"there is no webhook endpoint '{endpoint_id[:80]}'")
        return row

    def change(self, account_id: str, endpoint_id: str, changes: Mapping[str, object]) -> Row[Any]:
        """Change name, URL or event types. Raises ApiError (400, 404, 503)."""
        self.find(account_id, endpoint_id)
        if "url" in changes:
            self._check(str(changes["url"]))
        with self.database.write() as connection:
            same = _own(account_id, endpoint_id)
            connection.execute(update(webhook_endpoints).where(same).values(**changes, updated_at=self.now()))
            record(connection, account_id, "webhook.changed", endpoint_id, changed=sorted(changes))
        return self.find(account_id, endpoint_id)

    def rotate(self, account_id: str, endpoint_id: str, *, keep_old: bool) -> Row[Any]:
        """Give an endpoint a new secret; the old one is good for a day more where ``keep_old``."""
        old = self.find(account_id, endpoint_id).secret if keep_old else None
        until = self.now() + KEEP_OLD_SECRET if keep_old else None
        return self.change(
            account_id, endpoint_id, {"secret": _new_secret(), "old_secret": old, "old_secret_until": until}
        )

    def remove(self, account_id: str, endpoint_id: str) -> None:
        """Forget an endpoint and what was still to be delivered to it. Raises ApiError (404)."""
        self.find(account_id, endpoint_id)
        with self.database.write() as connection:
            connection.execute(delete(deliveries).where(deliveries.c.endpoint_id == endpoint_id))
            connection.execute(delete(webhook_endpoints).where(_own(account_id, endpoint_id)))
            record(connection, account_id, "webhook.removed", endpoint_id)

    def test(self, account_id: str, endpoint_id: str, kind: str) -> int:
        """Send a sample event now; gives the status that the endpoint answered. Raises ApiError."""
        body, endpoint = _event(kind, "video_sample", self.now()), self.find(account_id, endpoint_id)
        with ASKED.passed():
            return self._deliver(endpoint, body["id"], json.dumps(body).encode())

    def deliver_due(self) -> int:
        """Deliver what is due, some at a time, every endpoint in its turn; gives how many were tried."""
        turn = func.row_number().over(partition_by=deliveries.c.endpoint_id, order_by=deliveries.c.next_at)
        with self.database.read() as connection:
            due = (deliveries.c.next_at <= self.now()) & deliveries.c.delivered_at.is_(None)
            rows = connection.execute(
                select(deliveries, webhook_endpoints)
                .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.c.endpoint_id)
                .where(due)
                .order_by(turn, deliveries.c.next_at)
                .limit(50)
            ).all()
        with ThreadPoolExecutor(TOGETHER) as threads:
            list(threads.map(self._try, rows))
        return len(rows)

    def replay(self, account_id: str, endpoint_id: str) -> int:
        """Try again, from the beginning, what was laid aside; gives how many. Raises ApiError (404)."""
        self.find(account_id, endpoint_id)
        aside = deliveries.c.next_at.is_(None) & deliveries.c.delivered_at.is_(None)
        mine = update(deliveries).where(deliveries.c.endpoint_id == endpoint_id, aside)
        with self.database.write() as connection:
            return connection.execute(mine.values(next_at=self.now(), attempts=0)).rowcount

    def _check(self, url: str) -> None:
        with ASKED.passed():
            self.outbound.check(url)

    def _try(self, row: Row[Any]) -> None:
        try:
            with logs.about(account_id=row.account_id):
                status = self._deliver(row, row[0], row.body.encode())
            problem = None if 200 <= status < 300 else f"answered {status}"
        except ApiError as error:
            if error.status == 503:
                return  # we were too busy to try; it stays due
            problem = str(error)
        changes: dict[str, object] = {"attempts": row.attempts + 1, "problem": problem}
        if problem is None:
            changes["delivered_at"] = self.now()
        elif row.attempts < len(PAUSES):
            changes["next_at"] = self.now() + PAUSES[row.attempts] * random.uniform(0.8, 1.2)
        else:
            changes["next_at"] = None  # laid aside
        with self.database.write() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == row[0]).values(**changes))

    def _deliver(self, endpoint: Row[Any], number: str, body: bytes) -> int:
        timestamp = int(self.now())
        good = [endpoint.secret]
        if endpoint.old_secret and endpoint.old_secret_until > self.now():
            good.append(endpoint.old_secret)
        headers = {
            "content-type": "application/json",
            "user-agent": "Himmel",
            "webhook-id": number,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signature(secret, number, timestamp, body) for secret in good),
        }
        return self.outbound.post(endpoint.url, body, headers).status


def _event(kind: str, job_id: str, now: float) -> dict[str, Any]:
    number = f"evt_{secrets.token_hex(12)}"
    return {"id": number, "object": "event", "created_at": int(now), "type": kind, "data": {"id": job_id}}


def _host(url: str) -> str:
    """What of a URL may be told: its path and query may hold secrets."""
    return urlsplit(url).hostname or ""


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _own(account_id: str, endpoint_id: str) -> Any:
    return (webhook_endpoints.c.account_id == account_id) & (webhook_endpoints.c.id == endpoint_id)
