"""Files by what is in them, in a folder and in a bucket alike: whole, once, and only where the store is ours."""

import hashlib
import http.server
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import obstore
import pytest

from himmel.errors import ApiError, BadRequest
from himmel.studio import storage as storage_module
from himmel.studio.storage import CHUNK, GRACE, MARKER, PART, Storage


def names(storage):
    return sorted(entry.name for entry in storage.entries())


def refused(call, *arguments):
    """The status of the ApiError that a call raises, and whether it says when to come back."""
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    return caught.value.status, caught.value.code, caught.value.retry_after is not None


UNAVAILABLE = (503, "storage_unavailable", True)
FULL = (507, "storage_full", True)


def test_what_is_put_comes_back(place):
    storage = place.opened()
    for content in (b"", b"a clip", os.urandom(CHUNK), os.urandom(PART + 3)):
        digest = storage.put(io.BytesIO(content))
        assert digest == hashlib.sha256(content).hexdigest()
        assert (storage.size(digest), storage.read(digest)) == (len(content), content)
    assert b"".join(storage.chunks(digest, CHUNK - 1, CHUNK + 5)) == content[CHUNK - 1 : CHUNK + 5]


def test_only_what_is_ahead_in_a_file_is_put(place):
    storage, source = place.opened(), io.BytesIO(b"header body")
    source.seek(7)
    assert storage.read(storage.put(source)) == b"body"


def test_the_same_bytes_are_kept_once(place):
    storage = place.opened()
    digests = {storage.put(io.BytesIO(b"the same")) for _ in range(3)}
    assert names(storage) == [f"{digest[:2]}/{digest}" for digest in digests]


def test_a_file_that_was_cut_short_behind_our_back_is_mended_by_the_next_put(tmp_path):
    storage = Storage(tmp_path)
    digest = storage.put(io.BytesIO(b"a clip"))
    (tmp_path / "files" / digest[:2] / digest).write_bytes(b"a c")
    assert storage.put(io.BytesIO(b"a clip")) == digest
    assert storage.read(digest) == b"a clip"


@pytest.mark.parametrize("content", [b"", b"one", b"one\n", b"one\ntwo", b"\n\n" + b"x" * (CHUNK + 7) + b"\nend\n"])
def test_lines_are_those_of_the_file(tmp_path, content):
    storage = Storage(tmp_path)
    digest = storage.put(io.BytesIO(content))
    assert list(storage.lines(digest, len(content))) == content.split(b"\n")


def test_a_line_that_is_too_long_comes_in_pieces(tmp_path, monkeypatch):
    storage = Storage(tmp_path)
    digest = storage.put(io.BytesIO(b"short\n" + b"x" * 100 + b"\nend"))
    monkeypatch.setattr("himmel.studio.storage.CHUNK", 10)
    first, *pieces, last = storage.lines(digest, 25)
    assert (first, last, b"".join(pieces)) == (b"short", b"end", b"x" * 100)
    assert 25 < max(map(len, pieces)) <= 35


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_digest_is_refused(tmp_path, digest):
    with pytest.raises(ValueError, match="is no digest"):
        Storage(tmp_path).size(digest)


def test_a_lost_file_is_told_from_a_lost_store(place):
    storage = place.opened()
    storage.check()
    assert refused(storage.read, "0" * 64) == (500, "file_lost", False)


