"""The stock client, unmodified, against a running server: what scripts written for the Videos API do."""

import base64
import io
import json

import httpx2
import numpy as np
import openai
import pytest
from PIL import Image

from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames

SMALL = {"seconds": "1", "size": "64x48"}


def picture(colour="orange"):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def post(running, client, **request):
    """A request as the client would send it, by hand."""
    headers = {"authorization": f"Bearer {client.api_key}"}
    return httpx2.post(f"{running.address}/v1/videos", headers=headers, **request)


def test_create_and_poll_then_every_variant(running, tmp_path):
    client = running.client()
    video = client.videos.create_and_poll(prompt="a cat on the beach", model="sora-2", **SMALL)
    assert (video.status, video.progress, video.error, video.model) == ("completed", 100, None, "sora-2")
    assert (video.seconds, video.size) == ("1", "64x48")
    assert video.completed_at >= video.created_at > 1_700_000_000
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(client.videos.download_content(video.id).read())
    assert read_frames(clip).shape == (12, 48, 64, 3)
    assert read_recipe(clip).seed == video.himmel["settings"]["seed"]
    for variant, kind in (("thumbnail", "WEBP"), ("spritesheet", "JPEG")):
        content = client.videos.download_content(video.id, variant=variant).read()
        assert Image.open(io.BytesIO(content)).format == kind


def test_a_new_job_waits_and_says_where_it_stands(idle):
    client = idle.client()
    first, second = (client.videos.create(prompt="a cat", **SMALL) for _ in range(2))
    assert (first.status, first.progress, first.completed_at, first.remixed_from_video_id) == ("queued", 0, None, None)
    assert second.himmel["queue_position"] == first.himmel["queue_position"] + 1
    assert 0 < second.himmel["eta_seconds"][0] < second.himmel["eta_seconds"][1]
    for video in (first, second):
        client.videos.delete(video.id)


def test_the_poll_header_comes_as_long_as_there_is_something_to_wait_for(running):
    client = running.client()
    answer = client.videos.with_raw_response.retrieve(client.videos.create(prompt="a cat", **SMALL).id)
    video = answer.parse()
    assert answer.headers["x-request-id"].startswith("req_")
    if video.status in ("queued", "in_progress"):
        assert answer.headers["openai-poll-after-ms"] == "20"
    done = client.videos.poll(video.id)
    assert "openai-poll-after-ms" not in client.videos.with_raw_response.retrieve(done.id).headers


@pytest.mark.parametrize("form", ["file", "bytes", "bracketed", "json"])
def test_a_first_frame_in_every_form(running, form, tmp_path):
    client = running.client()
    url = {"image_url": "data:image/png;base64," + base64.b64encode(picture()).decode()}
    given = {
        "file": {"input_reference": ("a.png", picture(), "image/png")},
        "bytes": {"input_reference": picture()},
        "bracketed": {"extra_body": {"input_reference": url}},
        "json": {"extra_body": {"input_reference": url}, "extra_headers": {"content-type": "application/json"}},
    }[form]
    video = client.videos.poll(client.videos.create(prompt="a cat", **SMALL, **given).id)
    assert video.status == "completed", video.error
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(client.videos.download_content(video.id).read())
    assert np.abs(read_frames(clip)[0].astype(int) - (255, 165, 0)).mean() < 6


def test_our_extensions_settle_the_clip(running):
    client = running.client()
    extra = {"seed": 7, "steps": 3, "guidance": 2.5, "fps": 8}
    videos = [client.videos.create(prompt="a cat", **SMALL, extra_body=extra) for _ in range(2)]
    clips = [client.videos.download_content(client.videos.poll(video.id).id).read() for video in videos]
    assert clips[0] == clips[1]
    assert client.videos.retrieve(videos[0].id).himmel["settings"] == {"model": "fake", **extra, "turbo": False}


