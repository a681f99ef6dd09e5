"""Links to clips for whoever has them, account or none: made by the clip's maker, and ended by them.

Owns: the table of links. What a link holds is random and shown once; what is kept of it is a digest. A link is good
while it has a row there, the clip is finished and not deleted, and its maker is not suspended. Knows nothing of pages.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from sqlalchemy import Row, delete, func, select

from himmel.errors import ApiError, BadRequest
from himmel.studio.database import Database
from himmel.studio.jobs import Job, Status, find, first
from himmel.studio.tables import accounts, jobs, shares
from himmel.studio.videos import no_video

TOKEN_BYTES = 24  # 192 bits: nobody finds one by trying
MOST_LINKS = 20  # of a clip


def make_link(database: Database, account_id: str, job_id: str) -> str:
    """A new link's token, to a finished clip of the account's. Raises ApiError (400, 404), BadRequest for too many."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with database.write() as connection:
        job = find(connection, job_id, account_id, lock=True)
        if job is None:
            raise no_video(job_id)
        if job.status != Status.COMPLETED:
            raise ApiError(400, "video_not_ready", "only a clip that is finished can be shared")
        count = select(func.count()).select_from(shares).where(shares.c.job_id == job_id)
        if (connection.scalar(count) or 0) >= MOST_LINKS:
            raise BadRequest(f"a clip has at most {MOST_LINKS} links; revoke one first")
        row = {"id": f"share_{secrets.token_hex(8)}", "job_id": job_id, "digest": _digest(token)}
        connection.execute(shares.insert().values(**row, created_at=time.time()))
    return token


def links_of(database: Database, job_id: str) -> list[Row[Any]]:
    """The links to a clip, the oldest first."""
    with database.read() as connection:
        mine = select(shares.c.id, shares.c.created_at).where(shares.c.job_id == job_id)
        return list(connection.execute(mine.order_by(shares.c.created_at, shares.c.id)))


def end_link(database: Database, account_id: str, job_id: str, share_id: str) -> None:
    """End a link to a clip of the account's, at once. Raises ApiError (404)."""
    with database.write() as connection:
        if find(connection, job_id, account_id) is None:
            raise no_video(job_id)
        which = (shares.c.id == share_id) & (shares.c.job_id == job_id)
        if not connection.execute(delete(shares).where(which)).rowcount:
            raise ApiError(404, "not_found", "there is no such link any more")


def shared_clip(database: Database, token: str) -> Job:
    """The clip that a link leads to. Raises ApiError (404)."""
    good = (jobs.c.status == Status.COMPLETED) & jobs.c.deleted_at.is_(None) & accounts.c.suspended_at.is_(None)
    query = select(jobs).join(shares, shares.c.job_id == jobs.c.id).join(accounts, accounts.c.id == jobs.c.account_id)
    with database.read() as connection:
        job = first(connection, query.where(good, shares.c.digest == _digest(token)))
    if job is None:
        raise ApiError(404, "not_found", "this link leads nowhere: it was revoked, or a piece of it is missing")
    return job


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
