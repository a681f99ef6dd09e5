"""Batches: a file of requests, worked through in the account's turn, and a file of answers.

Owns: the states of a batch, feeding its lines to the queue, and writing its output. A batch is fed line by line,
never more than a part of the account's places in the queue, so that it waits in its file and not in the way.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from itertools import islice
from typing import Any, Literal
from weakref import WeakKeyDictionary

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, func, select, update

from himmel.errors import ApiError
from himmel.studio.auth import Caller
from himmel.studio.files import find_file, keep_file
from himmel.studio.gate import Gate
from himmel.studio.jobs import FINAL, Status, find_all
from himmel.studio.lock import locked
from himmel.studio.remakes import maker_of
from himmel.studio.schemas import Video
from himmel.studio.server import Server
from himmel.studio.strict_json import parsed
from himmel.studio.tables import batch_lines, batches, files, jobs
from himmel.studio.videos import LONGEST_TEXT

log = logging.getLogger("himmel.batches")
ENDPOINT = "/v1/videos"
WINDOW = "24h"
MOST_LINES = 50_000
LARGEST = 200_000_000  # bytes of a file
LONGEST_ID = 512  # characters of a custom_id
AT_ONCE = 20  # jobs of one batch that wait or run at a time
FEED_SECONDS = 1.0  # then other batches have their turn
EXAMINED = Gate("too many files of batches are read already", 1, waiting=4, seconds=30, each=2)
ANSWERED_TOGETHER = 200  # lines whose answers are looked up and written at a time
# How many lines of a batch were fed, and the byte of its file that comes next; what is not here is found by reading.
_reached: WeakKeyDictionary[Server, dict[str, tuple[int, int]]] = WeakKeyDictionary()
OVER = ("completed", "failed", "expired", "cancelled")


class NewBatch(BaseModel):
    """The body of a creation."""

    endpoint: Literal["/v1/videos"]
    completion_window: Literal["24h"]
    input_file_id: str = Field(max_length=80)
    metadata: dict[str, str] | None = Field(default=None, max_length=16)


def create_batch(server: Server, caller: Caller, wanted: NewBatch) -> Row[Any]:
    """A new batch. Raises ApiError (400, 404, 503); a file that cannot be worked through gives a failed batch."""
    file = find_file(server.database, caller.account_id, wanted.input_file_id)
    if file.purpose != "batch":
        raise ApiError(400, "invalid_value", "the file must have been brought for a batch", param="input_file_id")
    with EXAMINED.passed():
        total, problem = _examined(server, file)
    now = server.queue.now()
    new = {
        "id": f"batch_{secrets.token_hex(12)}",
        "account_id": caller.account_id,
        "key_id": caller.key_id,
        "input_file_id": file.id,
        "status": "failed" if problem else "in_progress",
        "created_at": now,
        "ended_at": now if problem else None,
        "expires_at": now + 24 * 3600,
        "next_line": 0,
        "problem": problem,
        "metadata": wanted.metadata,
        "total": total,
    }
    with server.database.write() as connection:
        connection.execute(batches.insert().values(**new))
    return find_batch(server, caller.account_id, str(new["id"]))


def find_batch(server: Server, account_id: str, batch_id: str) -> Row[Any]:
    """A batch of this account. Raises ApiError (404)."""
    mine = (batches.c.id == batch_id) & (batches.c.account_id == account_id)
    with server.database.read() as connection:
        row = connection.execute(select(batches).where(mine)).first()
    if row is None:
        raise ApiError(404, "batch_not_found", f"there is no batch '{batch_id[:80]}'")
    return row


def cancel_batch(server: Server, account_id: str, batch_id: str) -> Row[Any]:
    """Feed no more lines and cancel those that wait; what is done is in the output. Raises ApiError (404)."""
    batch = find_batch(server, account_id, batch_id)
    still = (batches.c.id == batch.id) & (batches.c.status == "in_progress")
    with server.database.write() as connection:
        changed = connection.execute(update(batches).where(still).values(status="cancelling")).rowcount
    if changed:
        with suppress(BlockingIOError), _turn(server, wait=False):  # else whoever has the turn does it, or the next one
            batch = find_batch(server, account_id, batch_id)
            if batch.status == "cancelling":  # it may have been done since
                _advance_carefully(server, batch)
    return find_batch(server, account_id, batch_id)


def counts_of(server: Server, batch: Row[Any]) -> dict[str, int]:
    """Lines in all, completed and failed."""
    by_status = select(jobs.c.status, func.count()).join(batch_lines, batch_lines.c.job_id == jobs.c.id)
    mine = batch_lines.c.batch_id == batch.id
    with server.database.read() as connection:
        rows = connection.execute(by_status.where(mine, jobs.c.deleted_at.is_(None)).group_by(jobs.c.status)).all()
        refused = connection.scalar(select(func.count()).where(mine, batch_lines.c.job_id.is_(None))) or 0
    counts = {str(status): int(count) for status, count in rows}
    completed, failed = counts.get(Status.COMPLETED, 0), counts.get(Status.FAILED, 0) + refused
    return {"total": max(batch.total, completed + failed), "completed": completed, "failed": failed}


def advance_batches(server: Server) -> None:
    """Feed lines to the queue, let time run out, and finish what is done; called again and again.

    One at a time, of all processes: the helper that calls it, and whoever cancels.
    """
    with _turn(server):
        with server.database.read() as connection:
            open_ones = connection.execute(select(batches).where(batches.c.status.not_in(OVER))).all()
        for batch in open_ones:
            _advance_carefully(server, batch)


def _turn(server: Server, *, wait: bool = True) -> AbstractContextManager[None]:
    return locked(server.settings.data_dir / "locks" / "batches", alone=True, wait=wait)


def _advance_carefully(server: Server, batch: Row[Any]) -> None:
    try:
        _advance(server, batch)
    except ApiError as error:
        if error.code == "file_lost":  # it can never go on
            problem = _problem(error.code, str(error))[1]
            _set(server, batch.id, status="failed", problem=problem, ended_at=server.queue.now())
    except Exception as error:  # others must not wait for it
        log.error("the batch %s does not go on", batch.id, exc_info=error)


def _advance(server: Server, batch: Row[Any]) -> None:
    late = batch.status == "in_progress" and server.queue.now() > batch.expires_at
    if late or batch.status == "cancelling":
        for job_id in _open_jobs(server, batch.id):
            server.queue.cancel(job_id, batch.account_id)
        _finish(server, batch, "expired" if late else "cancelled")
    elif _feed(server, batch):
        _finish(server, batch, "completed")


def _feed(server: Server, batch: Row[Any]) -> bool:
    """Give the queue some lines, as many as there is room for; True when all lines have ended."""
    waiting = len(_open_jobs(server, batch.id))
    if waiting >= AT_ONCE:
        return False
    until = time.monotonic() + FEED_SECONDS
    for number, (line, after) in enumerate(_unfed(server, batch), batch.next_line):
        if waiting >= AT_ONCE or time.monotonic() > until or not _feed_line(server, batch, number, line):
            return False
        _reached.setdefault(server, {})[batch.id] = (number + 1, after)
        waiting += 1
    return not _open_jobs(server, batch.id)


def _feed_line(server: Server, batch: Row[Any], number: int, line: dict[str, Any]) -> bool:
    """Make the job of a line, or keep why there is none; False where the batch must wait or was cancelled."""
    job_id, error = None, None
    try:
        once = f"{batch.id}/{number}"  # fed again after a crash, a line is still one job
        make = maker_of(line["url"])
        assert make  # every line was looked at when the batch was made
        job_id = make(server, server.keys.holder(batch.key_id), line["body"], once).id
    except ApiError as problem:
        if problem.status == 429 or (problem.status >= 500 and problem.code != "file_lost"):
            return False  # the queue's or the disk's trouble, not the line's; what is lost stays so
        told = {"message": str(problem), "type": problem.kind, "param": problem.param, "code": problem.code}
        error = {"status": problem.status, "body": {"error": told}}
    with server.database.write() as connection:
        new = {"batch_id": batch.id, "number": number, "custom_id": line["custom_id"]}
        connection.execute(batch_lines.insert().values(**new, job_id=job_id, error=error))
        _set_in(connection, batch.id, next_line=number + 1)
        return connection.scalar(select(batches.c.status).where(batches.c.id == batch.id)) == "in_progress"


def _open_jobs(server: Server, batch_id: str) -> list[str]:
    """All jobs of a batch's lines that are not over, those of one line with ``n`` among them."""
    line = (batch_lines.c.job_id == jobs.c.id) | (batch_lines.c.job_id == jobs.c.group_id)
    query = select(jobs.c.id).join(batch_lines, line).where(batch_lines.c.batch_id == batch_id)
    with server.database.read() as connection:
        return list(connection.scalars(query.where(jobs.c.status.not_in(FINAL), jobs.c.deleted_at.is_(None))))


