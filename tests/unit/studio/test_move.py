"""A server's database is moved whole, and the server goes on with it."""

import pytest
from sqlalchemy import select

from himmel.cli.app import main
from himmel.errors import BadRequest
from himmel.studio.alone import only_server
from himmel.studio.audit import broken, entries
from himmel.studio.auth import Terms
from himmel.studio.database import Database
from himmel.studio.move import move_database
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.tables import metadata


def rows(database):
    with database.read() as connection:
        return {table.name: sorted(map(str, connection.execute(select(table)))) for table in metadata.sorted_tables}


@pytest.mark.parametrize("back", [False, True])
def test_everything_is_moved_and_the_queue_goes_on(tmp_path, postgres, back):
    urls = [f"sqlite:///{tmp_path / 'himmel.sqlite3'}", postgres.create()]
    here, there = reversed(urls) if back else urls
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", database_url=here))
    key = server.keys.create("anna", Terms(scopes=("read", "manage")))
    caller = server.keys.caller(f"Bearer {key}")
    server.keys.create_child(caller, "child", Terms())
    made = [
        server.queue.accept(caller.account_id, [{"prompt": "猫 \U0001f600", "seconds": 1.0}], 1.5) for _ in range(5)
    ]
    running = server.queue.claim("w")
    before = rows(server.database)
    target, told = Database(there), []
    assert move_database(server.database, target, lambda *table: told.append(table)) == sum(map(len, before.values()))
    assert dict(told)["jobs"] == 5
    assert rows(target) == before
    server.database.close()
    target.close()
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", database_url=there))
    assert server.keys.caller(f"Bearer {key}") == caller
    assert server.queue.finish(running.id, running.attempts, {}, {})
    assert [server.queue.claim("w").id for _ in range(4)] == [job.id for job in made[1:]]
    server.database.close()


def test_a_database_in_use_is_left_alone(tmp_path):
    servers = [Server.opened(Settings(data_dir=tmp_path / name)) for name in ("one", "two")]
    for server in servers:
        server.keys.create("anna")
    before = rows(servers[1].database)
    with pytest.raises(BadRequest, match="holds accounts already"):
        move_database(servers[0].database, servers[1].database, print)
    assert rows(servers[1].database) == before
    for server in servers:
        server.database.close()


def test_the_command_takes_a_stopped_server_along(tmp_path, postgres, capsys):
    server = Server.opened(Settings(data_dir=tmp_path))
    server.keys.create("anna")
    command = ["move-database", postgres.create(), "--data-dir", str(tmp_path)]
    with only_server(server.settings):
        assert main(command) == 2
        assert "another server runs" in capsys.readouterr().err
    assert main(command) == 0
    assert "1  accounts" in capsys.readouterr().out
    target = Database(command[1])
    with target.read() as connection:
        assert broken(connection) is None  # the audit log goes on where it was
        assert entries(connection)[-1].act == "database.moved"
    target.close()
    assert main(["move-database", "nonsense://x", "--data-dir", str(tmp_path)]) == 2
    server.database.close()


def test_both_databases_are_closed_whatever_happens(tmp_path, capsys):
    """SQLite's log goes when the last connection is closed: what is left could be copied without it."""
    server = Server.opened(Settings(data_dir=tmp_path / "data"))
    server.keys.create("anna")
    server.database.close()
    target = tmp_path / "moved.sqlite3"
    command = ["move-database", f"sqlite:///{target}", "--data-dir", str(tmp_path / "data")]
    for status in (0, 2):  # the second time, the target is in use
        assert main(command) == status
        assert not [path.name for path in tmp_path.rglob("*-wal")]
    assert "holds accounts already" in capsys.readouterr().err
    moved = Database(f"sqlite:///{target}")
    assert len(rows(moved)["accounts"]) == 1
    moved.close()
