"""A server when things go wrong around it: clear answers, nothing lost, and well again by itself."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import httpx2
import pytest
import uvicorn
from sqlalchemy.exc import OperationalError

from himmel.cli.processes import listening
from himmel.studio import database
from himmel.studio.app import make_app
from himmel.studio.callers import REMEMBER_SECONDS
from himmel.studio.server import Server
from himmel.studio.settings import Settings

BODY = {"prompt": "a cat", "seconds": "1", "size": "64x48"}
PATIENCE = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true):
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@contextmanager
def answering(folder, **settings):
    """A client of a server in this process, without workers."""
    server = Server.opened(Settings(data_dir=folder, model="fake", reserve_bytes=0, **settings))
    port = free_port()
    serving = uvicorn.Server(uvicorn.Config(make_app(server), port=port, log_level="error"))
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    wait_until(lambda: serving.started)
    headers = {"authorization": f"Bearer {server.keys.create('anna')}"}
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/v1", headers=headers, timeout=30) as client:
            yield client
    finally:
        serving.should_exit = True
        thread.join()
        server.database.close()


@contextmanager
def locked(folder):
    """The database in the hands of another writer."""
    with closing(sqlite3.connect(folder / "himmel.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_request_waits_for_another_writer(tmp_path):
    with answering(tmp_path) as client:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/videos", json=BODY)))
        with locked(tmp_path):
            asking.start()
            assert client.get("/videos").json()["data"] == []
            asking.join(0.5)
            assert answers == []
        asking.join()
        assert answers[0].status_code == 201


def test_a_writer_that_holds_on_for_long_is_told_and_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_MS", 50)
    with answering(tmp_path) as client:
        kept = client.post("/videos", json=BODY).json()["id"]
        with locked(tmp_path):
            refused = [client.post("/videos", json=BODY), client.delete(f"/videos/{kept}")]
            assert client.get(f"/videos/{kept}").json()["status"] == "queued"
        for answer in refused:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_busy")
            assert int(answer.headers["retry-after"]) > 0
        assert client.post("/videos", json=BODY).status_code == 201
        assert len(client.get("/videos").json()["data"]) == 2


def test_who_reads_never_waits_for_those_who_wait_to_write(tmp_path):
    with answering(tmp_path) as client, ThreadPoolExecutor(60) as crowd:
        kept = client.post("/videos", json=BODY).json()["id"]
        with locked(tmp_path):
            writers = [
                crowd.submit(httpx2.post, f"{client.base_url}videos", json=BODY, headers=client.headers, timeout=30)
                for _ in range(60)
            ]
            wait_until(lambda: all(writer.running() for writer in writers))
            time.sleep(1)  # they are all at it
            assert client.get(f"/videos/{kept}").json()["status"] == "queued"
            assert not any(writer.done() for writer in writers)
        assert {writer.result().status_code for writer in writers} == {201}


def test_a_database_that_is_away_is_told_and_missed_by_nobody(tmp_path, monkeypatch):
    def away(_):
        raise OperationalError("select 'a secret prompt'", {}, OSError("connection refused"))

    with answering(tmp_path) as client:
        kept = client.post("/videos", json=BODY).json()["id"]
        monkeypatch.setattr(database.Database, "read", away)
        monkeypatch.setattr(database.Database, "write", away)
        for answer in (client.get(f"/videos/{kept}"), client.get("/videos"), client.post("/videos", json=BODY)):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
            assert int(answer.headers["retry-after"]) > 0 and "secret" not in answer.text
        monkeypatch.undo()
        assert client.get(f"/videos/{kept}").json()["status"] == "queued"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "himmel-test", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_loses_nothing(small_disk):
    filler = small_disk / "filler"
    with answering(small_disk / "data") as client:
        accepted = [client.post("/videos", json=BODY).json()["id"] for _ in range(5)]
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        answers = [client.post("/videos", json=BODY | {"prompt": "a" * 30_000}) for _ in range(5)]
        answers += [client.delete(f"/videos/{accepted[0]}"), client.post(f"/videos/{accepted[1]}/cancel")]
        accepted += [answer.json()["id"] for answer in answers[:5] if answer.status_code == 201]
        assert answers[4].status_code == 507
        for answer in answers:
            assert answer.status_code in (200, 201) or (answer.status_code == 507 and answer.headers["retry-after"])
        gone = {accepted[0]} if answers[5].status_code == 200 else set()
        assert {video["id"] for video in client.get("/videos?limit=100").json()["data"]} == {*accepted} - gone
        filler.unlink()
        accepted.append(client.post("/videos", json=BODY).json()["id"])
        assert client.delete(f"/videos/{accepted[0]}").status_code == (404 if gone else 200)
        assert {video["id"] for video in client.get("/videos?limit=100").json()["data"]} == {*accepted[1:]}
    with closing(sqlite3.connect(small_disk / "data" / "himmel.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


class Process:
    """``himmel serve`` with one worker on the fake model, and what it says."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.process = None

    def himmel(self, *arguments):
        return [sys.executable, "-m", "himmel", *arguments, "--data-dir", str(self.folder)]

    def begin(self):
        serve = self.himmel("serve", "--model", "fake", "--workers", "1", "--port", str(self.port))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        environment = {**os.environ, "HIMMEL_LEASE_SECONDS": "3"}
        self.process = subprocess.Popen(serve, env=environment, start_new_session=True, **pipes)
        return self.process

    def start(self):
        self.begin()
        wait_until(lambda: self.answers() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stdout.read()

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def members(self):
        found = subprocess.run(["pgrep", "-g", str(self.process.pid)], capture_output=True, text=True)
        return found.stdout.split()

    def end(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def served(tmp_path):
    """A server that runs, and the means to make others; none outlives the test."""
    made = []

    def make(folder, port):
        made.append(Process(folder, port))
        return made[-1]

    first = make(tmp_path / "data", free_port())
    first.start()
    yield first, make
    for process in made:
        process.end()


def test_a_second_server_leaves_the_folder_to_the_first(served):
    first, make = served
    second = make(first.folder, free_port()).begin()
    told, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert told.count("\n") == 1 and f"another server runs on '{first.folder}'" in told
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    make(first.folder, free_port()).start()


def test_answers_leave_at_once():
    """asyncio sets TCP_NODELAY where the socket's protocol is named; else small answers wait for 40 ms."""
    with closing(listening("localhost", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert listener.getsockname()[1] > 0


def test_a_key_that_was_revoked_is_refused_soon_although_callers_are_remembered(tmp_path):
    with answering(tmp_path) as client:
        assert client.get("/models").status_code == 200
        other = Server.opened(Settings(data_dir=tmp_path))  # as the command line does it
        assert other.keys.revoke(client.headers["authorization"].split("_")[1].partition(".")[0])
        other.database.close()
        assert REMEMBER_SECONDS < 2
        wait_until(lambda: client.get("/models").status_code == 401)


def test_a_port_that_is_taken_is_told_in_a_line(served, tmp_path):
    first, make = served
    other = make(tmp_path / "elsewhere", first.port).begin()
    told, _ = other.communicate(timeout=PATIENCE)
    assert other.returncode == 2
    assert told.count("\n") == 1 and f"port {first.port} is taken" in told


def test_a_server_that_is_told_to_stop_finishes_what_was_asked_and_keeps_the_rest(served):
    first, make = served
    made = subprocess.run(first.himmel("keys", "create", "anna"), capture_output=True, text=True, check=True)
    headers = {"authorization": f"Bearer {made.stdout.split()[-1]}"}
    address = f"http://127.0.0.1:{first.port}/v1/videos"
    body = BODY | {"seconds": "20", "size": "320x240"}
    accepted = [httpx2.post(address, json=body, headers=headers).json()["id"] for _ in range(3)]
    wait_until(lambda: "in_progress" in httpx2.get(address, headers=headers).text)
    with closing(socket.create_connection(("127.0.0.1", first.port))) as slow:
        content = json.dumps(BODY).encode()
        told = f"authorization: {headers['authorization']}\r\ncontent-length: {len(content)}\r\n"
        slow.sendall(f"POST /v1/videos HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{told}\r\n".encode())
        slow.sendall(content[:10])
        first.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not first.answers())
        slow.sendall(content[10:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 201")
    accepted.append(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
    output, _ = first.process.communicate(timeout=PATIENCE)
    assert first.process.returncode == 0 and "stopped" in output and "Traceback" not in output
    assert first.members() == []
    again = make(first.folder, first.port)
    again.start()

    def states():
        return [httpx2.get(f"{address}/{job}", headers=headers).json()["status"] for job in accepted]

    wait_until(lambda: set(states()) == {"completed"})
