"""Remixes, edits and extensions from beginning to end, as the stock client asks for them."""

import io
import json

import httpx2
import numpy as np
import openai
import pytest

from himmel.media.video_io import read_frames, read_metadata, write_video
from himmel.spec import Size
from himmel.studio.batches import advance_batches
from himmel.studio.sweeper import sweep

SMALL = {"seconds": "1", "size": "64x48"}
CODED_TWICE = 4  # of 255, on average


@pytest.fixture
def frames(tmp_path):
    def frames_of(client, video):
        seen = client.videos.poll(video.id)
        assert seen.status == "completed", seen.error
        (tmp_path / "clip.mp4").write_bytes(client.videos.download_content(video.id).read())
        return read_frames(tmp_path / "clip.mp4").astype(int)

    return frames_of


def apart(one, other):
    return np.abs(one - other).mean()


def by_number(client, path, video, **fields):
    """A call of the client's with a clip's number, for which its methods have no form."""
    return client.post(path, body={"video": {"id": video.id}, **fields}, cast_to=type(video))


def test_an_extension_is_the_clip_and_what_comes_after_it(running, clip, frames):
    client, video = clip
    longer = by_number(client, "/videos/extensions", video, prompt="a dog", seconds="2")
    there, made = frames(client, video), frames(client, longer)
    assert (len(there), len(made)) == (12, 36)
    assert apart(made[:12], there) < CODED_TWICE < apart(made[12:24], there)
    seen = client.videos.retrieve(longer.id)
    assert (seen.seconds, seen.size, seen.model) == ("3", video.size, video.model)
    assert (seen.himmel["parent_id"], seen.himmel["task"], seen.himmel["settings"]["fps"]) == (video.id, "extend", 12)
    longest = by_number(client, "/videos/extensions", longer, prompt="a cat", seconds="1")
    assert apart(frames(client, longest)[:36], made) < 2 * CODED_TWICE
    assert client.videos.retrieve(longest.id).himmel["parent_id"] == longer.id


def test_a_remix_is_as_far_from_the_clip_as_is_asked(running, clip, frames):
    client, video = clip
    there = frames(client, video)
    asked = {"prompt": "a dog", "extra_body": {"seed": 7}}
    usual, same = (frames(client, client.videos.remix(video.id, **asked)) for _ in range(2))
    assert usual.shape == there.shape and (usual == same).all()
    faint = client.videos.remix(video.id, prompt="a dog", extra_body={"seed": 7, "strength": 0.05})
    assert apart(frames(client, faint), there) < apart(usual, there) / 2
    seen = client.videos.retrieve(faint.id)
    assert (seen.remixed_from_video_id, seen.himmel["parent_id"]) == (video.id, video.id)
    assert (seen.himmel["task"], seen.himmel["strength"], seen.himmel["mask"]) == ("remix", 0.05, None)
    assert seen.himmel["settings"] | {"seed": 7, "fps": 12, "turbo": False} == seen.himmel["settings"]
    assert seen.himmel["native_size"] == "128x128"


def test_an_edit_changes_what_lies_in_its_box_and_makes_several(running, clip, frames):
    client, video = clip
    there = frames(client, video)
    asked = {"prompt": "a dog", "mask": "0,0,50%,100%", "strength": 1, "seed": 3, "n": 2}
    first = by_number(client, "/videos/edits", video, **asked)
    assert len(first.himmel["siblings"]) == 2
    for number in first.himmel["siblings"]:
        made = frames(client, client.videos.retrieve(number))
        assert apart(made[:, :, 36:], there[:, :, 36:]) < CODED_TWICE < apart(made[:, :, :30], there[:, :, :30])
    assert client.videos.retrieve(first.id).himmel["mask"] == "0,0,50%,100%"


def test_uploads_are_edited_and_extended_at_their_own_size_and_rate(running, frames, tmp_path):
    client = running.client("editor")
    grey = [np.full((1, 36, 80, 3), 10 * n + 30, np.uint8) for n in range(15)]
    write_video(tmp_path / "given.mp4", grey, size=Size(80, 36), fps=10)
    content, there = (tmp_path / "given.mp4").read_bytes(), read_frames(tmp_path / "given.mp4").astype(int)
    edited = client.videos.edit(prompt="a dog", video=content, extra_body={"model": "fake", "strength": 0.01})
    assert (edited.seconds, edited.size, edited.himmel["parent_id"]) == ("1.5", "80x36", None)
    made = frames(client, edited)
    assert made.shape == there.shape and apart(made, there) < CODED_TWICE
    longer = client.videos.extend(prompt="on", seconds="0.5", video=io.BytesIO(content))  # "0.5": lenient
    made = frames(client, longer)
    assert made.shape == (20, 36, 80, 3) and apart(made[:15], there) < CODED_TWICE
    assert client.videos.retrieve(longer.id).seconds == "2"


