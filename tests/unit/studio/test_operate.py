"""Looking after a server: backup, restore, drain, as commands on a real data folder."""

import io
import json
import tarfile
from dataclasses import replace

import pytest
from sqlalchemy import select

from himmel.cli.app import main
from himmel.studio import audit, jobs
from himmel.studio.jobs import Status
from himmel.studio.server import Server
from himmel.studio.settings import Settings

REQUEST = {"prompt": "a cat", "first_frame": None, "model": "fake", "seconds": 1.0, "size": "64x48"}


@pytest.fixture
def server(tmp_path):
    """A server with one account, a finished job with a file, and a waiting one."""
    server = Server.opened(Settings(data_dir=tmp_path / "data", reserve_bytes=0))
    account = server.keys.caller(f"Bearer {server.keys.create('anna')}").account_id
    first = server.queue.accept(account, [REQUEST], 1.0)
    server.queue.accept(account, [REQUEST], 1.0)
    server.queue.claim("w")
    server.queue.finish(first.id, 1, {"video": server.storage.put(io.BytesIO(b"a clip"))}, {})
    yield server
    server.database.close()


def run(server, *arguments):
    return main([*arguments, "--data-dir", str(server.settings.data_dir)])


def test_a_backup_becomes_the_same_server(server, tmp_path):
    assert run(server, "backup", str(tmp_path / "b.tar")) == 0
    assert main(["restore", str(tmp_path / "b.tar"), "--data-dir", str(tmp_path / "new")]) == 0
    again = Server.opened(Settings(data_dir=tmp_path / "new", reserve_bytes=0))
    with again.database.read() as connection:
        done, waiting = map(jobs.Job.of, connection.exec_driver_sql("select * from jobs order by number").all())
    assert (done.status, waiting.status) == (Status.COMPLETED, Status.QUEUED)
    again.database.close()
    assert again.keys.pepper == server.keys.pepper


def test_a_damaged_backup_is_refused_and_leaves_nothing(server, tmp_path, capsys):
    assert run(server, "backup", str(tmp_path / "b.tar")) == 0
    content = (tmp_path / "b.tar").read_bytes()
    (tmp_path / "c.tar").write_bytes(content.replace(b"a clip", b"a clap"))
    assert main(["restore", str(tmp_path / "c.tar"), "--data-dir", str(tmp_path / "new")]) == 2
    assert "damaged" in capsys.readouterr().err
    (tmp_path / "d.tar").write_bytes(content[:2000])
    assert main(["restore", str(tmp_path / "d.tar"), "--data-dir", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


def test_a_backup_that_reaches_outside_is_refused(tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for name in ("../evil", "manifest.json"):
            content = json.dumps({"format": 1, "sha256": {}}).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    assert main(["restore", str(tmp_path / "evil.tar"), "--data-dir", str(tmp_path / "x" / "new")]) == 2
    assert not (tmp_path / "evil").exists()


def test_a_full_folder_is_not_restored_into(server, tmp_path, capsys):
    run(server, "backup", str(tmp_path / "b.tar"))
    assert run(server, "restore", str(tmp_path / "b.tar")) == 2
    assert "not empty" in capsys.readouterr().err


def test_draining_gives_out_nothing_until_it_is_over(server, capsys):
    assert run(server, "drain") == 0
    assert server.queue.claim("w") is None
    assert run(server, "drain", "--off") == 0
    assert server.queue.claim("w") is not None


def test_looking_after_a_server_is_kept_in_the_audit_log(server, tmp_path):
    run(server, "drain")
    run(server, "drain", "--off")
    run(server, "backup", str(tmp_path / "b.tar"))
    assert acts(server)[-3:] == ["drain.on", "drain.off", "backup.made"]
    main(["restore", str(tmp_path / "b.tar"), "--data-dir", str(tmp_path / "new")])
    again = Server.opened(Settings(data_dir=tmp_path / "new"))
    assert acts(again)[-2:] == ["drain.off", "backup.restored"]
    again.database.close()


def acts(server):
    with server.database.read() as connection:
        return [row.act for row in audit.entries(connection)]


def test_the_speed_of_a_model_is_known_after_a_restart(server):
    assert server.cost_of(REQUEST | {"model": "new", "seconds": 3.0}) == 6.0  # nothing is known of it
    with server.database.write() as connection:
        connection.exec_driver_sql("update jobs set cost = 7 where status = 'completed'")
    again = Server.opened(server.settings)
    assert again.cost_of(REQUEST | {"seconds": 3.0}) == 21.0
    with again.database.write() as connection:
        connection.exec_driver_sql("update jobs set cost = 100 where status = 'completed'")
    assert again.cost_of(REQUEST) == 7.0  # asked once
    again.speeds.learn(replace(done(again), cost=12.0))
    assert again.cost_of(REQUEST) == pytest.approx(0.8 * 7 + 0.2 * 12)
    again.database.close()


def test_the_first_job_of_a_model_tells_its_speed(server):
    assert server.cost_of(REQUEST | {"model": "new"}) == 2.0
    server.speeds.learn(replace(done(server), cost=9.0, request=REQUEST | {"model": "new"}))
    assert server.cost_of(REQUEST | {"model": "new"}) == 9.0


def done(server):
    with server.database.read() as connection:
        return jobs.first(connection, select(jobs.jobs).where(jobs.jobs.c.status == Status.COMPLETED))


def test_accounts_are_limited_and_shown(server, capsys):
    assert run(server, "accounts", "set", "anna", "--open-jobs", "3", "--daily-seconds", "90.5") == 0
    assert run(server, "accounts", "show", "anna") == 0
    shown = capsys.readouterr().out
    assert "jobs open             1 of 3" in shown and "s of 90.5" in shown
    assert run(server, "accounts", "set", "anna", "--open-jobs", "any") == 0
    assert run(server, "accounts", "list") == 0
    listed = capsys.readouterr().out
    assert "at most 90.5 s a day" in listed and "jobs at a time" not in listed
    for wrong in ("--open-jobs=much", "--open-jobs=-1", "--open-jobs=1.5", "--daily-seconds=nan"):
        assert run(server, "accounts", "set", "anna", wrong) == 2, wrong
        assert "allowed" in capsys.readouterr().err
