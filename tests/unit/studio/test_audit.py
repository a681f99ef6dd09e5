"""The audit log: only ever added to, and what is done around that shows."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import exc

from himmel import logs
from himmel.cli.app import main
from himmel.studio import audit, jobs
from himmel.studio.server import Server
from himmel.studio.settings import Settings

REQUEST = {"model": "fake", "seconds": 1.0}


@pytest.fixture
def server(tmp_path):
    server = Server.opened(Settings(data_dir=tmp_path))
    yield server
    server.database.close()


def rows(server):
    with server.database.read() as connection:
        return audit.entries(connection)


def sql(server, statement):
    with server.database.write() as connection:
        connection.exec_driver_sql(statement)


def test_keys_and_accounts_are_kept_without_their_secrets(server):
    key = server.keys.create("anna")
    key_id, _, secret = key.removeprefix("himmel_").partition(".")
    server.keys.revoke(key_id)
    server.keys.revoke(key_id)  # does nothing, and is not kept
    made, created, revoked = rows(server)
    assert (made.act, created.act, revoked.act) == ("account.made", "key.created", "key.revoked")
    assert made.who.startswith("local") and made.details == {"name": "anna", "role": "owner"}
    assert (created.subject, revoked.subject) == (key_id, key_id)
    assert secret not in str(rows(server))


def test_webhooks_are_kept_with_their_account_and_host_alone(server, monkeypatch):
    monkeypatch.setattr("himmel.studio.outbound.Outbound.check", lambda *_: None)
    account = server.keys.caller(f"Bearer {server.keys.create('anna')}").account_id
    hook = server.webhooks.create(account, "mine", "https://example.org/hook?token=hidden", ["video.failed"])
    with logs.about(request_id="req_1", account_id=account):
        server.webhooks.rotate(account, hook.id, keep_old=False)
    server.webhooks.remove(account, hook.id)
    made, changed, removed = rows(server)[-3:]
    assert [row.act for row in (made, changed, removed)] == ["webhook.made", "webhook.changed", "webhook.removed"]
    assert {row.who for row in (made, changed, removed)} == {account}
    assert made.details == {"host": "example.org", "event_types": ["video.failed"]}
    assert changed.details["request_id"] == "req_1"
    assert "hidden" not in str(rows(server)) and hook.secret not in str(rows(server))


def test_an_operators_cancellation_is_kept_with_it_and_an_accounts_own_is_not(server, monkeypatch):
    account = server.keys.caller(f"Bearer {server.keys.create('anna')}").account_id
    mine, others, done = (server.queue.accept(account, [REQUEST], 1.0).id for _ in range(3))
    server.queue.cancel(mine, account)
    server.queue.cancel(done, account)
    with monkeypatch.context() as patched:
        patched.setattr("himmel.studio.queue.record", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError), logs.about(account_id="operator"):
            server.queue.cancel(others)
    with server.database.read() as connection:
        assert jobs.find(connection, others).status == "queued"  # what cannot be kept is not done
    with logs.about(account_id="operator"):
        server.queue.cancel(others)
        server.queue.cancel(done)  # over already: nothing is done
    [row] = [row for row in rows(server) if row.act == "job.cancelled"]
    assert (row.who, row.subject, row.details) == ("operator", others, {"account": account})


def test_an_act_that_is_undone_was_never_kept(server):
    def begun_and_failed():
        with server.database.write() as connection:
            audit.record(connection, "anna", "key.created", "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begun_and_failed()
    assert rows(server) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody' WHERE number = 1",
        "DELETE FROM audit WHERE number = 1",
        "INSERT OR REPLACE INTO audit SELECT number, at, 'nobody', act, subject, details, hash FROM audit",
    ],
)
def test_the_database_refuses_to_change_what_was_kept(server, statement):
    server.keys.create("anna")
    with pytest.raises(exc.IntegrityError, match="only ever added"):
        sql(server, statement)
    assert "nobody" not in str(rows(server)) and len(rows(server)) == 2


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit WHERE number = 1", "TRUNCATE audit"]
)
def test_postgresql_refuses_it_too(tmp_path, postgres, statement):
    server = Server.opened(Settings(data_dir=tmp_path, database_url=postgres.create()))
    server.keys.create("anna")
    with pytest.raises(exc.DBAPIError, match="only ever added"):
        sql(server, statement)
    assert "nobody" not in str(rows(server)) and len(rows(server)) == 2
    with server.database.read() as connection:
        assert audit.broken(connection) is None
    server.database.close()


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE audit SET who = 'nobody' WHERE number = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", 3),
        ("""UPDATE audit SET details = '{"name": "other"}' WHERE number = 1""", 1),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 1", 1),
    ],
)
def test_what_is_done_around_the_database_breaks_the_chain(server, statement, number):
    for name in ("anna", "boris", "chloe"):
        server.keys.create(name)
    with server.database.read() as connection:
        assert audit.broken(connection) is None
    for trigger in ("kept", "whole"):
        sql(server, f"DROP TRIGGER audit_{trigger}")
    sql(server, statement)
    with server.database.read() as connection:
        assert audit.broken(connection) == number


def test_the_log_bears_witness_once_an_act_is_kept(server, caplog):
    caplog.set_level("INFO", logger="himmel.audit")
    audit.record_start(server.database, server.settings)
    [told] = [record for record in caplog.records if record.name == "himmel.audit"]
    [row] = rows(server)
    assert (told.audit_hash, row.act, row.details["model"]) == (row.hash, "server.started", "papercut")
    assert "database_url" not in row.details


def test_the_command_prints_it_and_changes_nothing(server, capsys):
    server.keys.create("anna")
    folder = ["--data-dir", str(server.settings.data_dir)]
    assert main(["audit", *folder]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "account.made" in first and "key.created" in second and "name=anna" in second
    assert main(["audit", "--json", *folder]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["hash"] for row in told] == [row.hash for row in rows(server)]
    tomorrow = (datetime.now() + timedelta(days=1)).strftime("%Y-%m-%d")
    assert main(["audit", "--since", tomorrow, *folder]) == 0
    assert capsys.readouterr().out == ""


def test_a_folder_without_a_server_is_named(tmp_path, capsys):
    assert main(["audit", "--data-dir", str(tmp_path / "none")]) == 2
    assert "holds no server" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
