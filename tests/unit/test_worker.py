"""A worker against a server that has its troubles."""

import base64
import io
import json
import time
from dataclasses import replace
from importlib.metadata import version

import httpx2
import numpy as np
import pytest
from PIL import Image

from himmel.backends import native
from himmel.backends.fake import INFO, FakeBackend
from himmel.backends.native import NativeBackend
from himmel.errors import BadRequest, TaskNotSupported, TokenRefused
from himmel.media.video_io import read_frames, read_metadata, write_video
from himmel.spec import Progress, Size
from himmel.worker import Worker

JOB = {
    "id": "video_1",
    "token": 3,
    "lease_seconds": 30,
    "request": {
        "prompt": "a cat",
        "negative_prompt": "",
        "model": "fake",
        "seconds": 0.5,
        "size": "64x48",
        "fps": None,
        "seed": 1,
        "steps": None,
        "guidance": None,
        "turbo": None,
        "task": "create",
        "first_frame": None,
        "source": None,
        "strength": None,
        "mask": None,
    },
}


class Scripted:
    """A server that gives out one job and answers results as it is told. ``files`` by the ends of their addresses."""

    def __init__(self, *answers, **files):
        self.answers, self.seen, self.given, self.files = list(answers), [], False, files

    def __call__(self, request):
        path = request.url.path
        self.seen.append((path.rpartition("/")[2], request.read()))
        if path.endswith("claim"):
            self.given, first = True, not self.given
            return httpx2.Response(200, json=JOB) if first else httpx2.Response(204)
        if path.endswith("result"):
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return httpx2.Response(answer)
        if request.method == "GET":
            return httpx2.Response(200, content=self.files.get(self.seen[-1][0], b"as it was"))
        return httpx2.Response(204)

    def said(self, what):
        return [body for path, body in self.seen if path == what]


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr("himmel.worker.DELIVERY_PAUSES", (0.0, 0.0, 0.0))


def worker(server, backend=None, **named):
    client = httpx2.Client(transport=httpx2.MockTransport(server), base_url="http://server")
    return Worker(client, backend or FakeBackend(), **named)


def test_a_clip_is_brought_with_its_pictures(patient):
    server = Scripted(204)
    assert worker(server).work_once()
    [body] = server.said("result")
    assert b"ftyp" in body and b"WEBP" in body and b"JFIF" in body and b'name="token"\r\n\r\n3' in body
    assert not worker(server).work_once()


def test_a_worker_says_what_it_is(patient):
    server = Scripted(204)
    worker(server, name="cellar-1").work_once()
    [told] = map(json.loads, server.said("claim"))
    itself = {"worker": "cellar-1", "model": "fake", "version": version("himmel"), "device": "cpu"}
    assert told == itself | {"weights": INFO.weight_hash, "turbo_steps": list(INFO.turbo_steps)}


@pytest.mark.parametrize("trouble", [503, 507, httpx2.ConnectError("away")])
def test_a_server_in_trouble_is_tried_again(patient, trouble):
    server = Scripted(trouble, trouble, 204)
    assert worker(server).work_once()
    assert len(server.said("result")) == 3
    assert server.said("failure") == []


def test_a_server_that_stays_away_fails_no_job(patient):
    server = Scripted(*[httpx2.ConnectError("away")] * 9)
    with pytest.raises(httpx2.HTTPError):
        worker(server).work_once()
    assert server.said("failure") == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_the_users_to_mend(status):
    with pytest.raises(TokenRefused, match="himmel keys worker"):
        worker(lambda request: httpx2.Response(status)).run()


def test_a_server_that_is_away_is_asked_ever_less_often(monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr("himmel.worker.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        worker(lambda request: httpx2.Response(503)).run()
    assert pauses == sorted(pauses) and 1 <= pauses[0] < pauses[-1] <= 10


def test_what_the_server_refuses_of_a_job_fails_it_at_once(patient):
    server = Scripted(413)
    assert worker(server).work_once()
    [body] = server.said("failure")
    assert json.loads(body)["code"] == "worker_fault"


def test_no_shot_is_made_where_another_cannot_be(monkeypatch):
    made = []

    class Picky(FakeBackend):
        def generate(self, request, state=None):
            if "unsayable" in request.timeline[0].prompt:
                raise BadRequest("the prompt is too long")
            for part in super().generate(request):
                made.extend([part] if isinstance(part, np.ndarray) else [])
                yield part

    told = ("a cat", "unsayable")
    parts = [{"kind": "gap", "seconds": 0.5, "prompt": prompt} for prompt in told]
    shots = [{"parts": 1, "key": None}] * 2
    monkeypatch.setitem(JOB, "request", JOB["request"] | {"parts": parts, "shots": shots, "loop": False})
    server = Scripted()
    assert worker(server, Picky()).work_once()
    assert json.loads(server.said("failure")[0])["message"] == "the prompt is too long"
    assert not made


def test_a_lost_lease_is_let_go(patient):
    server = Scripted(409)
    assert worker(server).work_once()
    assert server.said("failure") == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest("no such thing"), "generation_failed"),
        (TaskNotSupported("fake", "edit clips"), "task_not_supported"),
        (ZeroDivisionError(), "worker_fault"),
    ],
)
def test_a_job_that_cannot_be_done_is_failed_with_a_code(error, code):
    class Broken(FakeBackend):
        def generate(self, request, state=None):
            yield Progress(0, 1, "sampling")
            yield np.zeros((1, 48, 64, 3), np.uint8)
            raise error

    server = Scripted()
    assert worker(server, Broken()).work_once()
    [body] = server.said("failure")
    assert json.loads(body)["code"] == code


