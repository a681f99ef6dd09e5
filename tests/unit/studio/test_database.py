"""Migrations lead to the tables that the code knows, and SQLite is set up so that commits are kept."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from himmel.studio.database import Database, metadata


def test_migrations_lead_to_the_tables_that_the_code_knows(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    database.migrate()
    database.migrate()  # again changes nothing
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    database.close()
