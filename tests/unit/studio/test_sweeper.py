"""The sweeper, on a folder and on a bucket: what nothing speaks of goes, everything else stays."""

import io
import os
import time
from types import SimpleNamespace

import pytest

from himmel.cli.app import main
from himmel.errors import ApiError, BadRequest
from himmel.studio.backup import back_up, restore
from himmel.studio.batches import NewBatch, advance_batches, counts_of, create_batch, find_batch
from himmel.studio.characters import keep_character
from himmel.studio.files import forget_file, keep_file
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.storage import GRACE, MARKER
from himmel.studio.sweeper import Swept, sweep, undisturbed

REQUEST = {"prompt": "a cat", "first_frame": None, "model": "fake", "seconds": 1.0, "size": "64x48"}
SHOWN = {"asked_model": "fake", "asked_seconds": "1", "seed": 0, "steps": None, "guidance": None, "fps": None}
LINE = b'{"custom_id": "1", "method": "POST", "url": "/v1/videos", "body": {"prompt": "a cat"}}'
DAY = 86400.0


@pytest.fixture
def world(place):
    """A server with an account on a store of either kind, and a clock that can be put forward."""
    settings = Settings(data_dir=place.data_dir, storage_url=place.url, reserve_bytes=0, model="fake")
    server = Server.opened(settings)
    caller = server.keys.caller(f"Bearer {server.keys.create('anna')}")
    world = SimpleNamespace(server=server, caller=caller, account=caller.account_id, place=place, ahead=0.0)
    server.queue.now = lambda: time.time() + world.ahead
    yield world
    server.database.close()


def put(world, content):
    return world.server.storage.put(io.BytesIO(content))


def bring(world, content, purpose="vision"):
    return keep_file(world.server.database, world.server.storage, world.account, "f", purpose, io.BytesIO(content))


def finished(world, *contents, frame=None):
    """A job that is done, with these results."""
    queue = world.server.queue
    job = queue.accept(world.account, [REQUEST | SHOWN | {"first_frame": frame}], 1.0)
    assert queue.claim("w").id == job.id
    queue.finish(job.id, 1, {str(n): put(world, content) for n, content in enumerate(contents)}, {})
    return job.id


def contents(world):
    storage = world.server.storage
    return {storage.read(entry.digest) for entry in storage.entries() if entry.digest}


def test_what_nothing_speaks_of_goes_and_the_rest_stays(world):
    queue, frame = world.server.queue, put(world, b"frame")
    keep = finished(world, b"kept", b"shared", frame=put(world, b"kept frame"))
    gone = finished(world, b"gone", b"shared", frame=frame)
    put(world, b"of a worker that lost its lease")
    waiting = queue.accept(world.account, [REQUEST | {"first_frame": put(world, b"waiting frame")}], 1.0)
    bring(world, b"kept file")
    forget_file(world.server.database, world.account, bring(world, b"gone file").id)
    queue.cancel(gone, world.account, delete=True)
    before = contents(world)
    assert sweep(world.server) == Swept()  # all of it is young
    world.ahead = 2 * GRACE
    assert sweep(world.server, dry_run=True).files == 4
    assert contents(world) == before
    done = sweep(world.server)
    assert (done.files, done.bytes) == (4, len(b"gone" + b"frame" + b"gone file" + b"of a worker that lost its lease"))
    assert contents(world) == {b"kept", b"shared", b"kept frame", b"waiting frame", b"kept file"}
    assert sweep(world.server) == Swept()
    for job_id in (keep, waiting.id):
        queue.cancel(job_id, world.account, delete=True)
    assert sweep(world.server) == Swept()  # deleted a moment ago: somebody may be downloading it
    world.ahead = 4 * GRACE
    assert sweep(world.server).files == 4
    assert contents(world) == {b"kept file"}


def test_what_a_worker_left_stays_until_the_job_is_over_and_a_character_for_good(world):
    queue = world.server.queue
    keep_character(world.server.database, world.caller, "Zoe", put(world, b"Zoe"))
    job = queue.accept(world.account, [REQUEST | {"first_frame": None}], 1.0)
    queue.claim("w")
    queue.keep_state(job.id, 1, put(world, b"state"))
    world.ahead = 2 * GRACE
    assert sweep(world.server) == Swept()
    queue.finish(job.id, 1, {}, {})
    assert sweep(world.server).files == 1
    assert contents(world) == {b"Zoe"}


def test_more_files_than_are_looked_at_together(world, monkeypatch):
    monkeypatch.setattr("himmel.studio.sweeper.TOGETHER", 3)
    for n in range(8):
        put(world, b"%d" % n)
    world.ahead = 2 * GRACE
    assert sweep(world.server, stop=lambda: True) == Swept()
    assert sweep(world.server).files == 8


def test_what_is_spoken_of_again_between_two_looks_stays(world, monkeypatch):
    """A job is accepted with old bytes while the sweeper goes through its list."""
    digest = put(world, b"frame")
    world.ahead = 2 * GRACE
    really_listed = world.server.storage.entries

    def listed():
        yield from really_listed()
        world.server.queue.accept(world.account, [REQUEST | {"first_frame": digest}], 1.0)

    monkeypatch.setattr(world.server.storage, "entries", listed)
    assert sweep(world.server) == Swept()
    assert contents(world) == {b"frame"}