def test_a_job_outlives_the_clip_that_it_is_made_from(own, frames, tmp_path):
    client = own.client()
    video = client.videos.create(prompt="a cat", **SMALL)
    assert own.worker().work_once()
    remix = client.videos.remix(video.id, prompt="a dog")
    client.videos.delete(video.id)
    own.server.queue.now = lambda now=own.server.queue.now: now() + 1e6
    sweep(own.server)
    assert own.worker().work_once()
    assert len(frames(client, remix)) == 12
    assert "a dog" in read_metadata(tmp_path / "clip.mp4") and "/" not in read_metadata(tmp_path / "clip.mp4")
    sweep(own.server)
    digests = {entry.digest for entry in own.server.storage.entries() if entry.digest}
    assert len(digests) == 3  # the remix, its thumbnail and its sheet


def test_a_source_is_for_the_worker_that_has_the_job_alone(own, refused):
    client = own.client()
    video = client.videos.create(prompt="a cat", **SMALL)
    assert own.worker().work_once()
    remix = client.videos.remix(video.id, prompt="a dog")
    token = own.server.keys.worker_token()
    http = httpx2.Client(base_url=own.address, headers={"authorization": f"Bearer {token}"})
    address = f"/workers/jobs/{remix.id}/source"
    refused(http.get(address, params={"token": 1}), 409)
    assert http.post("/workers/claim", json={"worker": "w"}).json()["id"] == remix.id
    assert http.get(address, params={"token": 1}).content == client.videos.download_content(video.id).read()
    refused(http.get(address, params={"token": 2}), 409)
    refused(http.get(f"/workers/jobs/{remix.id}/first-frame", params={"token": 1}), 404)
    refused(own.wire(client).get(f"{own.address}{address}", params={"token": 1}), 401)


def test_batches_make_of_clips_too(running, clip):
    client, video = clip
    url = {"edit": "/v1/videos/edits", "longer": "/v1/videos/extensions", "remix": f"/v1/videos/{video.id}/remix"}
    body = {"prompt": "a dog", "seconds": "1", "video": {"id": video.id}}
    lines = [{"custom_id": name, "method": "POST", "url": path, "body": body} for name, path in url.items()]
    text = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("lines.jsonl", text), purpose="batch")
    batch = client.batches.create(endpoint="/v1/videos", completion_window="24h", input_file_id=file.id)
    while batch.status == "in_progress":
        advance_batches(running.server)
        batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts.completed) == ("completed", 3)


def test_another_accounts_clip_is_not_there(running, clip):
    other, (_, video) = running.client("other-editor"), clip
    with pytest.raises(openai.NotFoundError):
        other.videos.remix(video.id, prompt="a dog")
    for path in ("/videos/edits", "/videos/extensions"):
        with pytest.raises(openai.NotFoundError):
            by_number(other, path, video, prompt="a dog", seconds="1")


def test_a_character_is_in_the_clip_that_names_it(running, clip, frames, tmp_path):
    client, video = clip
    content = client.videos.download_content(video.id).read()
    character = client.videos.create_character(name="Mia", video=("clip.mp4", content, "video/mp4"))
    asked = {**SMALL, "prompt": "Mia waves"}
    plain = client.videos.create(**asked, extra_body={"seed": 1})
    shown = client.videos.create(**asked, extra_body={"seed": 1, "characters": [{"id": character.id}]})
    without, made = frames(client, plain), frames(client, shown)
    assert made.shape == without.shape
    changed = np.abs(made - without).mean((0, 3))
    assert changed.max() > 10 and (changed[40:] < CODED_TWICE).all()  # the disc, never the strip below
    told = json.loads(read_metadata(tmp_path / "clip.mp4"))
    assert told["characters"] == [{"name": "Mia", "path": "characters-0"}]


def test_a_characters_clip_is_for_the_worker_that_has_the_job_alone(own, refused):
    client = own.client()
    video = client.videos.create(prompt="a cat", **SMALL)
    assert own.worker().work_once()
    content = client.videos.download_content(video.id).read()
    character = client.videos.create_character(name="Mia", video=("clip.mp4", content, "video/mp4"))
    job = client.videos.create(prompt="Mia waves", **SMALL, extra_body={"characters": [{"id": character.id}]})
    http = httpx2.Client(base_url=own.address, headers={"authorization": f"Bearer {own.server.keys.worker_token()}"})
    address = f"/workers/jobs/{job.id}/characters"
    refused(http.get(f"{address}/0", params={"token": 1}), 409)
    assert http.post("/workers/claim", json={"worker": "w"}).json()["id"] == job.id
    assert http.get(f"{address}/0", params={"token": 1}).content == content
    for number in (1, -1):
        refused(http.get(f"{address}/{number}", params={"token": 1}), 404)
