"""A key that is used from many addresses at once has probably leaked: its operators are told.

Owns: noticing it, and telling it once in an hour, in the log and the audit log. Nobody is cut off by it: that is for
people to decide, and another account's keys have nothing to do with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from himmel.studio.audit import keep
from himmel.studio.database import Database

log = logging.getLogger("himmel.alarm")
TOGETHER_SECONDS = 60.0
AGAIN_SECONDS = 3600.0
MOST_KEPT = 10_000  # addresses of a key that was told already


class Alarm:
    """The alarm of one server; ``most`` is how many addresses of a key in a minute are nothing special, 0 for any."""

    def __init__(self, database: Database, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self.database, self.most, self.now = database, most, now
        self._seen: dict[str, dict[str, float]] = {}
        self._told: dict[str, float] = {}
        self._due: list[str] = []

    def see(self, key_id: str, address: str) -> None:
        """Take notice of a request; remembers a little, and never waits."""
        if not self.most:
            return
        addresses, now = self._seen.setdefault(key_id, {}), self.now()
        addresses[address] = now
        if len(addresses) <= self.most:
            return
        quiet = now - self._told.get(key_id, float("-inf")) <= AGAIN_SECONDS
        if quiet and len(addresses) < MOST_KEPT:
            return
        self._seen[key_id] = lately = {place: at for place, at in addresses.items() if now - at < TOGETHER_SECONDS}
        if len(lately) > self.most and not quiet:
            self._told[key_id] = now
            self._due.append(key_id)

    def tell(self) -> None:
        """Write down what was noticed; called about once a second."""
        while self._due:
            key_id = self._due[0]
            told = f"this key came from more than {self.most} addresses in a minute; if it leaked: himmel keys revoke"
            keep(self.database, "key.alarm", key_id, told=told)
            log.warning(
                "a key may have leaked: more than %d addresses in a minute", self.most, extra={"key_id": key_id}
            )
            del self._due[0]
