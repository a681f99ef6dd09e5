"""Databases for tests: a fresh one on SQLite, and one on PostgreSQL where that is installed.

HIMMEL_TEST_POSTGRESQL=required makes a missing PostgreSQL a failure instead of a skip.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from himmel.studio.database import Database

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count()


def pytest_collection_modifyitems(items):
    """All tests on one database, then all on the other: what lives as long as the run is started once for each."""
    items.sort(key=lambda item: "[postgresql" in item.name)


@pytest.fixture(scope="session", autouse=True)
def _nobodys_home(tmp_path_factory):
    """Tests know none of the presets and characters of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp("home")))
        yield


class Postgres:
    """A PostgreSQL of our own, on a socket in a folder, without syncing: it has nothing to lose."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None

    def start(self):
        programs = _programs()
        user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL will not run as root
        if user:
            shutil.chown(self.folder, user)
        data = str(self.folder / "data")
        initdb = [programs / "initdb", "-D", data, "-U", "himmel", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")
        options = ["-k", str(self.folder), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]
        log = (self.folder / "log").open("wb")
        self.server = subprocess.Popen([programs / "postgres", "-D", data, *options], user=user, stderr=log, cwd="/")
        ready = [programs / "pg_isready", "-q", "-h", str(self.folder), "-d", "postgres", "-U", "himmel"]
        while subprocess.run(ready).returncode != 0:
            assert self.server.poll() is None, (self.folder / "log").read_text()

    def stop(self):
        self.server.terminate()
        self.server.wait()

    def url(self, name):
        return f"postgresql+psycopg://himmel@/{name}?host={self.folder}"

    def create(self, template="template1"):
        """The URL of a new database."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(f"host={self.folder} user=himmel dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


def _programs():
    """Where initdb and postgres lie; Debian keeps them off the path."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        if os.environ.get("HIMMEL_TEST_POSTGRESQL") == "required":
            pytest.fail("PostgreSQL is required here and not installed")
        pytest.skip("PostgreSQL is not installed")
    return places[-1]


@pytest.fixture(scope="session")
def postgres():
    with tempfile.TemporaryDirectory(prefix="himmel-") as folder:  # short, and open to the user that it runs as
        server = Postgres(Path(folder))
        server.start()
        template = Database(server.url("template1"))
        template.migrate()  # so that every new database has the tables already
        template.close()
        yield server
        server.stop()


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path):
    """A fresh database of either kind; on PostgreSQL the tables are there already."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'himmel.sqlite3'}"
    return request.getfixturevalue("postgres").create()


@pytest.fixture
def database(database_url):
    """The same, opened, with all tables."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()
