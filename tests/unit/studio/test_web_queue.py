"""The queue's page: of many open jobs it shows what runs first, and says how many it leaves out."""

import re

from fastapi.testclient import TestClient

from himmel.studio import web_queue
from himmel.studio.app import make_app
from himmel.studio.videos import create_video

FIELDS = {"model": "sora-2", "prompt": "a cat", "seconds": "1", "size": "64x48", "seed": 7}


def test_the_queue_shows_what_runs_and_how_many_more_wait(server, caller, monkeypatch):
    monkeypatch.setattr(web_queue, "MOST_OPEN", 2)
    runs, first, *more = [create_video(server, caller, FIELDS) for _ in range(5)]
    assert server.queue.claim("w").id == runs.id
    with TestClient(make_app(server)) as wire:
        wire.cookies.set("himmel", server.sessions.begin(caller.account_id, "a browser"))
        page = wire.get("/queue", headers={"accept": "text/html"}).text
    assert re.findall(r'<li class="row" data-clip="(\w+)"', page) == [runs.id, first.id]
    assert f"and {len(more)} more" in page