def _finish(server: Server, batch: Row[Any], status: str) -> None:
    """Write the answers of all lines that were fed, and of the others that they were not."""
    _reached.get(server, {}).pop(batch.id, None)
    names = enumerate(line["custom_id"] for line in _lines(server, batch))
    with tempfile.TemporaryFile() as output:
        while some := dict(islice(names, ANSWERED_TOGETHER)):
            for number, answer in _answers(server, batch.id, some, status):
                told = {"id": f"{batch.id}-{number}", "custom_id": some[number], **answer}
                output.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        output.seek(0)
        name = f"{batch.id}_output.jsonl"
        file = keep_file(server.database, server.storage, batch.account_id, name, "batch_output", output)
    _set(server, batch.id, status=status, output_file_id=file.id, ended_at=server.queue.now())


def _answers(
    server: Server, batch_id: str, numbers: Collection[int], status: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What became of some lines, by their numbers; there is none between them that is not asked for."""
    first, last = min(numbers), max(numbers)
    these = (batch_lines.c.batch_id == batch_id) & batch_lines.c.number.between(first, last)
    with server.database.read() as connection:
        fed = {row.number: row for row in connection.execute(select(batch_lines).where(these))}
        found = find_all(connection, {row.job_id for row in fed.values() if row.job_id})
    videos = {video.id: video for video in server.all_shown(found)}
    for number in numbers:
        yield number, _answer(fed.get(number), videos, status)


def _answer(row: Row[Any] | None, videos: Mapping[str, Video], status: str) -> dict[str, Any]:
    if row is None:
        code = "batch_expired" if status == "expired" else "batch_cancelled"
        return {"response": None, "error": {"code": code, "message": f"the batch was {status} before this line"}}
    if row.error:
        return {"response": {"status_code": row.error["status"], "body": row.error["body"]}, "error": None}
    if row.job_id not in videos:
        return {"response": None, "error": {"code": "video_deleted", "message": "the clip was deleted"}}
    video = videos[row.job_id].model_dump(mode="json")
    return {"response": {"status_code": 200, "request_id": row.job_id, "body": video}, "error": None}


def _unfed(server: Server, batch: Row[Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """The lines that the queue has not seen, each with the byte after it; the file is read from where it was left."""
    number, at = _reached.get(server, {}).get(batch.id, (0, 0))
    if number != batch.next_line:  # we were started since, or another process fed it
        number, at = 0, 0
    for text in server.storage.lines(_input_of(server, batch), LONGEST_TEXT, at):
        at += len(text) + 1
        if text.strip():
            number += 1
            if number > batch.next_line:
                yield parsed(text), at


def _lines(server: Server, batch: Row[Any]) -> Iterator[dict[str, Any]]:
    """All lines of a batch; they were found readable when it was made."""
    yield from map(parsed, _texts(server, _input_of(server, batch)))


def _input_of(server: Server, batch: Row[Any]) -> str:
    """The digest of a batch's file, also where that was deleted since: the sweeper knows open batches."""
    with server.database.read() as connection:
        return connection.execute(select(files.c.digest).where(files.c.id == batch.input_file_id)).scalar_one()


def _texts(server: Server, digest: str) -> Iterator[bytes]:
    """The lines that hold something; one that is too long comes in pieces, none of which is a whole line."""
    return filter(bytes.strip, server.storage.lines(digest, LONGEST_TEXT))


def _examined(server: Server, file: Row[Any]) -> tuple[int, dict[str, Any] | None]:
    """How many lines a file has, and why it cannot be worked through; none, and None where it can.

    Of the lines before, only short digests of their ids stay in memory.
    """
    seen: set[bytes] = set()
    for number, text in enumerate(_texts(server, file.digest), 1):
        try:
            line = parsed(text)
            custom_id, whole = line["custom_id"], isinstance(line["body"], dict)
            named = isinstance(custom_id, str) and len(custom_id) <= LONGEST_ID
            good = line["method"] == "POST" and maker_of(line["url"]) and named and whole
        except (ApiError, KeyError, TypeError):
            good = False
        if not good:
            told = (
                f"each line must be custom_id, method 'POST', url '{ENDPOINT}' or one below it that makes clips, body"
            )
            return _problem("invalid_line", told, number)
        short = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
        if short in seen:
            return _problem("duplicate_custom_id", "came before", number, "custom_id")
        seen.add(short)
        if number > MOST_LINES:
            return _problem("too_many_lines", f"at most {MOST_LINES}", number)
    return (len(seen), None) if seen else _problem("empty_file", "there is no line")


def _problem(code: str, message: str, line: int | None = None, param: str | None = None) -> tuple[int, dict[str, Any]]:
    return 0, {"code": code, "line": line, "message": message, "param": param}


def _set(server: Server, batch_id: str, **values: object) -> None:
    with server.database.write() as connection:
        _set_in(connection, batch_id, **values)


def _set_in(connection: Connection, batch_id: str, **values: object) -> None:
    connection.execute(update(batches).where(batches.c.id == batch_id).values(**values))
