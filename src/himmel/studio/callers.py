"""Who is asking, remembered for a moment: hundreds of clients ask once a second each, with the same keys.

Owns: how long. A key that was revoked elsewhere is refused within two seconds, one that was revoked here at once.
"""

from __future__ import annotations

import time

from anyio import CapacityLimiter

from himmel.errors import ApiError
from himmel.studio.auth import Caller, Keys
from himmel.studio.together import Together

REMEMBER_SECONDS = 1.5
MOST = 10_000  # that are remembered at a time


class Callers:
    """The callers of one server; unknown ones are looked up together, in these ``threads``."""

    def __init__(self, keys: Keys, threads: CapacityLimiter) -> None:
        self._look = Together(keys.callers, threads)
        self._known: dict[str, tuple[float, Caller]] = {}
        self._round = 0

    async def of(self, authorization: str) -> Caller:
        """Whom a header speaks for. Raises ApiError (401)."""
        until, known = self._known.get(authorization, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        round_ = self._round
        found = await self._look.ask(authorization)
        if isinstance(found, ApiError):
            self._known.pop(authorization, None)
            raise found
        if len(self._known) >= MOST:
            self._known.clear()
        if round_ == self._round:  # what was looked up before somebody changed it is not remembered
            self._known[authorization] = (time.monotonic() + REMEMBER_SECONDS, found)
        return found

    def forget(self) -> None:
        """Look up everybody anew: a key or an account was changed."""
        self._known.clear()
        self._round += 1
