"""The Videos API, row by row, as scripts written for it know it.

Here stands what it is asked (routes, bodies); ``test_conformance_answers`` has what it answers (the wire, objects,
lists, errors, content). Webhooks, files and batches have pages of their own (``test_webhooks``, ``test_batches``).
"""

import base64
import io

import bombs
import httpx2
import openai
import pytest
from openai import OpenAI
from PIL import Image

from himmel.studio.jobs import find

SMALL = {"seconds": "1", "size": "64x48"}
MP4 = ("clip.mp4", bombs.clip(), "video/mp4")
JSON = {"content-type": "application/json"}
MULTIPART = "multipart/form-data"


def picture(kind="PNG", side=64):
    buffer = io.BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def data_url(content):
    return "data:image/png;base64," + base64.b64encode(content).decode()


# Routes

CALLS = {
    "create": ("POST /videos", MULTIPART, lambda c, v: c.create(prompt="a cat", **SMALL)),
    "retrieve": ("GET /videos/{id}", None, lambda c, v: c.retrieve(v)),
    "poll": ("GET /videos/{id}", None, lambda c, v: c.poll(v)),
    "list": ("GET /videos", None, lambda c, v: c.list(limit=1, order="desc", after=v)),
    "download_content": ("GET /videos/{id}/content", None, lambda c, v: c.download_content(v, variant="thumbnail")),
    "remix": ("POST /videos/{id}/remix", "application/json", lambda c, v: c.remix(v, prompt="a dog")),
    "edit": ("POST /videos/edits", MULTIPART, lambda c, v: c.edit(prompt="x", video=MP4, extra_body={"model": "fake"})),
    "extend": ("POST /videos/extensions", MULTIPART, lambda c, v: c.extend(prompt="x", seconds="4", video=MP4)),
    "create_character": ("POST /videos/characters", MULTIPART, lambda c, v: c.create_character(name="Mia", video=MP4)),
    "delete": ("DELETE /videos/{id}", "application/json", lambda c, v: c.delete(v)),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_of_the_client_arrives_as_it_is_sent_and_is_answered(running, clip, name):
    route, kind, call = CALLS[name]
    sent = []
    http = httpx2.Client(event_hooks={"request": [sent.append]})
    client = OpenAI(base_url=f"{running.address}/v1", api_key=clip[0].api_key, max_retries=0, http_client=http)
    assert call(client.videos, clip[1].id) is not None
    assert f"{sent[0].method} {sent[0].url.path}" == route.replace(" ", " /v1").format(id=clip[1].id)
    assert kind is None or sent[0].headers["content-type"].startswith(kind)
    assert name != "download_content" or sent[0].headers["accept"] == "application/binary"
    assert name != "poll" or sent[0].headers["x-stainless-poll-helper"] == "true"


@pytest.mark.parametrize("form", ["form", "json"])
@pytest.mark.parametrize("route", ["/videos", "/videos/{id}/remix", "/videos/edits", "/videos/extensions"])
def test_every_creation_comes_as_a_form_and_as_json(running, clip, route, form):
    client, video = clip
    fields = {"prompt": "a cat", "seconds": "1"}
    by_number = {"video": {"id": video.id}} if form == "json" else {"video[id]": video.id}
    fields |= by_number if route in ("/videos/edits", "/videos/extensions") else {}
    body = {"json": fields} if form == "json" else {"files": {name: (None, value) for name, value in fields.items()}}
    answer = running.wire(client).post(route.format(id=video.id), **body)
    assert answer.status_code == 201, answer.text
    client.videos.delete(answer.json()["id"])


# Bodies


@pytest.mark.parametrize("form", ["data", "json"])
def test_a_prompt_has_at_most_32000_characters(idle, form, refused):
    client = idle.client()
    for letter in ("x", "海"):
        made = idle.wire(client).post("/videos", **{form: {"prompt": letter * 32_000}})
        assert made.status_code == 201
        client.videos.delete(made.json()["id"])
    refused(idle.wire(client).post("/videos", **{form: {"prompt": "x" * 32_001}}), 400, "prompt")


def test_what_is_left_out_is_as_the_description_says(idle):
    client = idle.client()
    video = client.videos.create(prompt="a cat")
    assert (video.model, video.seconds, video.size) == ("sora-2", "4", "720x1280")
    client.videos.delete(video.id)


@pytest.mark.parametrize(
    "asked",
    [{"seconds": seconds} for seconds in ("4", "8", "12", "16", "20", 4, 8.0)]
    + [{"size": size} for size in ("720x1280", "1280x720", "1024x1792", "1792x1024", "1080x1920", "1920x1080")]
    + [{"model": f"sora-2{name}"} for name in ("", "-pro", "-2025-10-06", "-pro-2025-10-06", "-2025-12-08")],
    ids=lambda asked: str(*asked.values()),
)
def test_every_value_of_the_description_is_taken(idle, asked):
    client = idle.client()
    made = idle.wire(client).post("/videos", json={"prompt": "a cat", **asked})
    assert made.status_code == 201, made.text
    [(name, value)] = asked.items()
    assert made.json()[name] == str(value)
    client.videos.delete(made.json()["id"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_first_frame_is_a_file_of_three_kinds_whatever_it_is_called(idle, kind):
    client = idle.client()
    video = client.videos.create(prompt="a cat", **SMALL, input_reference=picture(kind))  # "upload", octet-stream
    client.videos.delete(video.id)
    with pytest.raises(openai.BadRequestError):
        client.videos.create(prompt="a cat", **SMALL, input_reference=("a.png", b"no picture", "image/png"))


def test_a_first_frame_is_named_in_exactly_one_way(idle, refused):
    client = idle.client()
    file_id = client.files.create(file=("a.png", picture()), purpose="vision").id
    ways = {"file_id": file_id, "image_url": data_url(picture())}
    with idle.wire(client) as http:
        for name, value in ways.items():
            made = http.post("/videos", json={"prompt": "a cat", "input_reference": {name: value}})
            assert made.status_code == 201, made.text
            client.videos.delete(made.json()["id"])
        for wrong in (ways, {}, {"file_id": 3}):
            body = {"prompt": "a cat", "input_reference": wrong}
            refused(http.post("/videos", json=body), 400, "input_reference")
        refused(http.post("/videos", json={"prompt": "a cat", "input_reference": {"file_id": "file-0"}}), 404)


def test_a_data_url_may_be_as_long_as_the_description_says_in_a_form_too(idle, refused):
    client = idle.client()
    large = data_url(picture() + b"\0" * 3_000_000)
    made = client.videos.create(prompt="a cat", **SMALL, extra_body={"input_reference": {"image_url": large}})
    client.videos.delete(made.id)
    longest = "data:image/png;base64," + "A" * 20_971_496
    for url, message in ((longest, "JPEG, PNG or WebP"), (longest + "AAAA", "at most 20971520 characters")):
        body = {"prompt": "a cat", "input_reference": {"image_url": url}}
        answer = idle.wire(client).post("/videos", json=body)
        assert message in refused(answer, 400, "input_reference")["message"]


@pytest.mark.parametrize("form", ["json", "bracketed"])
def test_characters_are_named_in_the_prompt_and_at_most_two(idle, form):
    client = idle.client("casting")
    ids = [client.videos.create_character(name=name, video=MP4).id for name in ("Mia", "Tom", "Ada")]

    def create(prompt, *characters):
        headers = {"extra_headers": JSON} if form == "json" else {}
        extra = {"extra_body": {"characters": [{"id": each} for each in characters]}}
        return client.videos.create(prompt=prompt, **SMALL, **extra, **headers)

    assert create("Mia meets Tom", *ids[:2]).status == "queued"
    for prompt, characters in (("Mia, Tom and Ada", ids), ("nobody", ids[:1])):
        with pytest.raises(openai.BadRequestError):
            create(prompt, *characters)
    with pytest.raises(openai.NotFoundError):
        create("Mia", "char_0")


def test_a_character_has_a_name_and_a_clip_and_belongs_to_its_account(idle):
    client = idle.client("director")
    made = client.videos.create_character(name="n" * 80, video=MP4)
    assert client.videos.get_character(made.id).model_dump() == made.model_dump()
    assert set(made.model_dump()) == {"id", "name", "created_at"}
    for name, video in (("", MP4), ("n" * 81, MP4), ("Mia", ("a.mp4", b"no clip", "video/mp4"))):
        with pytest.raises(openai.BadRequestError):
            client.videos.create_character(name=name, video=video)
    with pytest.raises(openai.NotFoundError):
        idle.client("other-director").videos.get_character(made.id)


def test_clips_are_remixed_edited_and_extended(running, clip):
    client, video = clip
    of = {"video": {"id": video.id}}
    asked = {
        "remix": client.videos.remix(video.id, prompt="a dog"),
        "edit": client.post("/videos/edits", body={"prompt": "a dog", **of}, cast_to=type(video)),
        "extend": client.post("/videos/extensions", body={"prompt": "on", "seconds": "4", **of}, cast_to=type(video)),
    }
    for task, job in asked.items():
        seen = client.videos.poll(job.id)
        assert (seen.status, seen.error) == ("completed", None)
        assert seen.remixed_from_video_id == (video.id if task == "remix" else None)
        assert (seen.himmel["parent_id"], seen.himmel["task"]) == (video.id, task)
        assert (seen.model, seen.size) == (video.model, video.size)
        assert seen.seconds == ("5" if task == "extend" else "1")  # of an extension: both together
        assert seen.himmel["strength"] == {"remix": 0.7, "edit": 0.6, "extend": None}[task]
    with pytest.raises(openai.NotFoundError):
        client.videos.remix("video_0", prompt="a dog")


def test_edits_and_extensions_need_a_finished_clip_or_an_mp4(idle, refused):
    client = idle.client()
    waiting = client.videos.create(prompt="a cat", **SMALL)
    with idle.wire(client) as http:
        for route in ("/videos/edits", "/videos/extensions"):
            body = {"prompt": "a dog", "seconds": "4"}
            for video in (None, "text", {"id": waiting.id}, {"id": waiting.id, "more": "x"}):
                refused(http.post(route, json={**body, "video": video}), 400, "video")
            refused(http.post(route, json={**body, "video": {"id": "video_0"}}), 404, "video_id")
            refused(http.post(route, data=body, files={"video": b"no clip"}), 400, "video")
        refused(http.post(f"/videos/{waiting.id}/remix", json={"prompt": "a dog"}), 400, "video")
        refused(http.post("/videos/edits", data={"prompt": "a dog"}, files={"video": MP4}), 400, "model")
    client.videos.delete(waiting.id)


def test_a_clip_is_extended_six_times_and_to_120_seconds(running, clip, refused):
    client, video = clip
    http = running.wire(client)

    def extend(video_id, seconds):
        return http.post("/videos/extensions", json={"prompt": "on", "seconds": seconds, "video": {"id": video_id}})

    for seconds in (None, "21", "long", 0):
        refused(extend(video.id, seconds), 400, "seconds")
    long = child(running, client, video.id, asked_seconds="110")
    assert extend(long, "10").status_code == 201
    refused(extend(long, "11"), 400, "seconds")
    longer = [video.id]
    for _ in range(6):
        longer.append(child(running, client, longer[-1], task="extend"))
    assert extend(longer[5], "4").status_code == 201
    refused(extend(longer[6], "4"), 400, "video")


def child(running, client, parent_id, **changes):
    """A finished clip made from another, as a model that can do so will make it."""
    with running.server.database.read() as connection:
        parent = find(connection, parent_id)
    queue = running.server.queue
    made = queue.accept(parent.account_id, [parent.request | changes], 1.0, parent_id=parent_id)
    return client.videos.poll(made.id).id


def test_what_the_description_lacks_and_we_have(idle):
    client = idle.client()
    said = {"seed": 7, "steps": 3, "guidance": 2.5, "fps": 8, "turbo": False}
    extra = said | {"negative_prompt": "a dog", "unheard_of": True}
    video = client.videos.create(prompt="a cat", **SMALL, extra_body=extra)  # in a form: "7", "true"
    assert video.himmel["settings"] == {"model": "fake", **said}
    stopped = idle.wire(client).post(f"/videos/{video.id}/cancel").json()
    assert (stopped["status"], stopped["error"]["code"]) == ("failed", "cancelled")
