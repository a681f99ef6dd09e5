"""The queue's page: of many open jobs it shows what runs first; where one goes to change what failed."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from himmel.studio import web_queue
from himmel.studio.app import make_app
from himmel.studio.tables import jobs
from himmel.studio.videos import create_video

FIELDS = {"model": "sora-2", "prompt": "a cat", "seconds": "1", "size": "64x48", "seed": 7}


@pytest.fixture
def shown(server, caller):
    """A way to get a page as the account's browser sees it."""
    with TestClient(make_app(server)) as wire:
        wire.cookies.set("himmel", server.sessions.begin(caller.account_id, "a browser"))
        yield lambda path: wire.get(path, headers={"accept": "text/html"}).text


def test_the_queue_shows_what_runs_and_how_many_more_wait(server, caller, shown, monkeypatch):
    monkeypatch.setattr(web_queue, "MOST_OPEN", 2)
    runs, first, *more = [create_video(server, caller, FIELDS) for _ in range(5)]
    assert server.queue.claim("w").id == runs.id
    page = shown("/queue")
    assert re.findall(r'<li class="row" data-clip="(\w+)"', page) == [runs.id, first.id]
    assert f"and {len(more)} more" in page


def test_what_began_with_a_picture_is_changed_where_the_picture_stays(server, caller, shown):
    plain, pictured = [create_video(server, caller, FIELDS) for _ in range(2)]
    with server.database.write() as connection:
        begun = pictured.request | {"first_frame": "d" * 64}
        connection.execute(update(jobs).where(jobs.c.id == pictured.id).values(request=begun))
    for job in (plain, pictured):
        server.queue.cancel(job.id, caller.account_id)
    page, form = shown("/queue"), "/create?keep=1&amp;from="
    assert f'href="{form}{plain.id}"' in page and f'href="/clips/{pictured.id}">Change' in page
    assert f'href="/create?from={plain.id}&amp;keep=1"' in shown(f"/clips/{plain.id}")
    assert "/create?from=" not in (clip := shown(f"/clips/{pictured.id}"))
    assert f'action="/clips/{pictured.id}/again" class="stack"' in clip
