"""Room on the disk: reserved before a job is accepted, and free again when it is over."""

import shutil
from types import SimpleNamespace

import pytest

from himmel.errors import ApiError
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.space import LEAST, LEAST_RATE
from himmel.studio.videos import create_video

BODY = {"prompt": "a cat", "seconds": "10", "size": "640x480"}
NEED = LEAST + LEAST_RATE * 10 * 640 * 480
RESERVE = 1_000_000


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", reserve_bytes=RESERVE))
    monkeypatch.setattr("himmel.studio.space.COUNT_SECONDS", 0.0)
    yield server
    server.database.close()


@pytest.fixture
def disk(monkeypatch):
    """A disk whose free space can be said."""
    disk = SimpleNamespace(free=0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    return disk


def caller_of(server):
    return server.keys.caller(f"Bearer {server.keys.create('anna')}")


def test_every_job_that_is_not_over_keeps_its_room(server, disk):
    caller = caller_of(server)
    disk.free = RESERVE + 2.5 * NEED
    jobs = [create_video(server, caller, BODY) for _ in range(2)]
    with pytest.raises(ApiError) as caught:
        create_video(server, caller, BODY)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (507, "storage_full", 120)
    with pytest.raises(ApiError):
        server.space.check(NEED)  # an upload is refused as well
    server.queue.claim("w")  # a running one still needs it
    assert server.space.needed() == pytest.approx(2 * NEED)
    server.queue.cancel(jobs[0].id, caller.account_id, delete=True)  # deleting works, and makes room
    create_video(server, caller, BODY)
    disk.free = RESERVE + 9 * NEED
    create_video(server, caller, BODY)


def test_jobs_count_from_the_moment_they_are_let_in(server, disk, monkeypatch):
    """The count of what is needed may be a moment old; who came in that moment is not forgotten."""
    monkeypatch.setattr("himmel.studio.space.COUNT_SECONDS", 1e9)
    disk.free = RESERVE + 1.5 * NEED
    caller = caller_of(server)
    create_video(server, caller, BODY)
    with pytest.raises(ApiError):
        create_video(server, caller, BODY)


def test_what_was_stored_teaches_what_will_be_needed(server, disk):
    caller = caller_of(server)
    disk.free = 1e12
    job = create_video(server, caller, BODY)
    server.space.learn(job, 10 * 640 * 480 * 3)
    assert server.space.needed() == pytest.approx(LEAST + 3 * 10 * 640 * 480)
    server.space.learn(job, 1)
    assert 2 < server.space.rate < 3  # one small clip is no promise
    for _ in range(100):
        server.space.learn(job, 1)
    assert server.space.rate == LEAST_RATE


def test_with_a_bucket_only_the_data_folders_disk_counts(bucket, tmp_path, disk):
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", reserve_bytes=RESERVE, storage_url=bucket))
    caller = caller_of(server)
    disk.free = RESERVE
    create_video(server, caller, BODY)
    disk.free = RESERVE - 1
    with pytest.raises(ApiError):
        create_video(server, caller, BODY)
    server.database.close()
