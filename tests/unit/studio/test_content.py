"""Answering with a stored file: ranges and conditions, from a folder and from a bucket alike."""

import io
import os

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from himmel.errors import ApiError
from himmel.studio.app import _api_error
from himmel.studio.content import always, stored_file
from himmel.studio.storage import CHUNK

CONTENT = os.urandom(CHUNK + 12_345)


@pytest.fixture
def shelf(place):
    """A client of an application that answers with one file, and the file's ETag."""
    storage = place.opened()
    digest = storage.put(io.BytesIO(CONTENT))
    app = FastAPI()
    app.add_exception_handler(ApiError, _api_error)

    @app.head("/")
    @app.get("/")
    def answer(request: Request):
        return stored_file(request, storage, digest, kind="video/mp4", name="a.mp4", still_good=always)

    return TestClient(app), f'"{digest}"'


def test_the_whole_file_and_its_headers(shelf):
    client, etag = shelf
    answer = client.get("/")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    expected = {
        "content-type": "video/mp4",
        "content-length": str(len(CONTENT)),
        "content-disposition": 'attachment; filename="a.mp4"',
        "accept-ranges": "bytes",
        "etag": etag,
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    head = client.head("/")
    assert (head.status_code, head.content, head.headers) == (200, b"", answer.headers)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        (f"bytes={CHUNK - 5}-{CHUNK + 5}", CHUNK - 5, CHUNK + 6),
        ("bytes=100-", 100, len(CONTENT)),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
        (f"bytes=-{10**12}", 0, len(CONTENT)),
        (f"bytes=5-{10**12}", 5, len(CONTENT)),
    ],
)
def test_one_range(shelf, asked, start, end):
    answer = shelf[0].get("/", headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=-0", f"bytes={10**12}-{10**12 + 1}"])
def test_a_range_that_is_not_there(shelf, asked):
    answer = shelf[0].get("/", headers={"range": asked})
    assert (answer.status_code, answer.json()["error"]["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=0-1,5-6", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=１-２"])
def test_what_is_no_single_range_gives_the_whole(shelf, asked):
    answer = shelf[0].get("/", headers={"range": asked.encode()})
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


def test_if_range(shelf):
    client, etag = shelf
    for condition, status in (
        (etag, 206),
        (f"W/{etag}", 200),
        ('"other"', 200),
        ("Sat, 29 Oct 1994 19:43:31 GMT", 200),
    ):
        assert client.get("/", headers={"range": "bytes=0-9", "if-range": condition}).status_code == status


def test_if_none_match(shelf):
    client, etag = shelf
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.get("/", headers={"if-none-match": condition, "range": "bytes=0-9"})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200
