"""Stores of both kinds: a folder, and a bucket on a server of its own that speaks S3 over HTTP."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import httpx2
import obstore
import pytest
from moto.server import ThreadedMotoServer

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
