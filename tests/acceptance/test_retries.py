"""A failed job once more: an operator has the same one tried again, its maker asks for another one like it."""

import io
import re

import httpx2
import pytest
from sqlalchemy import delete, select, update

from himmel.studio.audit import entries
from himmel.studio.jobs import find
from himmel.studio.tables import accounts, jobs, published

NUMBER = re.compile(r"video_[0-9a-f]{32}")


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone; anna owns it."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def admin(idle):
    """Requests with the owner's key."""
    headers = {"authorization": f"Bearer {idle.server.keys.create('anna')}"}
    with httpx2.Client(base_url=f"{idle.address}/v1/admin", headers=headers, timeout=60) as wire:
        yield wire


def job_of(idle, number):
    with idle.server.database.read() as connection:
        return find(connection, number)


def fail(idle, number, code="worker_fault"):
    """Have a worker fail at this job; others that come first are done."""
    queue = idle.server.queue
    while (job := queue.claim("cellar")).id != number:
        queue.finish(job.id, job.attempts, {}, {})
    queue.fail(job.id, job.attempts, code, "the worker made a mistake")
    return number


def queued(idle, number):
    with idle.server.database.read() as connection:
        return connection.scalar(select(accounts.c.queued).where(accounts.c.id == job_of(idle, number).account_id))


def test_an_operator_has_a_failed_job_tried_again(idle, admin, browser):
    maker = browser("bo")
    number = fail(idle, maker.make(prompt="secret words"))
    listed = admin.get("/jobs", params={"failed": "true"})
    assert [job["error_code"] for job in listed.json()["data"] if job["id"] == number] == ["worker_fault"]
    assert "secret" not in listed.text
    again = admin.post(f"/jobs/{number}/retry")
    assert (again.status_code, again.json()["status"], again.json()["error_code"]) == (200, "queued", None)
    assert (queued(idle, number), job_of(idle, number).attempts) == (1, 1)
    refused = admin.post(f"/jobs/{number}/retry")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "job_not_failed")
    assert queued(idle, number) == 1
    with idle.server.database.read() as connection:
        told = [row for row in entries(connection) if row.subject == number]
    assert [row.act for row in told] == ["job.retried"] and told[0].who.startswith("acct_")
    assert admin.post("/jobs/video_none/retry").status_code == 404
    assert 'data-status="queued"' in maker.get("/queue").text


def test_the_page_lists_what_failed_and_tries_it_again(idle, browser):
    owner, number = browser("anna"), fail(idle, browser("cy").make(prompt="secret words"))
    page = owner.get("/operator/queue").text.partition("Failed lately")[2]
    assert number in page and "worker_fault" in page and "secret words" not in page
    assert owner.post("/operator/queue/retry", {"job": number}).status_code == 303
    assert job_of(idle, number).status == "queued"
    assert number not in owner.get("/operator/queue").text.partition("Failed lately")[2]
    assert owner.post("/operator/queue/retry", {"job": number}).status_code == 409


def test_what_its_maker_stopped_stays_so(idle, admin, browser):
    maker = browser("di")
    number = maker.make()
    maker.post(f"/clips/{number}/cancel")
    assert admin.post(f"/jobs/{number}/retry").json()["error"]["code"] == "job_not_failed"
    assert number not in admin.get("/jobs", params={"failed": "true"}).text


def test_a_maker_asks_for_it_again_once_and_within_its_limits(idle, browser):
    maker = browser("ed")
    number = fail(idle, maker.make(prompt="a cat on the beach", seed="7"))
    rows = maker.get("/queue").text
    form = dict(re.findall(r'name="(once|from)" value="([^"]+)"', rows))
    assert form["from"] == "queue" and f"/clips/{number}/again" in rows
    for _ in range(2):  # somebody clicks twice
        assert maker.post(f"/clips/{number}/again", form | {"seed": "same"}).headers["location"] == "/queue"
    [other] = set(NUMBER.findall(maker.get("/queue").text.partition("<h2>")[0]))
    assert other != number and job_of(idle, other).request == job_of(idle, number).request
    assert (queued(idle, number), job_of(idle, number).status) == (1, "failed")
    with idle.server.database.write() as connection:
        mine = accounts.c.id == job_of(idle, number).account_id
        connection.execute(update(accounts).where(mine).values(open_jobs=1))
    assert maker.post(f"/clips/{number}/again", {"seed": "same"}).status_code == 429


@pytest.fixture
def done(idle):
    """A clip that is finished, as far as the queue knows, of whom it is told."""

    def finished(maker):
        number, queue = maker.make(), idle.server.queue
        while (job := queue.claim("cellar")).id != number:
            queue.finish(job.id, job.attempts, {}, {})
        queue.finish(job.id, job.attempts, {"video": idle.server.storage.put(io.BytesIO(number.encode()))}, {})
        return number

    return finished


def remixed(maker, number, where="/clips"):
    answer = maker.post(f"{where}/{number}/remix", {"prompt": "a dog", "strength": "mild"})
    return NUMBER.search(answer.headers["location"])[0]


def test_a_remix_is_asked_for_again_as_it_was_with_another_seed_or_other_words(idle, browser, done):
    maker = browser("flo")
    parent = done(maker)
    number = fail(idle, remixed(maker, parent))
    page = maker.get(f"/clips/{number}").text
    assert f"/clips/{number}/again" in page and 'value="new"' in page and f"/create?from={number}" not in page
    once = re.search(r'name="once" value="([^"]+)"', page)[1]

    def again(**fields):
        where = maker.post(f"/clips/{number}/again", {"once": once, "seed": "same"} | fields).headers["location"]
        job = job_of(idle, NUMBER.search(where)[0])
        assert (job.parent_id, job.status) == (parent, "queued")
        return job

    before, same = job_of(idle, number), again()
    assert same.request == before.request
    other = again(seed="new")
    assert other.request | {"seed": 0} == before.request | {"seed": 0} and other.request["seed"] != same.request["seed"]
    said = again(prompt="an owl")
    assert said.request == before.request | {"prompt": "an owl"} and again(prompt="an owl").id == said.id
    assert maker.post(f"/clips/{number}/again", {"prompt": " "}).status_code == 400


@pytest.mark.parametrize("gone", ["deleted", "taken back"])
def test_nobody_gets_back_at_a_clip_that_is_gone_by_trying_again(idle, admin, browser, done, gone):
    other, maker = browser("gus"), browser("hed")
    parent = done(maker if gone == "deleted" else other)
    if gone == "taken back":
        assert other.post(f"/clips/{parent}/publish", {"act": "publish"}).status_code == 303
    number = fail(idle, remixed(maker, parent, "/clips" if gone == "deleted" else "/explore"))
    with idle.server.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == parent, gone == "deleted").values(deleted_at=1.0))
        connection.execute(delete(published).where(published.c.job_id == parent))
    refused = maker.post(f"/clips/{number}/again", {"seed": "same"})
    assert refused.status_code == 409 and "begin anew" in refused.text
    assert admin.post(f"/jobs/{number}/retry").json()["error"]["code"] == "material_gone"
    assert job_of(idle, number).status == "failed"