def test_what_was_done_is_brought_and_gone_on_from(patient, monkeypatch):
    monkeypatch.setattr("himmel.worker.STATE_SECONDS", 0.0)
    monkeypatch.setattr("himmel.worker.BEAT_SECONDS", 0.01)

    begun_with = []

    class Slow(FakeBackend):
        def generate(self, request, state=None):
            begun_with.append(state)
            for part in super().generate(request):
                yield replace(part, state=lambda: b"so far") if isinstance(part, Progress) else part
                while not (server.said("state") and server.said("beat")):
                    time.sleep(0.001)

    server = Scripted(204, 204)
    assert worker(server, Slow()).work_once()
    assert b"so far" in server.said("state")[0] and b'name="token"\r\n\r\n3' in server.said("state")[0]
    shown = [json.loads(body).get("preview") for body in server.said("beat")]
    pictures = [Image.open(io.BytesIO(base64.b64decode(found))) for found in shown if found]
    assert all((picture.format, picture.size) == ("WEBP", (64, 48)) for picture in pictures)
    server.given = False
    monkeypatch.setitem(JOB, "has_state", True)
    assert worker(server, Slow()).work_once()
    assert begun_with == [None, b"as it was"]


def noise(tmp_path, frames=10, fps=8, side=32):
    """A clip of nothing in particular, and its bytes."""
    some = np.random.default_rng(0).integers(60, 190, (1, 1, side, 3), dtype=np.uint8)
    shown = np.concatenate([np.broadcast_to(some, (1, side, side, 3)) + np.uint8(4 * n) for n in range(frames)])
    write_video(tmp_path / "given.mp4", [shown], size=Size(side, side), fps=fps)
    return tmp_path / "given.mp4"


def made_of(monkeypatch, tmp_path, given, backend, **asked):
    """What a worker makes of a clip: the whole answer, the frames and the metadata."""
    asked = {"task": "remix", "source": "0" * 64, "size": "32x32", "strength": 0.7, "seconds": 1.25, **asked}
    monkeypatch.setitem(JOB, "request", JOB["request"] | {"model": backend.info.name} | asked)
    server = Scripted(204, source=given.read_bytes())
    assert worker(server, backend).work_once()
    assert server.said("failure") == []
    [body] = server.said("result")
    start = body.index(b"ftyp") - 4
    (tmp_path / "made.mp4").write_bytes(body[start : body.index(b"\r\n--", start)])
    return body, read_frames(tmp_path / "made.mp4"), read_metadata(tmp_path / "made.mp4")


@pytest.fixture(params=["fake", "native"])
def some_backend(request, monkeypatch):
    if request.param == "fake":
        return FakeBackend()
    monkeypatch.setattr(native, "WEIGHTS", request.getfixturevalue("weights"))
    return NativeBackend("pebble", "cpu")


def test_an_extension_is_the_clip_itself_and_after_it_what_is_new(some_backend, monkeypatch, tmp_path):
    given = noise(tmp_path)
    body, made, told = made_of(monkeypatch, tmp_path, given, some_backend, task="extend", seconds=0.5, strength=None)
    assert made.shape == (14, 32, 32, 3)  # at the clip's own rate, which is not the fake's
    there = read_frames(given).astype(int)
    assert np.abs(made[:10] - there).mean() < 4  # it was coded twice
    assert np.abs(made[10:] - there[-1:]).mean() > 8
    assert str(tmp_path) not in told and "/tmp" not in told  # places on the worker are nobody's business
    assert b'"fps": 8' in body and b'"turbo": false' in body


def test_a_remix_is_as_long_as_the_clip_and_an_edit_leaves_what_lies_outside(some_backend, monkeypatch, tmp_path):
    given = noise(tmp_path)
    there = read_frames(given).astype(int)
    _, made, _ = made_of(monkeypatch, tmp_path, given, some_backend)
    assert made.shape == there.shape
    assert np.abs(made - there).mean() > 8
    asked = {"task": "edit", "strength": 1.0, "mask": "50%,0,50%,100%"}
    _, made, _ = made_of(monkeypatch, tmp_path, given, some_backend, **asked)
    left, right = (np.abs(made - there)[:, :, half].mean() for half in (slice(0, 14), slice(18, 32)))
    assert left < 5 < right / 2


def test_what_a_worker_says_of_a_file_has_no_place_in_it(monkeypatch):
    monkeypatch.setitem(JOB, "request", JOB["request"] | {"task": "edit", "source": "0" * 64, "strength": 0.5})
    server = Scripted(source=b"no clip")
    worker(server).work_once()
    [body] = server.said("failure")
    told = json.loads(body)
    assert told["code"] == "generation_failed" and told["message"].startswith("cannot read 'source'")
