"""Looking up the addresses of hosts that strangers name.

Owns: how long that may take, and how many lookups there may be at a time. The system's own lookup cannot be broken
off: one that takes too long is left alone in its thread, and keeps its place until it ends, so there are never more
threads than places. Knows nothing of which addresses may be reached.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future
from typing import Any

from himmel.errors import ApiError
from himmel.studio.gate import Gate

SECONDS = 3.0
PLACES, OF_ONE_ACCOUNT = 32, 8
_gate = Gate("too many names of hosts are looked up already", PLACES, each=OF_ONE_ACCOUNT)


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, as text. Raises OSError where there are none or it takes too long, ApiError (503)."""
    found: Future[list[Any]] = Future()
    leave = _gate.enter()

    def look() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:
            found.set_exception(error)
        finally:
            leave()

    try:
        threading.Thread(target=look, daemon=True, name="lookup").start()
    except RuntimeError:  # the machine has no thread left for it
        leave()
        raise ApiError(503, "busy", "the server has too much to do; send it again", retry_after=5) from None
    return [str(entry[4][0]).partition("%")[0] for entry in found.result(SECONDS)]
