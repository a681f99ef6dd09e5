"""Metrics: true after a restart, and not one line for each of many accounts."""

import pytest
from sqlalchemy import update

from himmel.studio.metrics import MOST_ACCOUNTS, exposition
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.tables import accounts, deliveries
from himmel.studio.workers import Report

REQUEST = {"prompt": "a hidden cat", "first_frame": None, "model": "fake", "seconds": 1.0}


@pytest.fixture
def server(tmp_path):
    server = Server.opened(Settings(data_dir=tmp_path))
    yield server
    server.database.close()


def account(server, name):
    return server.keys.caller(f"Bearer {server.keys.create(name)}").account_id


def measured(server):
    """Values by name, as they are told."""
    text = exposition(server.meters, server.database, server.workers, 10**9, server.queue.now())
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_work_is_counted_and_true_after_a_restart(server):
    anna = account(server, "anna")
    server.workers.report(Report("w", "fake"))
    job = server.queue.accept(anna, [REQUEST], 1.0)
    server.queue.accept(anna, [REQUEST], 1.0)
    server.queue.accept(anna, [REQUEST], 1.0)
    server.queue.claim("w")
    server.queue.finish(job.id, 1, {}, {})
    server.queue.claim("w")
    with server.database.write() as connection:
        connection.exec_driver_sql("update jobs set cost = 7 where status = 'completed'")
    again = Server.opened(server.settings)
    for found in (measured(server), measured(again)):
        assert found["himmel_compute_seconds_total"] == 7
        assert found['himmel_jobs{status="completed"}'] == found['himmel_jobs{status="queued"}'] == 1
        assert found[f'himmel_account_running{{account="{anna}"}}'] == 1
        assert found[f'himmel_account_queued{{account="{anna}"}}'] == 1
        assert (found['himmel_workers{state="busy"}'], found['himmel_workers{state="idle"}']) == (1, 0)
        assert (found['himmel_worker_jobs{outcome="completed"}'], found["himmel_queue_age_seconds"] >= 0) == (1, True)
        assert found["himmel_storage_free_bytes"] == 10**9
    again.database.close()


def test_of_many_accounts_those_served_most_are_shown_and_the_others_together(server):
    ids = [account(server, f"account {number}") for number in range(MOST_ACCOUNTS + 3)]
    server.queue.accept(ids[-1], [REQUEST], 1.0)
    server.queue.claim("w")
    with server.database.write() as connection:
        for number, name in enumerate(ids):
            values = {"served": 1000 - number, "queued": 2}
            connection.execute(update(accounts).where(accounts.c.id == name).values(**values))
    found = measured(server)
    assert sum(name.startswith("himmel_account_served") for name in found) == MOST_ACCOUNTS + 1
    others = [found[f'himmel_account_{what}{{account="others"}}'] for what in ("served", "running", "queued")]
    assert others == [900 + 899 + 898, 1, 6]
    assert found[f'himmel_account_served{{account="{ids[0]}"}}'] == 1000


def test_deliveries_are_told_apart(server, monkeypatch):
    monkeypatch.setattr("himmel.studio.outbound.Outbound.check", lambda *_: None)
    hook = server.webhooks.create(account(server, "anna"), "mine", "https://example.org", ["video.failed"])
    states = [(None, 5.0), (None, 5.0), (9.0, 5.0), (None, None), (None, None), (None, None)]
    with server.database.write() as connection:
        for number, (delivered, planned) in enumerate(states):
            row = {"id": str(number), "endpoint_id": hook.id, "body": "", "attempts": 1}
            connection.execute(deliveries.insert().values(**row, delivered_at=delivered, next_at=planned))
    found = measured(server)
    counts = [found[f'himmel_webhook_deliveries{{state="{s}"}}'] for s in ("outstanding", "delivered", "dead")]
    assert counts == [2, 1, 3]
