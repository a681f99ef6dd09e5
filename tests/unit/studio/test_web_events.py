"""Events: what a page that slept is told, and whom a flood does not silence."""

import asyncio

import pytest
from starlette.requests import Request

from himmel.studio import web_events
from himmel.studio.jobs import Status
from himmel.studio.videos import create_video

FIELDS = {"model": "sora-2", "prompt": "a cat", "seconds": "1", "size": "64x48", "seed": 7}


@pytest.fixture
def look(server, caller):
    """What the account's page is told that asks since a time, by number."""

    def asked(since, account_id=caller.account_id):
        [told] = web_events._look(server, [(account_id, since, "en")])
        return {one["id"]: one["status"] for one in told}

    return asked


def test_a_page_that_slept_for_days_is_told_what_became_of_its_cards(server, caller, finished, look):
    done, waits = [create_video(server, caller, FIELDS) for _ in range(2)]
    slept = server.queue.now()
    finished(done)
    server.queue.now = lambda: slept + 3 * 86400
    assert look(slept) == {done.id: Status.COMPLETED, waits.id: Status.QUEUED}
    assert look(slept + 86400) == {waits.id: Status.QUEUED}
    server.queue.cancel(done.id, caller.account_id, delete=True)
    assert look(slept + 86400) == {done.id: "deleted", waits.id: Status.QUEUED}


def test_what_runs_and_what_ended_is_told_before_what_waits(server, caller, finished, look, monkeypatch):
    monkeypatch.setattr(web_events, "MOST", 3)
    began = server.queue.now()
    ended, runs, *waiting = [create_video(server, caller, FIELDS) for _ in range(5)]
    finished(ended)
    assert server.queue.claim("w").id == runs.id
    assert list(look(began)) == [runs.id, ended.id, waiting[0].id]


def test_a_flood_of_one_account_leaves_another_its_events(server, caller, look, monkeypatch):
    monkeypatch.setattr(web_events, "MOST", 2)
    quiet = server.keys.caller(f"Bearer {server.keys.create('boris')}")
    mine = create_video(server, quiet, FIELDS)
    flood = [create_video(server, caller, FIELDS) for _ in range(5)]
    now = server.queue.now()
    asked = [(caller.account_id, now, "en"), (quiet.account_id, now, "de")]
    many, few = web_events._look(server, asked)
    assert [one["id"] for one in few] == [mine.id]
    assert [one["id"] for one in many] == [job.id for job in flood[:2]]


def test_who_signs_out_hears_no_more_however_much_there_is_to_tell(server, caller, monkeypatch):
    monkeypatch.setattr(web_events, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(web_events, "CHECK_SECONDS", 0.05)
    news = iter(range(100_000))
    monkeypatch.setattr(web_events, "_look", lambda _, asked: [[{"id": "a", "progress": next(news)}] for _ in asked])
    cookie = f"himmel={server.sessions.begin(caller.account_id, 'a browser')}"
    scope = {"type": "http", "method": "GET", "path": "/events", "headers": [(b"cookie", cookie.encode())]}

    async def silent():
        await asyncio.sleep(60)

    async def listen():
        request, heard = Request(scope | {"scheme": "http", "server": ("sky.test", 80)}, silent), 0
        async for _ in web_events._events(request, server, caller.account_id, 1.0, "en"):
            heard += 1
            if heard == 3:
                server.sessions.end(caller.account_id)
        return heard

    assert 3 <= asyncio.run(asyncio.wait_for(listen(), 20)) < 30
