"""How much a request may bring, how long it may take, and how much of it may lie in memory: one place for all routes.

Owns: counting the bytes of bodies as they arrive, whoever reads them. A route that wants more than a little says so
(:func:`expect`), after it knows who is asking. Knows nothing of what is in a body.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request

from himmel.errors import ApiError

LITTLE = 100_000  # bytes: what every route takes, and what of every body is always welcome in memory
MEMORY = 500_000_000  # bytes of larger bodies that may lie in memory at a time, of all requests together
RATE = 20_000  # bytes per second that a body must bring on average, once ``seconds`` are over
KEY = "himmel.body"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def expect(request: Request, limit: int, in_memory: int | None = None) -> None:
    """Take up to ``limit`` bytes of this request, of which ``in_memory`` are never on disk (None: all).

    Raises ApiError (413) where more was announced.
    """
    body: Body = request.scope[KEY]
    body.limit, body.in_memory = limit, limit if in_memory is None else in_memory
    body.check(body.announced)


class Reception:
    """Wraps an application. ``seconds`` are what any body may take to arrive; ``envelope`` makes an answer of an error.

    ``held`` is how much lies in memory now.
    """

    def __init__(self, app: App, seconds: float, envelope: Callable[[ApiError], App]) -> None:
        self.app, self.seconds, self.envelope, self.held = app, seconds, envelope, 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        body = scope[KEY] = Body(self, scope, receive, send)
        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                body.refuse(ApiError(400, "invalid_value", "an address holds no NUL character"))
            else:
                await self.app(scope, body.receive, body.send)
        finally:
            self.held -= body.held
        if body.refusal and not body.started:
            await self.envelope(body.refusal)(scope, receive, body.send_closing)
        return None


class Body:
    """The body of one request, counted. Once it is refused, whatever the application still says is not sent."""

    def __init__(self, reception: Reception, scope: Message, receive: Receive, send: Send) -> None:
        self.reception, self._receive, self._send = reception, receive, send
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        self.announced = int(length) if length.isdigit() and len(length) < 20 else 0
        self.complete = not self.announced and b"transfer-encoding" not in headers
        self.began = time.monotonic()
        self.limit = self.in_memory = LITTLE
        self.seen = self.held = 0
        self.refusal: ApiError | None = None
        self.started = False

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        deadline = self.began + self.reception.seconds + self.seen / RATE
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise self.refuse(ApiError(408, "body_too_slow", "the body came too slowly; send it again")) from None
        if message["type"] == "http.disconnect":
            raise self.refuse(ApiError(400, "body_incomplete", "the body ended early"))
        self.seen += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        self.check(self.seen)
        self._hold()
        return message

    async def send(self, message: Message) -> None:
        if self.refusal:
            return
        if self.complete:
            self.started = True
            await self._send(message)
        else:  # nobody will read the rest, so nothing else can come this way
            await self.send_closing(message)

    async def send_closing(self, message: Message) -> None:
        """Send an answer that is the last one of its connection."""
        self.started = True
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)

    def check(self, size: int) -> None:
        """Raise ApiError (413) for more bytes than the route takes."""
        if size > self.limit:
            raise self.refuse(ApiError(413, "body_too_large", f"the body is larger than {self.limit} bytes"))

    def refuse(self, error: ApiError) -> ApiError:
        self.refusal = self.refusal or error
        return self.refusal

    def _hold(self) -> None:
        """Take from the common memory what this body now needs of it. Raises ApiError (503)."""
        more = min(self.seen, self.in_memory) - LITTLE - self.held
        if more <= 0:
            return
        if self.reception.held + more > MEMORY:
            raise self.refuse(ApiError(503, "busy", "too many large bodies at a time; send it again", retry_after=5))
        self.held += more
        self.reception.held += more
