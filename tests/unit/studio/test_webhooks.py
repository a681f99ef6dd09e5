"""Webhooks whose targets are slow: they hold up nobody else's requests, and no delivery is lost by it."""

import threading
from contextlib import contextmanager

import pytest

from himmel import logs
from himmel.errors import ApiError
from himmel.studio import outbound, webhooks
from himmel.studio.auth import Keys
from himmel.studio.outbound import Answer
from himmel.studio.tables import deliveries
from himmel.studio.webhooks import Webhooks, announce


class Elsewhere:
    """What lies outside: nothing comes back until ``over``."""

    def __init__(self):
        self.over, self.inside = threading.Event(), 0

    def check(self, url):
        self.post(url, b"", {})

    def post(self, *_):
        self.inside += 1
        self.over.wait(60)
        return Answer(200, b"")


@pytest.fixture
def hooks(database, tmp_path, monkeypatch):
    monkeypatch.setattr(webhooks, "ASKED", outbound.gate())
    keys = Keys(database, tmp_path)
    accounts = [keys.caller(f"Bearer {keys.create(name)}").account_id for name in ("anna", "boris", "carla")]
    return Webhooks(database, Elsewhere()), accounts


def make(hooks, account):
    return hooks.create(account, "mine", "https://slow.example/", ["video.failed"])


@contextmanager
def waiting(elsewhere, calls):
    """While this lasts, each of these calls hangs in a thread of its own; gives what they come to."""
    found, before = [], elsewhere.inside

    def run(call, account):
        with logs.about(account_id=account):
            found.append(call(account))

    threads = [threading.Thread(target=run, args=pair) for pair in calls]
    for thread in threads:
        thread.start()
    while elsewhere.inside < before + len(threads):
        pass
    yield found
    elsewhere.over.set()
    for thread in threads:
        thread.join()


def test_slow_targets_hold_only_some_threads_and_one_account_not_all_of_them(hooks):
    hooks, (anna, boris, carla) = hooks
    hooks.outbound.over.set()
    endpoint = make(hooks, anna).id
    hooks.outbound.over.clear()
    asks = [
        lambda account: make(hooks, account),
        lambda account: hooks.change(account, endpoint, {"url": "https://slower.example/"}),
        lambda account: hooks.test(account, endpoint, "video.failed"),
        lambda account: hooks.test(account, endpoint, "video.failed"),
    ]
    with waiting(hooks.outbound, [(ask, anna) for ask in asks]):
        for ask in asks:
            with logs.about(account_id=anna), pytest.raises(ApiError) as refused:
                ask(anna)
            assert (refused.value.status, refused.value.code) == (503, "busy")
        hooks.change(anna, endpoint, {"name": "other"})  # nobody outside is asked
        with (
            waiting(hooks.outbound, [(lambda account: make(hooks, account), boris)] * 4) as made,
            logs.about(account_id=carla),
            pytest.raises(ApiError, match="wait for other servers"),
        ):
            make(hooks, carla)
    assert [endpoint.account_id for endpoint in made] == [boris] * 4


def test_an_event_that_we_were_too_busy_to_deliver_stays_due(hooks, database, monkeypatch):
    hooks, (anna, *_) = hooks
    hooks.outbound.over.set()
    make(hooks, anna)
    with database.write() as connection:
        announce(connection, anna, "video_a", "video.failed", 0.0)

    def busy(*_):
        raise ApiError(503, "busy", "too many names of hosts are looked up already")

    with monkeypatch.context() as patched:
        patched.setattr(hooks.outbound, "post", busy)
        hooks.deliver_due()
    with database.read() as connection:
        [row] = connection.execute(deliveries.select()).all()
    assert (row.attempts, row.delivered_at, row.next_at) == (0, None, 0.0)
    assert hooks.deliver_due() == 1
    assert hooks.deliver_due() == 0
