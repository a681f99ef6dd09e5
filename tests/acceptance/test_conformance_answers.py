"""What the Videos API answers, row by row: the wire, objects, lists, errors, content.

What it is asked stands in ``test_conformance``.
"""

import bombs
import httpx2
import openai
import pytest
from openai import OpenAI
from sqlalchemy import update

from himmel.studio.jobs import Status
from himmel.studio.schemas import Himmel
from himmel.studio.tables import jobs

SMALL = {"seconds": "1", "size": "64x48"}
MP4 = ("clip.mp4", bombs.clip(), "video/mp4")
JSON = {"content-type": "application/json"}
NULLABLE = {"completed_at", "expires_at", "prompt", "remixed_from_video_id", "error"}
ALWAYS = {"id", "object", "model", "status", "progress", "created_at", "seconds", "size", "himmel"}


# On the wire


def test_an_idempotency_key_makes_one_job_on_every_route(idle, refused):
    client = idle.client("once")
    http = idle.wire(client)
    file = {"video": ("a.mp4", MP4[1])}
    asked = {"/videos": {"data": {"prompt": "a cat"}}, "/videos/edits": {"data": {"prompt": "x", "model": "fake"}}}
    asked["/videos/edits"]["files"] = file
    for number, (route, body) in enumerate(asked.items()):
        once = {"headers": {"idempotency-key": f"key-{number}"}}
        first, again = (http.post(route, **body, **once) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["id"] == first.json()["id"]
        other = http.post(route, data=body["data"] | {"prompt": "a dog"}, files=body.get("files"), **once)
        assert refused(other, 409)["code"] == "idempotency_key_reused"
        assert other.headers["x-should-retry"] == "false"
    elsewhere = http.post("/videos", data={"prompt": "a cat"}, headers={"idempotency-key": "key-1"})
    assert elsewhere.status_code == 409
    other = idle.client("twice")
    mine = other.videos.create(prompt="a cat", extra_headers={"idempotency-key": "key-0"})  # keys are an account's own
    for account, video in ((client, http.get("/videos?order=asc").json()["data"][0]["id"]), (other, mine.id)):
        account.videos.delete(video)
    refused(
        http.post("/videos", json={"prompt": "a cat"}, headers={"idempotency-key": "k" * 256}), 400, "Idempotency-Key"
    )


def test_the_client_repeats_what_may_go_better_and_nothing_else(idle, monkeypatch):
    sent = []
    http = httpx2.Client(event_hooks={"response": [sent.append]})
    options = {"base_url": f"{idle.address}/v1", "api_key": idle.client("eager").api_key, "max_retries": 2}
    client = OpenAI(**options, http_client=http)
    monkeypatch.setattr(client, "_sleep_for_retry", lambda **_: None)
    monkeypatch.setattr(idle.server.queue, "most_queued", 0)
    with pytest.raises(openai.RateLimitError):
        client.videos.create(prompt="a cat")
    assert [answer.headers["retry-after"] for answer in sent] == ["60"] * 3
    monkeypatch.undo()
    once = {"extra_headers": {"idempotency-key": "x"}}
    video = client.videos.create(prompt="a cat", **once)
    sent.clear()
    with pytest.raises(openai.ConflictError):
        client.videos.create(prompt="a dog", **once)
    assert len(sent) == 1
    client.videos.delete(video.id)


def test_polling_is_told_when_to_come_again_and_knows_every_status(running, clip):
    assert {str(status) for status in Status} == {"queued", "in_progress", "completed", "failed"}
    client, video = clip
    assert "openai-poll-after-ms" not in client.videos.with_raw_response.retrieve(video.id).headers
    with running.server.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == video.id).values(status="in_progress", lease_until=9e9))
    assert client.videos.with_raw_response.retrieve(video.id).headers["openai-poll-after-ms"] == "20"


# Objects


def test_a_video_has_every_field_in_every_state(idle):
    client = idle.client("states")
    queued = client.videos.create(prompt="a cat", **SMALL)
    shown = [idle.wire(client).get(f"/videos/{queued.id}").json()]
    worker = working(idle, queued.id)
    shown.append(idle.wire(client).get(f"/videos/{queued.id}").json())
    worker("failure", code="generation_failed", message="it did not work")
    shown.append(idle.wire(client).get(f"/videos/{queued.id}").json())
    assert [video["status"] for video in shown] == ["queued", "in_progress", "failed"]
    assert shown[2]["error"] == {"code": "generation_failed", "message": "it did not work"}
    for video in shown:
        assert set(video) == ALWAYS | NULLABLE
        assert video["object"] == "video" and video["completed_at"] is None
        kinds = {"id": str, "model": str, "progress": int, "created_at": int, "seconds": str, "size": str}
        assert {name: type(video[name]) for name in kinds} == kinds
        assert set(video["himmel"]) == set(Himmel.model_fields)


def working(idle, video_id):
    """A worker that has claimed this job; a call says something to the server and gives the answer."""
    http = httpx2.Client(base_url=idle.address, headers={"authorization": f"Bearer {idle.server.keys.worker_token()}"})
    job = {}
    while job.get("id") != video_id:  # what others left is nobody's
        job = http.post("/workers/claim", json={"worker": "by hand"}).json()
    return lambda what, **body: http.post(f"/workers/jobs/{video_id}/{what}", json={"token": job["token"], **body})


