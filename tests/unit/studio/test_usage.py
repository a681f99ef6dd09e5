"""What accounts and workers have used, added up."""

import io

import pytest

from himmel.studio import audit, usage
from himmel.studio.server import Server
from himmel.studio.settings import Settings

REQUEST = {"model": "fake", "seconds": 1.0, "size": "64x48"}


@pytest.fixture
def now():
    return [10_000.0]


@pytest.fixture
def server(database_url, tmp_path, now):
    server = Server.opened(Settings(data_dir=tmp_path / "data", database_url=database_url))
    server.storage.check()
    server.queue.now = lambda: now[0]
    yield server
    server.database.close()


def account(server, name):
    return server.keys.caller(f"Bearer {server.keys.create(name)}").account_id


def make(server, now, worker, seconds, results):
    job = server.queue.claim(worker)
    now[0] += seconds
    assert server.queue.finish(job.id, job.attempts, results, {})
    return job.id


def test_hours_of_work_are_counted_within_the_hour_alone(server, now):
    anna = account(server, "anna")
    for _ in range(4):
        server.queue.accept(anna, [REQUEST], 1.0)
    make(server, now, "cellar", 600, {})
    now[0] += 3300  # the first five minutes of it were more than an hour ago
    make(server, now, "attic", 100, {})
    server.queue.claim("attic")
    now[0] += 50
    with server.database.read() as connection:
        worked = usage.worked(connection, now[0])
        assert usage.computed(connection) == usage.computed(connection, anna) == {anna: 700.0}
        assert usage.computed(connection, "acct_none") == {}
        assert usage.load(connection, now[0]) == usage.Load(1, 1, now[0] - 10_000)
    assert worked["attic"] == 150 and worked["cellar"] == 3600 - 3300 - 150
    assert worked["nobody"] == 0


@pytest.mark.parametrize("few", [0, 50])
def test_what_lies_in_the_store_is_counted_once_for_each(server, now, monkeypatch, few):
    monkeypatch.setattr(usage, "FEW", few)
    anna, boris = account(server, "anna"), account(server, "boris")
    big, small = server.storage.put(io.BytesIO(b"x" * 1000)), server.storage.put(io.BytesIO(b"y" * 10))
    for owner, results in ((anna, {"video": big}), (anna, {"video": big, "thumbnail": small}), (boris, {"video": big})):
        server.queue.accept(owner, [REQUEST], 1.0)
        last = make(server, now, "cellar", 1, results)
    server.queue.accept(boris, [REQUEST], 1.0)
    make(server, now, "cellar", 1, {"video": "0" * 64})  # its file was lost
    assert usage.stored(server) == {anna: 1010, boris: 1000}
    assert usage.stored(server, anna) == {anna: 1010}
    server.queue.cancel(last, boris, delete=True)
    assert usage.stored(server) == {anna: 1010, boris: 0}


def test_nothing_is_said_of_a_store_that_is_not_there(server, now):
    server.queue.accept(account(server, "anna"), [REQUEST], 1.0)
    make(server, now, "cellar", 1, {"video": server.storage.put(io.BytesIO(b"x"))})
    (server.storage.folder / ".himmel-files").unlink()
    assert usage.stored(server) is None


def test_bytes_in_words():
    told = [usage.bytes_said(count) for count in (0, 999, 1000, 999_600, 1.25e9, 3e15)]
    assert told == ["0 B", "999 B", "1 kB", "1 MB", "1.25 GB", "3e+03 TB"]


def test_acts_are_found_by_account_and_kind(server):
    anna, boris = account(server, "anna"), account(server, "boris")
    audit.keep(server.database, "test.done", "something", account=boris)
    with server.database.read() as connection:
        mine = audit.search(connection, boris)
        assert [row.act for row in mine] == ["test.done", "key.created", "account.made"]
        assert [row.act for row in audit.search(connection, boris, before=mine[0].number)] == [
            "key.created",
            "account.made",
        ]
        assert [row.subject for row in audit.search(connection, act="account.made")] == [boris, anna]
        assert len(audit.search(connection, most=2)) == 2
        assert audit.kinds(connection) == ["account.made", "key.created", "test.done"]