def test_many_threads_put_the_same_bytes(tmp_path):
    storage, content, found = Storage(tmp_path), os.urandom(200_000), []
    threads = [threading.Thread(target=lambda: found.append(storage.put(io.BytesIO(content)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert storage.read(found[0]) == content
    assert os.listdir(tmp_path / "files" / "tmp") == []


KILLED = """
import io, os, sys
from pathlib import Path
from himmel.studio.storage import Storage
class Dying(io.BytesIO):
    reads = 0
    def read(self, size=-1):
        self.reads += 1
        if self.reads == 5:  # the file is hashed by now, and half of it written
            os.kill(os.getpid(), 9)
        return super().read(size)
storage = Storage(Path(sys.argv[1]))
storage.check()
storage.put(Dying(bytes(2 << 20)))
"""


def test_a_process_killed_while_it_writes_leaves_no_file(tmp_path):
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)]).returncode == -9
    assert [name[:4] for name in names(Storage(tmp_path))] == ["tmp/"]


def test_without_its_marker_a_store_is_not_touched(place):
    storage = place.opened()
    digest = storage.put(io.BytesIO(b"a clip"))
    place.lose_marker()
    again = place.opened()
    for call in (again.put, storage.put) if not place.url else (again.put,):
        assert refused(call, io.BytesIO(b"another")) == UNAVAILABLE
    assert refused(again.read, digest) == UNAVAILABLE
    assert refused(list, again.entries()) == UNAVAILABLE
    assert refused(lambda: storage.check(anew=True)) == UNAVAILABLE


def test_an_empty_folder_under_a_volume_that_is_away_stays_empty(tmp_path):
    storage = Storage(tmp_path)
    digest = storage.put(io.BytesIO(b"a clip"))
    (tmp_path / "files").rename(tmp_path / "volume")
    (tmp_path / "files").mkdir()
    assert refused(storage.put, io.BytesIO(b"another")) == UNAVAILABLE
    assert refused(Storage(tmp_path).put, io.BytesIO(b"another")) == UNAVAILABLE
    assert os.listdir(tmp_path / "files") == []
    (tmp_path / "files").rmdir()
    (tmp_path / "volume").rename(tmp_path / "files")
    assert storage.read(digest) == b"a clip"  # without a restart


def test_another_servers_store_is_refused_until_the_operator_says_so(place, tmp_path):
    place.opened().check()
    (tmp_path / "other").mkdir()
    other = Storage(tmp_path / "other", place.url)
    if not place.url:
        shutil.copytree(place.data_dir / "files", tmp_path / "other" / "files")
    with pytest.raises(ApiError) as caught:
        other.check()
    told = str(caught.value.__cause__)
    assert "another server's" in told
    (tmp_path / "other" / "storage-id").write_text(told.partition("write '")[2].partition("'")[0])
    other.check()


def test_being_cut_off_while_marking_does_no_harm(place, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("cut off")))
        assert refused(place.opened().check) == UNAVAILABLE
    place.opened().check()
    assert (place.data_dir / "storage-id").read_text()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told_from_other_trouble(tmp_path, monkeypatch):
    storage = Storage(tmp_path)
    storage.check()

    def on_a_full_disk(dir, delete):
        path = Path(dir) / "part"
        path.symlink_to("/dev/full")  # the kernel answers ENOSPC
        return path.open("wb")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "NamedTemporaryFile", on_a_full_disk)
        assert refused(storage.put, io.BytesIO(b"a clip")) == FULL
    assert names(storage) == []
    digest = storage.put(io.BytesIO(b"a clip"))
    shutil.rmtree(tmp_path / "files" / digest[:2])
    (tmp_path / "files" / digest[:2]).write_text("in the way")
    assert refused(storage.put, io.BytesIO(b"a clip")) == UNAVAILABLE
    assert os.listdir(tmp_path / "files" / "tmp") == []


@pytest.fixture
def small_disk(tmp_path):
    """A folder of files on a disk of one megabyte of its own."""
    files = tmp_path / "files"
    files.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(files)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield tmp_path
    subprocess.run(["umount", str(files)], check=True)


def test_a_disk_that_is_really_full(small_disk):
    storage = Storage(small_disk)
    first = storage.put(io.BytesIO(os.urandom(700_000)))
    assert refused(storage.put, io.BytesIO(os.urandom(700_000))) == FULL
    assert os.listdir(small_disk / "files" / "tmp") == []
    assert storage.remove_unused(first, time.time() + GRACE + 1)
    assert storage.read(storage.put(io.BytesIO(b"x" * 700_000))) == b"x" * 700_000


