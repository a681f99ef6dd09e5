"""The doctor: what it finds, that it says what to do, and that it changes nothing."""

import errno
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import exc, update

from himmel.cli.app import main
from himmel.studio import audit
from himmel.studio.database import Database
from himmel.studio.doctor import examine
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.tables import jobs, workers
from himmel.studio.workers import Report

REQUEST = {"prompt": "a cat", "size": "64x48", "first_frame": None, "model": "papercut", "seconds": 1.0}
HERE = ("papercut", "fake")


@pytest.fixture
def server(tmp_path):
    """A server that has an account, and one waiting job."""
    server = Server.opened(Settings(data_dir=tmp_path / "data", reserve_bytes=0))
    server.storage.check()
    account = server.keys.caller(f"Bearer {server.keys.create('anna')}").account_id
    server.queue.accept(account, [REQUEST], 1.0)
    yield server
    server.database.close()


def advised(settings, models=HERE, later=0.0):
    """What is wrong, with what was found and what to do about it, in one text each."""
    findings = examine(settings, models, lambda: time.time() + later)
    return {finding.what: f"{finding.found}: {finding.advice}" for finding in findings if finding.advice}


def sql(server, *statements):
    with server.database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_healthy_server_needs_no_advice(server, capsys):
    assert main(["doctor", "--data-dir", str(server.settings.data_dir)]) == 0
    out = capsys.readouterr().out
    assert out.count("ok  ") == len(out.splitlines()) == 11


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in Path(folder).rglob("*")}


@pytest.mark.parametrize("running", [False, True])
def test_it_changes_nothing(server, running):
    if not running:
        server.database.close()
    before = contents(server.settings.data_dir)
    assert advised(server.settings) == {}
    after = contents(server.settings.data_dir)
    changed = {path.name for path in before if before[path] != after.get(path)}
    assert changed <= {"himmel.sqlite3-shm"}  # SQLite's note of who reads
    assert {path.name for path in set(after) - set(before)} <= {"himmel.sqlite3-shm", "himmel.sqlite3-wal"}


def test_a_database_in_another_mode_is_left_in_it(server):
    path = server.settings.data_dir / "himmel.sqlite3"
    server.database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    before = contents(server.settings.data_dir)
    assert advised(server.settings) == {}
    assert contents(server.settings.data_dir) == before


def test_a_database_that_is_looked_at_cannot_be_written(server):
    database = Database.looked_at(server.database.url)
    with pytest.raises(exc.OperationalError, match="readonly"), database.write() as connection:
        connection.execute(update(jobs).values(progress=1))
    database.close()


def test_an_older_database_is_told_and_left_as_it_is(server):
    sql(server, "update alembic_version set version_num = '0002'")
    assert "start the server" in advised(server.settings)["database"]
    assert server.database.version() == "0002"


def test_a_newer_database_is_told_and_refused_by_the_server(server, capsys):
    sql(server, "update alembic_version set version_num = '9999'")
    assert "install the newer Himmel" in advised(server.settings)["database"]
    assert main(["drain", "--data-dir", str(server.settings.data_dir)]) == 1
    assert "a newer Himmel made it" in capsys.readouterr().err


def test_a_wrong_folder_is_named_and_not_made_one(tmp_path):
    assert set(advised(Settings(data_dir=tmp_path / "none"))) == {"folder"}
    (tmp_path / "other").mkdir()
    assert "--data-dir" in advised(Settings(data_dir=tmp_path / "other"))["folder"]
    assert list((tmp_path / "other").iterdir()) == [] and not (tmp_path / "none").exists()


def test_a_secret_that_is_missing_short_or_open_to_others_is_told(server):
    pepper = server.settings.data_dir / "pepper"
    secret = pepper.read_bytes()
    pepper.chmod(0o644)
    assert "chmod 600" in advised(server.settings)["secret"]
    pepper.write_bytes(b"short")
    assert "backup" in advised(server.settings)["secret"]
    pepper.unlink()
    assert "backup" in advised(server.settings)["secret"]
    assert not pepper.exists()
    pepper.write_bytes(secret)
    pepper.chmod(0o600)
    assert advised(server.settings) == {}


