"""HTTP/1.1 with deadlines: a connection that says nothing, reads nothing, or is one too many, is let go.

Owns: how long headers may take to arrive, how long an answer may lie unread, and what becomes of more connections than
an address may have (how many stands in ``connections``): they are answered once, and ended. How long a body may take
stands in ``reception``, where it can be answered. uvicorn has none of it, only a deadline between requests.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from himmel.studio.connections import Connections
from himmel.studio.reception import App

REFUSED_SECONDS = 2.0  # a connection that is one too many has so long to ask, and to be told


def protocol(header_seconds: float, unread_seconds: float, connections: Connections, refusal: App) -> type[H11Protocol]:
    """A protocol for uvicorn with these deadlines; ``refusal`` answers on connections that are too many."""
    known = {"header_seconds": header_seconds, "unread_seconds": unread_seconds}
    return type("Deadlines", (_Deadlines,), {**known, "known": connections, "refusal": staticmethod(refusal)})


class _Deadlines(H11Protocol):
    header_seconds: float
    unread_seconds: float
    known: Connections
    refusal: App
    _counted: str | None = None
    _headers: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        patience = self.header_seconds
        self._counted = self.known.key(self.client[0] if self.client else None)
        if self._counted and not self.known.opened(self._counted):
            if self.known.is_flood(self._counted):
                return transport.abort()
            self.app, patience = self.refusal, min(patience, REFUSED_SECONDS)
        self._headers = self.loop.call_later(patience, self.timeout_keep_alive_handler)
        return None

    def data_received(self, data: bytes) -> None:
        if not self.transport.get_write_buffer_size():  # the answers before were read, whatever comes next
            self._cancel_unread()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # a request has begun
            self._cancel_headers()
        elif self._headers is None:
            self._headers = self.loop.call_later(self.header_seconds, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_unread()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():  # it is sent when the client reads it
            self._watch_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._counted:
            self.known.closed(self._counted)
        self._unset_keepalive_if_required()
        self._cancel_headers()
        self._cancel_unread()

    def _watch_unread(self) -> None:
        self._cancel_unread()
        self._unread = self.loop.call_later(self.unread_seconds, self._drop_unread)

    def _drop_unread(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _cancel_headers(self) -> None:
        if self._headers:
            self._headers.cancel()
            self._headers = None

    def _cancel_unread(self) -> None:
        if self._unread:
            self._unread.cancel()
            self._unread = None
