"""Answering with a stored file: whole or a range of it, as long as whoever asked may have it.

Owns: the headers of such an answer, ranges and conditions (RFC 9110), and sending it. Knows nothing of whose the file
is. What was read is sent in small pieces, so that little is under way when a download is cut.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterator

import anyio
from anyio.abc import TaskGroup
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Message, Receive, Scope, Send

from himmel.errors import ApiError, HimmelError
from himmel.studio.server import Server
from himmel.studio.storage import Storage

log = logging.getLogger("himmel.studio")
CHECK_SECONDS = 0.4  # with the time that callers are remembered, less than two seconds
Good = Callable[[], Awaitable[bool]]
PIECE = 1 << 16  # bytes


def stored_file(request: Request, storage: Storage, digest: str, *, kind: str, name: str, still_good: Good) -> Response:
    """The answer with a file of this media type, under this name.

    ``still_good`` is asked before the first byte and again and again from then on; where it says no, the
    connection is closed. Raises ApiError (416, 503). Blocks for as long as the store takes to find the file.
    """
    etag = f'"{digest}"'
    size = storage.size(digest)
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f'attachment; filename="{name}"',
        "etag": etag,
        "x-content-type-options": "nosniff",
    }
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    part = _range(wanted, size) if wanted and request.method == "GET" else None
    start, end = part or (0, size)
    headers |= {"content-type": kind, "content-length": str(end - start)}
    if part:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return Download(206 if part else 200, headers, storage.chunks(digest, start, end), still_good)


def same_caller(request: Request, server: Server) -> Good:
    """Whether the key that a request came with is still good."""
    return _as_long_as(lambda: server.callers.of(request.headers.get("authorization", "")))


def as_long_as(look: Callable[[], object]) -> Good:
    """Whether a look, which blocks, still finds what it found: it raises HimmelError where it does not."""
    return _as_long_as(lambda: run_in_threadpool(look))


def _as_long_as(look: Callable[[], Awaitable[object]]) -> Good:
    async def good() -> bool:
        try:
            await look()
        except HimmelError:
            return False
        except SQLAlchemyError:
            pass  # the database is away: it is asked again in a moment
        return True

    return good


async def always() -> bool:
    """For who may have a file whatever happens."""
    return True


class Download(Response):
    """An answer whose body is read as it is sent; cut, not ended, where it may not go on."""

    def __init__(self, status: int, headers: dict[str, str], chunks: Iterator[bytes], still_good: Good) -> None:
        super().__init__(status_code=status, headers=headers)
        # Response counts its own, empty body.
        self.raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        self.chunks, self.still_good = chunks, still_good

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        if not await self.still_good():
            return  # the server closes a connection whose answer was not ended
        async with anyio.create_task_group() as tasks:
            for task in (self._watch, self._until_gone(receive), self._send(send)):
                tasks.start_soon(_first_of, tasks, task)

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(CHECK_SECONDS)
            if not await self.still_good():
                return

    def _until_gone(self, receive: Receive) -> Callable[[], Awaitable[None]]:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        return gone

    def _send(self, send: Send) -> Callable[[], Awaitable[None]]:
        async def sent() -> None:
            try:
                while chunk := await run_in_threadpool(next, self.chunks, b""):
                    for at in range(0, len(chunk), PIECE):
                        await send({"type": "http.response.body", "body": chunk[at : at + PIECE], "more_body": True})
            except ApiError:
                return  # the store has said what is wrong
            await send({"type": "http.response.body"})

        return sent


async def _first_of(tasks: TaskGroup, task: Callable[[], Awaitable[None]]) -> None:
    """Do a task, and end the others when it is over."""
    await task()
    tasks.cancel_scope.cancel()


def _names(header: str, etag: str) -> bool:
    """Whether If-None-Match names the file, weakly compared."""
    return header.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in header.split(","))


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Begin and end of the one range that a header asks for; None for what is no single range of bytes.

    Raises ApiError (416) for one that the file does not have.
    """
    found = re.fullmatch(r"bytes=\s*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*", header)
    if not found:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise ApiError(
            416, "range_not_satisfiable", f"the file has {size} bytes", headers={"content-range": f"bytes */{size}"}
        )
    return start, end
