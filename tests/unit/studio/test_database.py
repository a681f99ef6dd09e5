"""Migrations lead to the tables that the code knows, and SQLite is set up so that commits are kept."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from himmel.studio.database import Database, metadata
from himmel.studio.queue import Queue


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
