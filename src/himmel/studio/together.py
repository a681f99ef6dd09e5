"""Questions of many clients that are answered with one look.

Owns: the gathering. While one look is being taken, in a thread, what else is asked waits and is answered by the next:
so a crowd of clients costs a few looks a second, not a thread and a transaction for each. Knows nothing of what is
asked.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

Question = TypeVar("Question")
Answer = TypeVar("Answer")
MOST = 100  # questions to a look


class Together(Generic[Question, Answer]):
    """``look`` gives the answers to several questions, in their order, in one of the ``threads``."""

    def __init__(self, look: Callable[[Sequence[Question]], Sequence[Answer]], threads: CapacityLimiter) -> None:
        self.look, self.threads = look, threads
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """The answer to one question. Raises what the look raised."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._looking is None:
            self._looking = asyncio.create_task(self._answer_all(), context=contextvars.Context())
        return await answer

    async def _answer_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            waiting = [future for _, future in asked]
            try:
                answers = await to_thread.run_sync(self.look, [question for question, _ in asked], limiter=self.threads)
            except Exception as error:
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
            else:
                for future, answer in zip(waiting, answers, strict=True):
                    if not future.done():  # whoever asked may have gone away
                        future.set_result(answer)
        self._looking = None