@pytest.mark.parametrize("silent", [False, True], ids=["dead", "silent"])
def test_a_bucket_that_does_not_answer_is_given_up_soon(bucket, monkeypatch, tmp_path, silent):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if silent:
            nobody.listen()  # connections are taken, and no word is said
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        storage = Storage(tmp_path, bucket)
        begun = time.monotonic()
        assert refused(storage.put, io.BytesIO(b"a clip")) == UNAVAILABLE
        assert time.monotonic() - begun < 15  # our own limits make it 4; the library's would make it minutes


class Stalling(http.server.BaseHTTPRequestHandler):
    """A bucket that has nothing, takes no bytes, and never says so."""

    over = threading.Event()

    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()

    def do_POST(self):  # a large upload begins
        names = "".join(f"<{name}>x</{name}>" for name in ("Bucket", "Key", "UploadId"))
        told = f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_PUT(self):
        self.over.wait(60)

    do_DELETE = do_PUT

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("size", [6, PART + 1], ids=["whole", "in parts"])
def test_an_upload_that_stalls_is_given_up_soon(bucket, monkeypatch, tmp_path, size):
    assert storage_module.ASK_SECONDS + 2 * storage_module.TRANSFER_SECONDS < 25  # what a request may wait for it
    monkeypatch.setattr(storage_module, "TRANSFER_SECONDS", 1)
    Storage(tmp_path, bucket).check()
    monkeypatch.setattr(Stalling, "over", threading.Event())
    stalling = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    threading.Thread(target=stalling.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{stalling.server_port}")
    storage = Storage(tmp_path, bucket)
    storage._marker_good_until = float("inf")
    begun = time.monotonic()
    assert refused(storage.put, io.BytesIO(bytes(size))) == UNAVAILABLE
    assert time.monotonic() - begun < 10
    Stalling.over.set()
    stalling.shutdown()
    stalling.server_close()


def test_plain_http_only_where_the_endpoint_says_so(bucket, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ApiError) as caught:
        Storage(tmp_path, bucket).check()
    assert "scheme" in str(caught.value.__cause__) or "builder" in str(caught.value.__cause__)


@pytest.mark.parametrize("url", ["bucket", "http://bucket/x", "s3://", "s3://UPPER", "s3://bucket/a b"])
def test_an_address_that_is_none_is_refused(tmp_path, url):
    with pytest.raises(BadRequest, match="storage_url"):
        Storage(tmp_path, url)


def test_old_bytes_are_young_again_when_they_are_put_again(place, monkeypatch):
    storage = place.opened()
    digest = storage.put(io.BytesIO(b"a clip"))
    sent = []
    really_put = obstore.put
    monkeypatch.setattr(
        obstore, "put", lambda *given, **options: (sent.append(given[1]), really_put(*given, **options))
    )
    if place.url:
        storage.put(io.BytesIO(b"a clip"))
        assert sent == []  # young enough
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + GRACE)
        storage.put(io.BytesIO(b"a clip"))
        assert len(sent) == 1  # sent again: that is what makes it young
    else:
        path = place.data_dir / "files" / digest[:2] / digest
        os.utime(path, (0, 0))
        storage.put(io.BytesIO(b"a clip"))
        assert not storage.remove_unused(digest, time.time())


def test_bytes_that_are_put_again_while_they_are_swept_are_there_afterwards(place, monkeypatch):
    """Between the sweeper's last look and its deletion, somebody puts the very same bytes."""
    storage = place.opened()
    digest = storage.put(io.BytesIO(b"a clip"))
    later = time.time() + 2 * GRACE
    if not place.url:
        os.utime(place.data_dir / "files" / digest[:2] / digest, (0, 0))
    monkeypatch.setattr(time, "time", lambda: later)
    putting = threading.Thread(target=storage.put, args=(io.BytesIO(b"a clip"),))
    really_delete = obstore.delete

    def slowly(*given):
        putting.start()
        putting.join(1)  # time to do harm; held up, it cannot
        really_delete(*given)

    monkeypatch.setattr(obstore, "delete", slowly)
    assert storage.remove_unused(digest, later)
    putting.join()
    assert storage.read(digest) == b"a clip"


def test_the_marker_is_no_file(place):
    storage = place.opened()
    storage.check()
    assert names(storage) == [] and MARKER.startswith(".")