def test_a_database_that_is_gone_or_no_database_is_told(server):
    path = server.settings.data_dir / "himmel.sqlite3"
    server.database.close()
    path.write_bytes(b"this is no database" * 1000)
    assert "cannot be opened" in advised(server.settings)["database"]
    path.unlink()
    assert "restore" in advised(server.settings)["database"]
    assert not path.exists()


def test_damage_within_the_database_is_told(server):
    path = server.settings.data_dir / "himmel.sqlite3"
    server.database.close()
    content = bytearray(path.read_bytes())
    content[8 * 4096 : -4096] = os.urandom(len(content) - 9 * 4096)
    path.write_bytes(content)
    found = advised(server.settings)
    assert "restore" in (found.get("pages") or found["database"])


def test_storage_that_cannot_be_written_or_is_missing_is_told(server, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("himmel.studio.storage.tempfile.NamedTemporaryFile", full)
        assert "No space left on device" in advised(server.settings)["storage"]
    shutil.rmtree(server.settings.data_dir / "files")
    assert "is the volume mounted?" in advised(server.settings)["storage"]


def test_a_full_disk_is_told(server):
    assert set(advised(Settings(data_dir=server.settings.data_dir, reserve_bytes=10**18))) == {"disk"}


def test_work_without_workers_is_told(server):
    assert "no worker is there, and never was" in advised(server.settings, later=120)["workers"]
    server.workers.report(Report("w", "papercut"))
    assert advised(server.settings) == {}
    assert "one was heard 120 s ago" in advised(server.settings, later=120)["workers"]


def test_a_draining_server_is_told(server):
    (server.settings.data_dir / "draining").touch()
    assert "himmel drain --off" in advised(server.settings)["workers"]


def test_a_worker_with_another_model_is_told_while_it_lives(server):
    server.workers.report(Report("cellar-1", "fake"))
    assert "'cellar-1' has the model 'fake'" in advised(server.settings)["workers"]
    with server.database.write() as connection:
        connection.execute(update(workers).values(last_seen=time.time() - 1000))
    assert advised(server.settings) == {}


def test_the_model_that_a_server_was_started_with_counts(server):
    server.workers.report(Report("cellar-1", "fake"))
    audit.record_start(server.database, Settings(data_dir=server.settings.data_dir, model="fake"))
    assert advised(server.settings) == {}
    audit.record_start(server.database, server.settings)
    assert "'cellar-1'" in advised(server.settings)["workers"]


def test_a_clock_that_was_set_back_is_told(server):
    assert set(advised(server.settings, later=-120)) == {"clock"}
    with server.database.write() as connection:
        connection.execute(update(jobs).values(created_at=1.0))
    assert "clock" in advised(server.settings, later=-120)  # by the audit log


def test_a_model_that_nobody_has_is_told(server):
    settings = Settings(data_dir=server.settings.data_dir, reserve_bytes=0, model="elsewhere", workers=0)
    assert "set 'model' to one that is here: fake, papercut" in advised(settings)["model"]
    server.workers.report(Report("cellar-1", "elsewhere"))
    assert advised(settings) == {}
    assert set(advised(Settings(data_dir=settings.data_dir, reserve_bytes=0, model="elsewhere"))) == {"model"}


def test_an_audit_log_that_was_changed_is_told(server):
    sql(server, "drop trigger audit_kept", "update audit set who = 'nobody' where number = 2")
    assert "from row 2 on" in advised(server.settings)["audit"]
    with server.database.read() as connection:
        assert audit.broken(connection) == 2


def test_what_should_have_ended_is_told(server):
    server.queue.claim("w")
    assert advised(server.settings) == {}
    assert "1 leases: start the server" in advised(server.settings, later=200)["overdue"]