def test_without_the_marker_nothing_is_swept(world):
    put(world, b"a clip")
    finished(world, b"old")
    world.place.lose_marker()
    world.ahead = 2 * GRACE
    for dry_run in (True, False):
        with pytest.raises(ApiError) as caught:
            sweep(world.server, dry_run=dry_run)
        assert caught.value.status == 503
    storage = world.server.storage
    storage.quick.put(storage.prefix + MARKER, (world.place.data_dir / "storage-id").read_bytes())
    assert contents(world) == {b"a clip", b"old"}


def test_a_batch_keeps_its_input_until_it_is_over(world):
    server = world.server
    file = bring(world, LINE + b"\n" + LINE.replace(b'"1"', b'"2"'), "batch")
    wanted = NewBatch(endpoint="/v1/videos", completion_window="24h", input_file_id=file.id)
    batch = create_batch(server, world.caller, wanted)
    with pytest.raises(ApiError, match="working through this file"):
        forget_file(server.database, world.account, file.id)
    world.ahead = 2 * GRACE
    assert sweep(server).files == 0
    assert counts_of(server, find_batch(server, world.account, batch.id))["total"] == 2
    for _ in range(2):  # it is fed, then it is over
        advance_batches(server)
        while job := server.queue.claim("w"):
            server.queue.finish(job.id, 1, {}, {})
    batch = find_batch(server, world.account, batch.id)
    assert batch.status == "completed"
    forget_file(server.database, world.account, file.id)
    world.ahead += 2 * GRACE
    assert sweep(server).files == 1
    assert counts_of(server, batch) == {"total": 2, "completed": 2, "failed": 0}


def test_clips_expire_only_where_the_operator_says_so(world):
    finished(world, b"a clip")
    world.ahead = 10 * DAY
    assert sweep(world.server) == Swept()
    settings = Settings(data_dir=world.place.data_dir, storage_url=world.place.url, retention_days=7, reserve_bytes=0)
    keeping = Server.opened(settings)
    keeping.queue.now = world.server.queue.now
    (job,) = keeping.queue.finished_before(keeping.queue.now())
    assert keeping.shown(job).expires_at == int(job.completed_at + 7 * DAY)
    assert world.server.shown(job).expires_at is None
    world.ahead = 6.9 * DAY
    assert sweep(keeping).expired == 0
    world.ahead = 7.1 * DAY
    assert sweep(keeping, dry_run=True).expired == 1
    assert sweep(keeping).expired == 1
    assert keeping.queue.finished_before(keeping.queue.now()) == []
    world.ahead += 2 * GRACE
    assert sweep(keeping) == Swept(files=1, bytes=6)
    keeping.database.close()


def test_pieces_of_uploads_go_and_foreign_files_stay(tmp_path, capsys):
    server = Server.opened(Settings(data_dir=tmp_path))
    server.storage.check()
    folder = tmp_path / "files"
    for name in ("tmp/piece", "tmp/young piece", "notes.txt", "ab/notes"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
        if "young" not in name:
            os.utime(folder / name, (0, 0))
    server.database.close()
    assert main(["sweep", "--dry-run", "--data-dir", str(tmp_path)]) == 0
    assert main(["sweep", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 expired clips would go, 0 files (0 bytes), 1 pieces",
        "0 expired clips went, 0 files (0 bytes), 1 pieces",
    ]
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"tmp/young piece", "notes.txt", "ab/notes", ".himmel-files"}


def test_no_sweep_while_a_backup_is_taken(world):
    folder = world.place.data_dir
    with undisturbed(folder), undisturbed(folder), pytest.raises(BadRequest, match="backup"):
        sweep(world.server)
    assert sweep(world.server) == Swept()


def test_a_backup_takes_the_files_from_wherever_they_are(world, tmp_path):
    finished(world, b"a clip", frame=put(world, b"frame"))
    put(world, b"spoken of by nobody")
    assert back_up(world.server, tmp_path / "b.tar") == 4
    restore(tmp_path / "b.tar", tmp_path / "again")
    again = Server.opened(Settings(data_dir=tmp_path / "again"))
    assert contents(SimpleNamespace(server=again)) == {b"a clip", b"frame"}
    again.database.close()
    if world.place.url:  # never takes the living server's bucket for its own
        with pytest.raises(ApiError):
            Server.opened(Settings(data_dir=tmp_path / "again", storage_url=world.place.url)).storage.check()


def test_a_backup_of_a_damaged_file_says_which(tmp_path):
    server = Server.opened(Settings(data_dir=tmp_path / "data"))
    account = server.keys.caller(f"Bearer {server.keys.create('anna')}").account_id
    digest = keep_file(server.database, server.storage, account, "f", "vision", io.BytesIO(b"picture")).digest
    (tmp_path / "data" / "files" / digest[:2] / digest).write_bytes(b"another")
    with pytest.raises(BadRequest, match=digest):
        back_up(server, tmp_path / "b.tar")
    assert not list(tmp_path.glob("b.tar*"))
    server.database.close()