def test_lists_are_paged_and_each_account_sees_its_own(idle):
    client, other = idle.client("pager"), idle.client("neighbour")
    made = [client.videos.create(prompt=f"cat {n}", **SMALL).id for n in range(5)]
    assert [video.id for video in client.videos.list(limit=2)] == made[::-1]
    assert [video.id for video in client.videos.list(order="asc", limit=2)] == made
    assert list(other.videos.list()) == []
    for call in (other.videos.retrieve, other.videos.delete, other.videos.download_content):
        with pytest.raises(openai.NotFoundError):
            call(made[0])
    assert len(list(client.videos.list())) == 5
    for video_id in made:
        deleted = client.videos.delete(video_id)
        assert (deleted.id, deleted.deleted, deleted.object) == (video_id, True, "video.deleted")
    assert list(client.videos.list()) == []


def test_a_cancelled_job_failed_and_its_content_is_not_there(idle):
    client = idle.client()
    video = client.videos.create(prompt="a cat", **SMALL)
    headers = {"authorization": f"Bearer {client.api_key}"}
    answer = httpx2.post(f"{idle.address}/v1/videos/{video.id}/cancel", headers=headers)
    assert answer.json()["status"] == "failed"
    seen = client.videos.poll(video.id)  # answers 200, so the client does not raise
    assert (seen.status, seen.error.code) == ("failed", "cancelled")
    with pytest.raises(openai.NotFoundError):
        client.videos.download_content(video.id)


def test_ranges_of_a_clip(running):
    client = running.client()
    video = client.videos.create_and_poll(prompt="a cat", **SMALL)
    whole = client.videos.download_content(video.id).read()
    part = client.videos.download_content(video.id, extra_headers={"range": "bytes=10-19"})
    assert part.response.status_code == 206
    assert part.read() == whole[10:20]


def test_an_idempotency_key_makes_one_job(idle):
    client = idle.client()
    once = {"extra_headers": {"idempotency-key": "only-once"}}
    first, again = (client.videos.create(prompt="a cat", **SMALL, **once) for _ in range(2))
    assert first.id == again.id
    with pytest.raises(openai.ConflictError):
        client.videos.create(prompt="another cat", **SMALL, **once)
    client.videos.delete(first.id)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": "a cat", "seconds": "long"}, "seconds"),
        ({"prompt": "a cat", "size": "huge"}, "size"),
        ({"prompt": "a cat", "model": "unheard-of"}, "model"),
        ({"prompt": "a cat", "seed": -1}, "seed"),
        ({"prompt": "a cat", "input_reference": {"image_url": "data:image/png;base64,!!"}}, "input_reference"),
        ({"prompt": "a cat", "input_reference": "text"}, "input_reference"),
    ],
)
def test_wrong_values_are_answered_with_an_envelope(idle, fields, param):
    answer = post(idle, idle.client(), json=fields)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"] and error["code"] and answer.headers["x-request-id"]


def test_bodies_that_cannot_be_read_are_no_fault_of_the_server(idle):
    client = idle.client()
    deep = json.dumps({"prompt": "a cat", "x": eval("[" * 50 + "]" * 50)})
    kind = {"content-type": "application/json"}
    headers = {"authorization": f"Bearer {client.api_key}"} | kind
    for body in (b"{", b"[]", deep.encode(), b"\xff\xfe"):
        assert httpx2.post(f"{idle.address}/v1/videos", content=body, headers=headers).status_code == 400
    headers["content-type"] = "multipart/form-data"
    assert httpx2.post(f"{idle.address}/v1/videos", content=b"x", headers=headers).status_code == 400


def test_unknown_keys_and_paths_have_envelopes_too(idle):
    for key in ("", "Bearer nonsense", f"Bearer himmel_{'0' * 16}.{'a' * 43}"):
        answer = httpx2.get(f"{idle.address}/v1/videos", headers={"authorization": key})
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    answer = httpx2.get(f"{idle.address}/v1/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_models_and_their_aliases(idle):
    names = [model.id for model in idle.client().models.list()]
    assert names[:3] == ["fake", "sora-2", "sora-2-pro"]
    assert idle.client().models.retrieve("sora-2").object == "model"


def test_a_worker_needs_the_servers_token(idle):
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {idle.client().api_key}"}):
        answer = httpx2.post(f"{idle.address}/workers/claim", json={"worker": "x"}, headers=headers)
        assert answer.status_code == 401
