"""How often one may guess: wrong tries are counted, and after too many of them one waits.

Owns: the counting, in memory: whoever restarts the server forgets it. Knows nothing of what is guessed at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from himmel.errors import SignInRefused

TRIES, TRIES_SECONDS = 10, 600.0  # wrong ones of each: from one address, for one name
MOST_REMEMBERED = 10_000


class Tries:
    """Wrong tries of one server; ``now`` gives seconds, ``waiting`` says what to do when there were too many."""

    def __init__(self, now: Callable[[], float], waiting: str, seconds: float = TRIES_SECONDS) -> None:
        self.now, self.waiting, self.seconds = now, waiting, seconds
        self._wrong: dict[str, deque[float]] = {}

    def check(self, *whose: str) -> None:
        """Raise SignInRefused where one of them was wrong too often lately."""
        since = self.now() - self.seconds
        if len(self._wrong) > MOST_REMEMBERED:
            self._wrong = {one: at for one, at in self._wrong.items() if at[-1] > since}
        for one in whose:
            at = self._wrong.get(one)
            if at and len(at) == TRIES and at[0] > since:
                raise SignInRefused(f"too many wrong tries; {self.waiting}")

    def wrong(self, *whose: str) -> bool:
        """Count one more; says whether it was the last one that may be made for now."""
        counts = [self._wrong.setdefault(one, deque(maxlen=TRIES)) for one in whose]
        for at in counts:
            at.append(self.now())
        return any(len(at) == TRIES and at[0] > self.now() - self.seconds for at in counts)
