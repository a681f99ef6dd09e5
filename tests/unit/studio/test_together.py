"""Questions of many, answered with few looks."""

import asyncio
import threading

import pytest
from anyio import CapacityLimiter

from himmel.studio.together import MOST, Together


class Book:
    """What is looked into; the first look waits until ``open`` is set."""

    def __init__(self, trouble=None):
        self.looks, self.trouble, self.open = [], trouble, threading.Event()

    def look(self, asked):
        self.looks.append(list(asked))
        if len(self.looks) == 1:
            assert self.open.wait(10)
            if self.trouble:
                raise self.trouble
        return [number * 10 for number in asked]

    async def ask_many(self, first, more):
        """Ask one question, and all the others while it is being looked up."""
        together = Together(self.look, CapacityLimiter(4))
        one = asyncio.create_task(together.ask(first))
        while not self.looks:
            await asyncio.sleep(0)
        others = [asyncio.create_task(together.ask(number)) for number in more]
        await asyncio.sleep(0)
        self.open.set()
        return await asyncio.gather(one, *others, return_exceptions=True), together


def test_what_is_asked_during_a_look_is_answered_by_the_next():
    book = Book()
    answers, _ = asyncio.run(book.ask_many(1, range(2, 50)))
    assert answers == [number * 10 for number in range(1, 50)]
    assert [len(look) for look in book.looks] == [1, 48]


def test_a_look_has_its_limit():
    book = Book()
    answers, _ = asyncio.run(book.ask_many(0, range(1, 2 * MOST + 11)))
    assert answers == [number * 10 for number in range(2 * MOST + 11)]
    assert [len(look) for look in book.looks] == [1, MOST, MOST, 10]


def test_trouble_reaches_those_who_asked_and_nobody_else():
    book = Book(OSError("away"))
    answers, _ = asyncio.run(book.ask_many(1, [2, 3]))
    assert isinstance(answers[0], OSError) and answers[1:] == [20, 30]


def test_who_has_gone_away_keeps_nobody_waiting():
    book = Book()

    async def story():
        together = Together(book.look, CapacityLimiter(4))
        gone = asyncio.create_task(together.ask(1))
        stays = asyncio.create_task(together.ask(2))
        while not book.looks:
            await asyncio.sleep(0)
        gone.cancel()
        book.open.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays, await together.ask(3)

    assert asyncio.run(story()) == (20, 30)
