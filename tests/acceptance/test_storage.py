"""Files through the server: downloads, and a store that goes away and comes back while the server runs."""

import io
import logging
import os
import threading

import httpx2
import openai
import pytest
from PIL import Image

from himmel.studio.files import find_file
from himmel.studio.sweeper import sweep

SMALL = {"seconds": "1", "size": "64x48"}
LARGE = os.urandom(1 << 20) * 40  # more than all buffers between server and client hold


def picture():
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def large(idle):
    """A client, and the address and headers of a large file of its own."""
    client = idle.client("loader")
    file = client.files.create(file=("large", LARGE), purpose="user_data")
    return client, file.id, f"{idle.address}/v1/files/{file.id}/content", {"authorization": f"Bearer {client.api_key}"}


def test_ranges_conditions_and_heads_over_http(idle, large):
    _, file_id, url, headers = large
    part = httpx2.get(url, headers={**headers, "range": "bytes=1000000-3000000"})
    assert (part.status_code, part.content) == (206, LARGE[1_000_000:3_000_001])
    head = httpx2.head(url, headers=headers)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(LARGE)))
    assert head.headers["content-disposition"] == f'attachment; filename="{file_id}"'
    again = httpx2.get(url, headers={**headers, "if-none-match": head.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    beyond = httpx2.get(url, headers={**headers, "range": f"bytes={len(LARGE)}-"})
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "range_not_satisfiable")


@pytest.fixture
def cut():
    """Set when the server has hung up in the middle of an answer."""
    cut, handler = threading.Event(), logging.Handler()
    handler.emit = lambda record: cut.set() if "without completing" in record.getMessage() else None
    logging.getLogger("uvicorn.error").addHandler(handler)
    yield cut
    logging.getLogger("uvicorn.error").removeHandler(handler)


def test_a_download_is_cut_when_its_key_is_revoked(idle, large, cut):
    client, _, url, headers = large
    received = []
    with httpx2.stream("GET", url, headers=headers, timeout=30) as answer:
        chunks = answer.iter_raw(1 << 16)
        received.append(len(next(chunks)))
        assert idle.server.keys.revoke(client.api_key.removeprefix("himmel_").partition(".")[0])
        assert cut.wait(30)  # although nothing is read meanwhile; then what lies in the buffers ends in an error
        with pytest.raises(httpx2.RemoteProtocolError):
            received.extend(map(len, chunks))
    assert sum(received) < len(LARGE)
    assert httpx2.get(url, headers=headers).status_code == 401


def account_of(idle, client):
    return idle.server.keys.caller(f"Bearer {client.api_key}").account_id


def test_a_deleted_files_download_may_finish(idle, large):
    client, file_id, url, headers = large
    with httpx2.stream("GET", url, headers=headers, timeout=30) as answer:
        chunks = answer.iter_raw(1 << 16)
        first = next(chunks)
        digest = find_file(idle.server.database, account_of(idle, client), file_id).digest
        client.files.delete(file_id)
        os.utime(idle.server.settings.data_dir / "files" / digest[:2] / digest, (0, 0))
        sweep(idle.server)
        assert first + b"".join(chunks) == LARGE
    assert httpx2.get(url, headers=headers).status_code == 404


def test_a_store_that_goes_away_and_comes_back(idle, tmp_path):
    client = idle.client("patient")
    with_picture = client.videos.create(prompt="a cat", **SMALL, input_reference=picture())
    assert idle.worker().work_once()
    client.videos.create(prompt="a waiting cat", **SMALL)
    folder, volume = idle.server.settings.data_dir / "files", tmp_path / "volume"
    folder.rename(volume)
    folder.mkdir()  # what is left of a volume that is not mounted
    try:
        for call in (
            lambda: client.videos.create(prompt="a cat", **SMALL, input_reference=picture()),
            lambda: client.videos.create(prompt="a cat", **SMALL),
            lambda: client.videos.download_content(with_picture.id),
            lambda: client.files.create(file=("a.png", picture()), purpose="vision"),
        ):
            with pytest.raises(openai.InternalServerError) as caught:
                call()
            assert (caught.value.status_code, caught.value.code) == (503, "storage_unavailable")
            assert int(caught.value.response.headers["retry-after"]) > 0
        with pytest.raises(httpx2.HTTPStatusError):
            idle.worker().work_once()  # no job is begun whose clip could not be brought
        owner = {"authorization": f"Bearer {idle.server.keys.create('anna')}"}
        assert "mounted" in httpx2.get(f"{idle.address}/readyz", headers=owner).json()["storage"]
        assert client.videos.retrieve(with_picture.id).status == "completed"
        assert list(folder.iterdir()) == []
    finally:
        folder.rmdir()
        volume.rename(folder)
    assert idle.worker().work_once()
    jobs = list(client.videos.list())
    assert [job.status for job in jobs] == ["completed", "completed"]
    for job in jobs:
        assert client.videos.download_content(job.id).read()[4:8] == b"ftyp"
    again = client.videos.create(prompt="a cat", **SMALL, input_reference=picture())
    client.videos.delete(again.id)


def test_a_full_disk_refuses_jobs_and_still_deletes(idle, monkeypatch):
    client = idle.client("hoarder")
    video = client.videos.create(prompt="a cat", **SMALL)
    with monkeypatch.context() as patched:
        patched.setattr(idle.server.space, "reserve", 10**18)
        with pytest.raises(openai.InternalServerError) as caught:
            client.videos.create(prompt="a cat", **SMALL)
        assert (caught.value.status_code, caught.value.code) == (507, "storage_full")
        assert int(caught.value.response.headers["retry-after"]) > 0
        assert client.videos.delete(video.id).deleted
    client.videos.delete(client.videos.create(prompt="a cat", **SMALL).id)