def test_a_running_job_can_be_deleted_and_its_worker_is_told(idle, refused):
    client = idle.client("impatient")
    video = client.videos.create(prompt="a cat", **SMALL)
    worker = working(idle, video.id)
    assert worker("beat", progress=10).status_code == 204
    assert client.videos.retrieve(video.id).progress == 10
    deleted = idle.wire(client).delete(f"/videos/{video.id}").json()
    assert deleted == {"id": video.id, "object": "video.deleted", "deleted": True}
    assert refused(worker("beat", progress=20), 409)["code"] == "lease_lost"
    refused(idle.wire(client).get(f"/videos/{video.id}"), 404, "video_id")


def test_a_worker_that_brings_nonsense_is_told_so(idle, refused):
    http = httpx2.Client(base_url=idle.address, headers={"authorization": f"Bearer {idle.server.keys.worker_token()}"})
    files = dict.fromkeys(("video", "thumbnail", "spritesheet"), b"x")
    for details in ("{", "3", "[1]", "null"):
        form = {"token": "1", "details": details}
        refused(http.post("/workers/jobs/video_0/result", data=form, files=files), 400, "details")


def test_lists_of_clips_are_pages(idle, refused):
    client = idle.client("lister")
    made = [client.videos.create(prompt=f"cat {n}", **SMALL).id for n in range(5)]
    http = idle.wire(client)
    page = http.get("/videos", params={"limit": 2}).json()
    assert set(page) == {"object", "data", "first_id", "last_id", "has_more"}
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", made[4], made[3], True)
    last = http.get("/videos", params={"limit": 2, "after": made[1]}).json()
    assert ([video["id"] for video in last["data"]], last["has_more"]) == ([made[0]], False)
    assert http.get("/videos", params={"limit": 0}).json()["data"] == []
    refused(http.get("/videos", params={"limit": 101}), 400, "limit")
    refused(http.get("/videos", params={"order": "up"}), 400, "order")
    refused(http.get("/videos", params={"after": "video_0"}), 400, "after")
    for video in client.videos.list(limit=2):  # the cursor is deleted before the next page is asked for
        client.videos.delete(video.id)
    assert list(client.videos.list()) == []


# Errors

WRONG = {
    "no key": (401, "GET", "/v1/videos", {"headers": {"authorization": ""}}),
    "no clip": (404, "GET", "/v1/videos/video_0", {}),
    "no content": (404, "GET", "/v1/videos/video_0/content", {}),
    "nothing to delete": (404, "DELETE", "/v1/videos/video_0", {}),
    "no variant": (400, "GET", "/v1/videos/video_0/content?variant=sound", {}),
    "no number": (400, "GET", "/v1/videos?limit=many", {}),
    "no route": (404, "GET", "/v1/images", {}),
    "nowhere": (404, "GET", "/nowhere", {}),
    "a slash too many": (404, "GET", "/v1/videos/", {}),
    "no such method": (405, "PATCH", "/v1/videos", {}),
    "no JSON": (400, "POST", "/v1/videos", {"content": b"{", "headers": JSON}),
    "no JSON for a webhook": (400, "POST", "/v1/webhook_endpoints", {"content": b"{", "headers": JSON}),
    "too large": (413, "POST", "/v1/videos", {"content": b"x" * 50_000_001, "headers": JSON}),
}


@pytest.mark.parametrize("case", WRONG)
def test_every_error_is_an_envelope_with_the_number_of_the_request(idle, case, refused):
    status, method, path, request = WRONG[case]
    headers = {"authorization": f"Bearer {idle.client().api_key}"} | request.get("headers", {})
    answer = httpx2.request(method, f"{idle.address}{path}", **request | {"headers": headers})
    error = refused(answer, status, answer.json()["error"]["param"])
    assert error["type"] == ("authentication_error" if status == 401 else "invalid_request_error")
    assert status != 405 or answer.headers["allow"] == "POST, GET"


# Content


def test_content_comes_whole_in_parts_and_as_its_head(running, clip):
    client, video = clip
    http, path = running.wire(client), f"/videos/{video.id}/content"
    kinds = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
    for variant, kind in kinds.items():
        whole = http.get(path, params={"variant": variant})
        head = http.head(path, params={"variant": variant})
        assert (whole.headers["content-type"], head.headers["content-type"]) == (kind, kind)
        assert int(head.headers["content-length"]) == len(whole.content) and not head.content
    clip_bytes = http.get(path).content
    assert http.get(path).headers["accept-ranges"] == "bytes"
    for wanted, part in (("0-9", clip_bytes[:10]), ("-5", clip_bytes[-5:]), ("100-", clip_bytes[100:])):
        answer = http.get(path, headers={"range": f"bytes={wanted}"})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(clip_bytes)}")
    assert http.get(path, headers={"range": f"bytes={len(clip_bytes)}-"}).status_code == 416


def test_content_is_not_there_before_it_is_whole(idle, refused):
    client = idle.client("early")
    video = client.videos.create(prompt="a cat", **SMALL)
    worker = working(idle, video.id)
    worker("beat", progress=99)
    for variant in ("video", "thumbnail", "spritesheet"):
        refused(idle.wire(client).get(f"/videos/{video.id}/content", params={"variant": variant}), 404)
    client.videos.delete(video.id)
