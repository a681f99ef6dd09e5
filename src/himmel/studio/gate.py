"""How many may be at something dear at a time: what holds a thread, a child process or much memory.

Owns: the counting, and fairness: with ``each``, one account cannot take all places. Who asks is the account that the
work at hand is about (``himmel.logs``). Knows nothing of what lies behind a gate.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from himmel import logs
from himmel.errors import ApiError

WAIT_SECONDS = 10.0


class Gate:
    """Lets ``places`` in at a time; ``waiting`` more wait for up to ``seconds``; all others are asked to come back.

    ``each`` is how many of one account may be inside or wait (None: any number), ``what`` the reason that is told.
    """

    def __init__(
        self, what: str, places: int, waiting: int = 0, seconds: float = WAIT_SECONDS, each: int | None = None
    ) -> None:
        self.what, self.most, self.seconds, self.each = what, places + waiting, seconds, each
        self._places, self._lock = threading.Semaphore(places), threading.Lock()
        self._here: Counter[object] = Counter()  # inside and waiting, by account

    @contextmanager
    def passed(self) -> Iterator[None]:
        """A place, until the block ends. Raises ApiError (503)."""
        leave = self.enter()
        try:
            yield
        finally:
            leave()

    def enter(self) -> Callable[[], None]:
        """A place, until what this gives is called, in whichever thread. Raises ApiError (503)."""
        account = logs.known().get("account_id")
        with self._lock:
            if self._here.total() >= self.most or (self.each is not None and self._here[account] >= self.each):
                raise self._busy()
            self._here[account] += 1
        if not self._places.acquire(timeout=self.seconds):
            self._gone(account)
            raise self._busy()

        def leave() -> None:
            self._places.release()
            self._gone(account)

        return leave

    def _gone(self, account: object) -> None:
        with self._lock:
            self._here[account] -= 1
            if not self._here[account]:
                del self._here[account]

    def _busy(self) -> ApiError:
        return ApiError(503, "busy", f"{self.what}; send it again", retry_after=5)
