"""Stores of both kinds: a folder, and a bucket on a server of its own that speaks S3; and the parts of a server."""

import io
import secrets
from dataclasses import dataclass
from pathlib import Path

import httpx2
import obstore
import pytest
from moto.server import ThreadedMotoServer

from himmel.studio.jobs import find
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.storage import MARKER, Storage


@pytest.fixture(scope="session")
def s3():
    """The address of an S3 server with one bucket, "bucket"."""
    serving = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    address = "http://{}:{}".format(*serving.get_host_and_port())
    assert httpx2.put(f"{address}/bucket").status_code == 200
    yield address
    serving.stop()


@pytest.fixture
def bucket(s3, monkeypatch):
    """A part of the bucket that nobody else uses, as the setting ``storage_url`` names it."""
    told = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-east-1", "ENDPOINT_URL": s3}
    for name, value in told.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return f"s3://bucket/{secrets.token_hex(4)}"


@dataclass
class Place:
    """Where a store is, and how to meddle with it behind its back."""

    data_dir: Path
    url: str

    def opened(self):
        return Storage(self.data_dir, self.url)

    def lose_marker(self):
        storage = self.opened()
        obstore.delete(storage.quick, storage.prefix + MARKER)


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    (tmp_path / "data").mkdir()
    if request.param == "folder":
        return Place(tmp_path / "data", "")
    return Place(tmp_path / "data", request.getfixturevalue("bucket"))


@pytest.fixture
def server(tmp_path):
    """A server's parts, which nobody listens with."""
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", reserve_bytes=0))
    yield server
    server.database.close()


@pytest.fixture
def caller(server):
    return server.keys.caller(f"Bearer {server.keys.create('anna')}")


@pytest.fixture
def finished(server):
    """A way to have the next job finished with bytes for a clip; gives it as it is then."""

    def done(job, content=b"another clip"):
        claimed = server.queue.claim("w")
        assert claimed.id == job.id
        details = {"native_size": "128x128", "settings": {"steps": 1, "guidance": 1.0, "fps": 12, "turbo": False}}
        server.queue.finish(job.id, claimed.attempts, {"video": server.storage.put(io.BytesIO(content))}, details)
        with server.database.read() as connection:
            return find(connection, job.id)

    return done
