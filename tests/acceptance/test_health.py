"""What machines that watch a server see, and what strangers do not."""

from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import update

from himmel.studio import api_health
from himmel.studio.tables import accounts


@pytest.fixture(scope="module")
def owner(idle):
    """A header with a key of the server's owner."""
    return held(idle, "the owner", "owner")


@pytest.fixture(scope="module")
def member(idle):
    """A header with a key of somebody else's."""
    return held(idle, "a member", "member")


def held(idle, name, role):
    header = f"Bearer {idle.server.keys.create(name)}"
    account = idle.server.keys.caller(header).account_id
    with idle.server.database.write() as connection:
        connection.execute(update(accounts).where(accounts.c.id == account).values(role=role))
    return {"authorization": header}


def test_strangers_learn_that_it_lives_and_works_and_nothing_else(idle):
    assert httpx2.get(f"{idle.address}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{idle.address}/readyz").json() == {"status": "ok"}
    assert httpx2.get(f"{idle.address}/metrics").status_code == 401


def test_a_member_is_told_no_more(idle, member):
    for path in ("readyz", "metrics"):
        answer = httpx2.get(f"{idle.address}/{path}", headers=member)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role_missing")


def test_the_owner_is_told_what_each_part_found(idle, owner):
    answer = httpx2.get(f"{idle.address}/readyz", headers=owner)
    assert (answer.status_code, set(answer.json())) == (200, {"database", "storage", "disk", "workers", "clock"})


def test_a_server_that_needs_help_is_not_ready(idle, owner, monkeypatch):
    api_health._seen.clear()  # what was seen a moment ago would be told again
    monkeypatch.setattr(idle.server, "settings", replace(idle.server.settings, reserve_bytes=10**18))
    answer = httpx2.get(f"{idle.address}/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "needs help"})
    assert "make room" in httpx2.get(f"{idle.address}/readyz", headers=owner).json()["disk"]


def test_metrics_count_the_queue_and_tell_no_prompt(idle, owner):
    client = idle.client("counted")
    before = _value(idle, owner, 'himmel_jobs{status="queued"}')
    video = client.post("/videos", body={"prompt": "a secret cat"}, cast_to=object)
    assert _value(idle, owner, 'himmel_jobs{status="queued"}') == before + 1
    assert _value(idle, owner, "himmel_queue_age_seconds") >= 0
    assert "secret" not in httpx2.get(f"{idle.address}/metrics", headers=owner).text
    client.delete(f"/videos/{video['id']}", cast_to=object)


def test_requests_and_claims_are_timed_by_route_and_class(idle, owner):
    count = 'himmel_request_seconds_count{route="/v1/videos/{video_id}",status="4xx"}'
    client = idle.client("timed")
    for name in ("video_a", "video_b"):
        with pytest.raises(Exception, match="no video"):
            client.videos.retrieve(name)
    assert _value(idle, owner, count) >= 2
    while idle.worker().work_once():  # what other tests have left
        pass
    claims = _value(idle, owner, "himmel_claim_seconds_count")
    assert not idle.worker().work_once()
    assert _value(idle, owner, "himmel_claim_seconds_count") == claims + 1
    httpx2.get(f"{idle.address}/such/a/secret-path")
    text = httpx2.get(f"{idle.address}/metrics", headers=owner).text
    assert 'route="unmatched",status="4xx"' in text and "secret-path" not in text


def test_a_sign_of_life_keeps_a_worker_there(idle):
    idle.client("beaten").videos.create(prompt="a cat", seconds="1", size="64x48")
    told = {"worker": "cellar-1", "model": "fake", "version": "1.0", "device": "cuda"}
    job = ask(idle, "claim", told).json()
    with idle.server.database.write() as connection:
        connection.exec_driver_sql("update workers set last_seen = 0 where name = 'cellar-1'")
    assert state(idle) == ("gone", job["id"], "cuda")
    idle.server.workers.heard.clear()  # as if some seconds had gone by
    ask(idle, f"jobs/{job['id']}/beat", {"worker": "cellar-1", "token": job["token"], "progress": 5})
    assert state(idle) == ("busy", job["id"], "cuda")
    ask(idle, f"jobs/{job['id']}/failure", {"token": job["token"], "code": "x", "message": "y"})
    assert state(idle) == ("idle", None, "cuda")


def ask(idle, path, body):
    header = {"authorization": f"Bearer {idle.server.keys.worker_token()}"}
    return httpx2.post(f"{idle.address}/workers/{path}", headers=header, json=body).raise_for_status()


def state(idle):
    [row] = [row for row in idle.server.workers.all() if row.name == "cellar-1"]
    return idle.server.workers.state(row), row.job_id, row.device


def _value(idle, owner, name):
    lines = httpx2.get(f"{idle.address}/metrics", headers=owner).text.splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])
