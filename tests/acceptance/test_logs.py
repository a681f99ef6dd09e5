"""The log of a server at work: a line for each thing that happened, and nobody's secrets."""

import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import openai
import pytest

from himmel import logs
from himmel.studio.outbound import Outbound
from himmel.studio.tables import jobs
from himmel.studio.webhooks import Webhooks

SMALL = {"seconds": "1", "size": "64x48"}
PROMPT = "a zebra called Xylophonia"


class Written:
    """Everything that is logged while a test runs, in the server's form and at its most talkative."""

    def __init__(self):
        self.stream = io.StringIO()

    @property
    def lines(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, logger):
        return [line for line in self.lines if line["logger"] == logger]


@pytest.fixture
def written():
    written = Written()
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(logs.Json(whole=True))
    heard = [logging.getLogger(), *map(logging.getLogger, ("himmel", "uvicorn"))]
    levels = [log.level for log in heard]
    heard[0].addHandler(handler)
    for log, level in zip(heard, ("WARNING", "DEBUG", "INFO"), strict=True):
        log.setLevel(level)
    yield written
    heard[0].removeHandler(handler)
    for log, level in zip(heard, levels, strict=True):
        log.setLevel(level)


def test_a_whole_life_of_a_job_is_told_without_a_secret(running, written, monkeypatch):
    outbound = Outbound(allowed=lambda _: True, schemes=("http",))
    monkeypatch.setattr(running.server, "webhooks", Webhooks(running.server.database, outbound))
    client = running.client("Quetzalcoatl")
    hook = client.webhooks.create(
        name="mine", url="http://127.0.0.1:9/hook?token=Rumpelstilzchen", event_types=["video.completed"]
    )
    answer = client.videos.with_raw_response.create(prompt=PROMPT, **SMALL, extra_body={"negative_prompt": PROMPT})
    video = answer.parse()
    done = client.videos.poll(video.id)
    client.videos.download_content(video.id)
    httpx2.get(
        f"{running.address}/v1/videos?after=Rumpelstilzchen", headers={"authorization": "Bearer Rumpelstilzchen"}
    )
    httpx2.get(f"{running.address}/Rumpelstilzchen")
    with pytest.raises(openai.BadRequestError):
        client.videos.create(prompt=PROMPT, model="Xylophonia", seconds="4")
    running.server.webhooks.deliver_due()
    client.webhooks.delete(hook.id)

    events = [line for line in written.of("himmel.jobs") if line["job_id"] == video.id]
    assert [line["message"] for line in events] == ["accepted", "claimed", "finished"]
    accepted, claimed, finished = events
    assert accepted["request_id"] == answer.headers["x-request-id"]
    assert claimed["worker"] == finished["worker"] and finished["seconds"] > 0
    assert done.status == "completed"
    [row] = [row for row in running.server.workers.all() if row.name == finished["worker"]]
    assert (row.model, row.jobs_done >= 1, row.device) == ("fake", True, "cpu")

    [asked] = [line for line in written.of("himmel.requests") if line["request_id"] == accepted["request_id"]]
    assert (asked["method"], asked["route"], asked["status"]) == ("POST", "/v1/videos", 201)
    assert asked["account_id"] == accepted["account_id"] and asked["key_id"] and asked["milliseconds"] > 0
    polled = [line for line in written.of("himmel.requests") if line.get("route") == "/v1/videos/{video_id}"]
    assert {line["job_id"] for line in polled} == {video.id}
    worked = [line["message"] for line in written.of("himmel.worker") if line["job_id"] == video.id]
    assert worked == ["began", "brought the clip"]

    everything = written.stream.getvalue()
    key, token = client.api_key.partition(".")[2], running.server.keys.worker_token()
    for secret in ("ylophonia", "Rumpelstilzchen", key, token, hook.signing_secret):
        assert secret not in everything


def test_what_becomes_of_a_job_otherwise_is_told_too(idle, written):
    client = idle.client("unlucky")
    client.videos.delete(client.videos.create(prompt=PROMPT, **SMALL).id)
    failing = client.videos.create(prompt=PROMPT, **SMALL)
    queue = idle.server.queue
    queue.fail(queue.claim("w").id, 1, "generation_failed", PROMPT)
    silent = client.videos.create(prompt=PROMPT, **SMALL)
    queue.claim("w")
    with idle.server.database.write() as connection:
        connection.exec_driver_sql("update jobs set lease_until = 0 where status = 'in_progress'")
    queue.take_back()
    client.videos.delete(silent.id)
    by_job = {}
    for line in written.of("himmel.jobs"):
        by_job.setdefault(line["job_id"], []).append((line["message"], line.get("error_code")))
    assert by_job[failing.id][-1] == ("failed", "generation_failed")
    assert by_job[silent.id][1:] == [("claimed", None), ("lost lease", None), ("cancelled", "cancelled")]
    assert "Xylophonia" not in written.stream.getvalue()


def test_a_fault_is_told_by_its_place_and_answered_with_its_number(idle, written, monkeypatch):
    def broken(*_, **__):
        with idle.server.database.write() as connection:
            connection.execute(jobs.insert().values(id=PROMPT))  # an error that could quote the row

    monkeypatch.setattr(idle.server.queue, "accept", broken)
    client = idle.client("unlucky")
    with pytest.raises(openai.InternalServerError) as answer:
        client.videos.create(prompt=PROMPT, **SMALL)
    [fault] = [line for line in written.lines if line["level"] == "error"]
    assert fault["request_id"] == answer.value.response.headers["x-request-id"]
    assert fault["errors"][0]["kind"] == "IntegrityError"
    assert any(place.endswith("broken") for place in fault["errors"][0]["at"])
    assert "ylophonia" not in written.stream.getvalue()


def test_a_number_that_a_client_sends_is_not_taken(idle):
    answer = httpx2.get(f"{idle.address}/healthz", headers={"x-request-id": "req_mine"})
    assert re.fullmatch("req_[0-9a-f]{24}", answer.headers["x-request-id"])


def test_a_server_and_its_worker_write_json_and_nothing_else(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "himmel", "serve", "--model", "fake", "--data-dir", str(tmp_path / "data")]
    environment = {**os.environ, "HIMMEL_LOG_FORMAT": "json", "HIMMEL_LOG_LEVEL": "debug"}
    with (tmp_path / "log").open("wb") as log:
        serving = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=-3, stderr=log)
    try:
        wait_for(lambda: "/workers/claim" in (tmp_path / "log").read_text())
        httpx2.get(f"http://127.0.0.1:{port}/v1/models?secret=Rumpelstilzchen")
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(30)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {"himmel.requests", "himmel.audit", "uvicorn.error"} <= {line["logger"] for line in lines}
    assert all({"time", "level", "message"} <= set(line) for line in lines)
    assert "Rumpelstilzchen" not in (tmp_path / "log").read_text()


def wait_for(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)
