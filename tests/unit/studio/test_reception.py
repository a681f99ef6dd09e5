"""Bodies counted and timed as they arrive."""

import asyncio
import json

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from himmel.errors import ApiError
from himmel.studio import reception
from himmel.studio.reception import LITTLE, Reception, expect


def envelope(error):
    return JSONResponse({"code": error.code}, error.status)


class Conversation:
    """One request to an application, its messages given beforehand; None is a silence that does not end."""

    def __init__(self, app, *messages, headers=((b"transfer-encoding", b"chunked"),), path="/", query=b""):
        self.app, self.messages, self.sent = app, list(messages), []
        self.scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": list(headers)}

    async def receive(self):
        if not self.messages or self.messages[0] is None:
            await asyncio.Event().wait()
        content, more = self.messages.pop(0)
        return {"type": "http.request", "body": content, "more_body": more}

    async def send(self, message):
        self.sent.append(message)

    async def held(self):
        await self.app(self.scope, self.receive, self.send)
        start = self.sent[0]
        return start["status"], dict(start["headers"]), json.loads(self.sent[1]["body"])


async def reader(scope, receive, send):
    """Reads all, and tells how much."""
    body = await Request(scope, receive).body()
    await JSONResponse(len(body))(scope, receive, send)


async def swallower(scope, receive, send):
    """Like a framework that makes an answer of its own of whatever goes wrong while it reads."""
    try:
        await reader(scope, receive, send)
    except Exception:
        await JSONResponse("mine", 400)(scope, receive, send)


def held(app, *messages, seconds=5.0, **options):
    return asyncio.run(Conversation(Reception(app, seconds, envelope), *messages, **options).held())


def test_a_little_is_welcome():
    assert held(reader, (b"x" * LITTLE, False))[::2] == (200, LITTLE)


def test_more_is_refused_and_the_connection_ends():
    status, headers, body = held(swallower, (b"x" * LITTLE, True), (b"x", True), None)
    assert (status, headers[b"connection"], body) == (413, b"close", {"code": "body_too_large"})


def test_a_body_that_stops_coming_is_answered():
    status, _, body = held(swallower, (b"x", True), None, seconds=0.01)
    assert (status, body) == (408, {"code": "body_too_slow"})


def test_a_body_that_drips_is_answered_too(monkeypatch):
    monkeypatch.setattr(reception, "RATE", 1e9)
    conversation = Conversation(Reception(swallower, 0.05, envelope))

    async def drip():
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"x", "more_body": True}

    conversation.receive = drip
    assert asyncio.run(conversation.held())[0] == 408


def test_who_brings_enough_gets_time(monkeypatch):
    monkeypatch.setattr(reception, "RATE", 1)
    conversation = Conversation(Reception(reader, 0.01, envelope), (b"x" * 1000, True), (b"", False))
    quick = conversation.receive

    async def late():
        await asyncio.sleep(0.02 if len(conversation.messages) == 1 else 0)
        return await quick()

    conversation.receive = late
    assert asyncio.run(conversation.held())[::2] == (200, 1000)


def test_an_answer_before_the_end_of_the_body_is_the_last_one():
    async def hasty(scope, receive, send):
        await JSONResponse("no", 401)(scope, receive, send)

    assert held(hasty, None)[1][b"connection"] == b"close"
    assert b"connection" not in held(hasty, None, headers=())[1]


def test_a_route_may_take_more_and_hears_of_too_much_before_it_reads():
    async def larger(scope, receive, send):
        try:
            expect(Request(scope), 2 * LITTLE)
        except ApiError:
            pass
        else:
            await reader(scope, receive, send)

    assert held(larger, (b"x" * 2 * LITTLE, False))[0] == 200
    announced = ((b"content-length", str(2 * LITTLE + 1).encode()),)
    assert held(larger, None, headers=announced)[0] == 413


def test_large_bodies_share_the_memory_and_little_ones_always_fit(monkeypatch):
    monkeypatch.setattr(reception, "MEMORY", 3 * LITTLE)

    async def larger(scope, receive, send):
        expect(Request(scope), 10 * LITTLE)
        await swallower(scope, receive, send)

    async def all_at_once():
        shared, going_on = Reception(larger, 5.0, envelope), asyncio.Event()
        first = Conversation(shared, (b"x" * 4 * LITTLE, True), (b"", False))
        quick = first.receive

        async def waiting():
            if len(first.messages) == 1:
                await going_on.wait()
            return await quick()

        first.receive = waiting
        task = asyncio.create_task(first.held())
        while not shared.held:
            await asyncio.sleep(0)
        assert shared.held == 3 * LITTLE
        second = await Conversation(shared, (b"x" * 2 * LITTLE, True), None).held()
        little = await Conversation(shared, (b"x" * LITTLE, False)).held()
        going_on.set()
        return (await task)[0], second[0], little[0], shared.held

    assert asyncio.run(all_at_once()) == (200, 503, 200, 0)


def test_what_goes_to_disk_is_not_counted_as_memory(monkeypatch):
    monkeypatch.setattr(reception, "MEMORY", LITTLE)

    async def filed(scope, receive, send):
        expect(Request(scope), 10 * LITTLE, in_memory=2 * LITTLE)
        await reader(scope, receive, send)

    assert held(filed, (b"x" * 10 * LITTLE, False))[0] == 200


@pytest.mark.parametrize("where", [{"path": "/v1/videos/a\0b"}, {"query": b"after=a%00b"}])
def test_addresses_hold_no_nul(where):
    assert held(reader, (b"", False), **where)[0] == 400
