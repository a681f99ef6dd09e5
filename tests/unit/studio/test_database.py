"""Migrations lead to the tables that the code knows, and SQLite is set up so that commits are kept."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event

from himmel.studio.auth import Caller, Keys
from himmel.studio.database import Database, some_of
from himmel.studio.jobs import find_all, siblings
from himmel.studio.places import Places
from himmel.studio.queue import Queue
from himmel.studio.tables import metadata


def test_what_an_older_himmel_kept_goes_on(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    database.migrate("0003")
    with database.write() as connection:
        for statement in (
            "insert into accounts values ('a', 'anna', 'owner', 1, 1, 0, 1, 2.5)",
            "insert into keys values ('k', 'a', 'anna', 'd', 1, null)",
            "insert into jobs (id, account_id, number, status, request, priority, cost, created_at, progress, "
            "attempts, results, details) values ('j', 'a', 7, 'queued', '{}', 0, 2.5, 1, 0, 0, '{}', '{}')",
            "insert into files values ('f', 'a', 'f', 'batch', 1, 'd', 1, null)",
            "insert into batches (id, account_id, input_file_id, status, created_at, expires_at, next_line) "
            "values ('b', 'a', 'f', 'in_progress', 1, 2, 0)",
        ):
            connection.exec_driver_sql(statement)
    database.migrate()
    with database.read() as connection:
        assert connection.exec_driver_sql("select key_id from batches").scalar() == "k"
        assert connection.exec_driver_sql("select number, lost from jobs").one() == (7, 0)
        assert connection.exec_driver_sql("pragma foreign_key_check").all() == []
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1
    assert Queue(database, 30, 6).claim("w").id == "j"
    database.close()


def test_migrations_lead_to_the_tables_that_the_code_knows(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    database.migrate()
    database.migrate()  # again changes nothing
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    database.close()


def test_a_writer_waits_for_its_turn_however_long_others_take(tmp_path, monkeypatch):
    monkeypatch.setattr("himmel.studio.database.BUSY_MS", 1)
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    database.migrate()
    begun = threading.Event()

    def write(pause):
        with database.write() as connection:
            begun.set()
            time.sleep(pause)
            connection.exec_driver_sql("delete from previews")

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(write, 0.3)
        assert begun.wait(10)
        for task in [first, *(pool.submit(write, 0.01) for _ in range(8))]:
            task.result()
    database.close()


def test_however_many_are_asked_for_together_the_statements_are_few(database, tmp_path):
    keys = Keys(database, tmp_path)
    queue, places = Queue(database, 30.0, 100, lambda: 1.0), Places(lambda: 1.0)
    bearers, made = [], []
    for number in range(20):
        bearers.append(f"Bearer {keys.create(f'account {number}')}")
        account = keys.caller(bearers[-1]).account_id
        made.append(queue.accept(account, [{"model": "fake", "seconds": 1.0, "n": 2}] * 2, 1.0))
    statements = set()
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.add(given[2]))
    for count in range(1, 21):
        assert all(isinstance(caller, Caller) for caller in keys.callers(bearers[:count]))
        with database.read() as connection:
            found = find_all(connection, [job.id for job in made[:count]])
            assert {job.id for job in found} == {job.id for job in made[:count]}
            assert all(places.of(connection, found, 1)) and len(siblings(connection, found)) == count
    assert len(statements) <= 4 * 6 + 2  # of each of the four one for 1, 2, 4, … 32; beginning, and all accounts


@pytest.mark.parametrize(("count", "filled"), [(0, 0), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (100, 128)])
def test_values_to_look_for_are_filled_up_with_the_last(count, filled):
    values = [str(number) for number in range(count)]
    assert some_of(values) == values + values[-1:] * (filled - count)
