"""Jobs that begin from a clip: what they take over, reserve and cost, and how long the clip is kept for them."""

import tempfile
import time

import pytest
from bombs import clip
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.remakes import edit_video, extend_video, maker_of, remix_video
from himmel.studio.settings import Settings
from himmel.studio.space import LEAST, LEAST_RATE
from himmel.studio.storage import GRACE
from himmel.studio.sweeper import sweep
from himmel.studio.videos import create_video

PIXELS = 64 * 48


@pytest.fixture
def parent(server, caller, finished):
    """A finished clip of 10 seconds, made in no time. Its file is no clip: only a worker would see that."""
    asked = {"prompt": "a cat", "seconds": "10", "size": "64x48", "seed": 5, "steps": 9, "priority": 3}
    return finished(create_video(server, caller, asked), b"the clip")


def of(job, **fields):
    return {"prompt": "a dog", "video": {"id": job.id}} | fields


def upload(content, **fields):
    file = tempfile.TemporaryFile()  # noqa: SIM115 (as the form parser gives it)
    file.write(content)
    file.seek(0)
    return {"prompt": "a dog", "video": UploadFile(file, size=len(content))} | fields


def test_what_is_not_said_is_as_it_was_in_the_clip(server, caller, parent):
    job = remix_video(server, caller, parent, {"prompt": "a dog"})
    asked = job.request
    assert (asked["task"], asked["model"], asked["size"], asked["seconds"], asked["fps"]) == (
        *("remix", "fake", "64x48", 10.0, 12),
    )
    assert (asked["source"], asked["strength"], asked["mask"]) == (parent.results["video"], 0.7, None)
    assert (asked["steps"], asked["priority"], job.parent_id) == (None, 0, parent.id)  # these were the clip's making
    said = {"strength": 0.2, "fps": 24, "seed": 7, "steps": 3, "turbo": False, "priority": 2}
    asked = edit_video(server, caller, of(parent, mask="10%,0,50%,100%", **said)).request
    assert asked | said == asked and (asked["task"], asked["mask"]) == ("edit", "10%,0,50%,100%")
    assert edit_video(server, caller, of(parent)).request["strength"] == 0.6


def test_an_extension_costs_what_is_new_and_keeps_room_for_all(server, caller, parent, monkeypatch, finished):
    monkeypatch.setattr("himmel.studio.space.COUNT_SECONDS", 0.0)
    monkeypatch.setattr(server.speeds, "of", lambda *_: 3.0)
    job = extend_video(server, caller, of(parent, seconds="4"))
    assert (job.cost, job.request["asked_seconds"]) == (12.0, "14")
    assert server.space.needed() == pytest.approx(LEAST + LEAST_RATE * 14 * PIXELS)
    before = server.space.rate
    longer = finished(job)
    server.space.learn(longer, round(14 * PIXELS * before))  # as many bytes as was believed
    assert server.space.rate == pytest.approx(before)
    again = extend_video(server, caller, of(longer, seconds="2"))
    assert (again.cost, again.request["asked_seconds"], again.request["kept_seconds"]) == (6.0, "16", 14.0)
    assert extend_video(server, caller, of(longer, seconds="2", n=3)).request["n"] == 3
    assert server.shown(again).himmel.parent_id == longer.id


def test_a_clip_is_extended_six_times_and_to_120_seconds(server, caller, parent, finished):
    job = parent
    for _ in range(6):
        job = finished(extend_video(server, caller, of(job, seconds="18")))
    for clip_, seconds, param in ((job, "1", "video"), (parent, "21", "seconds"), (job, "3", "seconds")):
        with pytest.raises(ApiError) as refused:
            extend_video(server, caller, of(clip_, seconds=seconds))
        assert refused.value.param == param


def test_an_upload_is_a_source_of_its_own_size_rate_and_length(server, caller):
    job = edit_video(server, caller, upload(clip(18, side=48), model="fake"))
    asked = job.request
    assert (asked["size"], asked["fps"], asked["seconds"], job.parent_id) == ("48x48", 12, 1.5, None)
    assert server.storage.read(asked["source"]) == clip(18, side=48)
    job = extend_video(server, caller, upload(clip(), seconds="2"))
    assert (job.request["asked_seconds"], job.request["kept_seconds"], job.request["seconds"]) == ("3", 1.0, 2.0)
    with pytest.raises(ApiError, match=r"lasts 0\.083 seconds; allowed: at least 0\.1") as refused:
        extend_video(server, caller, upload(clip(1), seconds="2"))
    assert (refused.value.status, refused.value.param) == (400, "video")


def test_a_file_and_its_wishes_are_one_idempotent_request(server, caller):
    first, again = (edit_video(server, caller, upload(clip(), model="fake"), "key") for _ in range(2))
    assert first.id == again.id
    others = [upload(clip(13), model="fake"), upload(clip(), model="fake", strength=0.5)]
    for other in others:
        with pytest.raises(ApiError, match="another body"):
            edit_video(server, caller, other, "key")
    with pytest.raises(ApiError, match="another body"):
        extend_video(server, caller, upload(clip(), seconds="1"), "key")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"strength": 0}, "strength"),
        ({"strength": 1.01}, "strength"),
        ({"mask": "/etc/passwd"}, "mask"),
        ({"mask": "mask.png"}, "mask"),
        ({"mask": "0,0,10"}, "mask"),
        ({"mask": "0,0,65,10"}, "mask"),
        ({"mask": "9" * 90 + ",0,1,1"}, "mask"),
        ({"turbo": "perhaps"}, "turbo"),
        ({"n": 11}, "n"),
        ({"video": {"id": "../x", "more": 1}}, "video"),
    ],
)
def test_wrong_values_are_refused_with_the_fields_name(server, caller, parent, fields, param):
    with pytest.raises(ApiError) as refused:
        edit_video(server, caller, of(parent) | fields)
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "invalid_value", param)


def test_the_operators_limits_hold_for_the_whole_clip(tmp_path, server, caller, parent):
    server.settings = Settings(data_dir=tmp_path, model="fake", reserve_bytes=0, job_seconds=12)
    extend_video(server, caller, of(parent, seconds="2"))
    with pytest.raises(ApiError, match="may last 12 seconds"):
        extend_video(server, caller, of(parent, seconds="2.5"))


def test_a_source_is_kept_until_the_job_is_over_also_when_the_clip_is_deleted(server, caller, parent, finished):
    now = time.time()
    job = remix_video(server, caller, parent, {"prompt": "a dog"})
    file = edit_video(server, caller, upload(clip(), model="fake"))
    server.queue.cancel(parent.id, caller.account_id, delete=True)
    server.queue.now = lambda: now + 3 * GRACE
    assert sweep(server).files == 0
    assert server.storage.read(job.request["source"]) == b"the clip"
    finished(job)
    assert sweep(server).files == 1
    assert server.storage.read(file.request["source"]) == clip()
    server.queue.cancel(file.id, caller.account_id)
    assert sweep(server).files == 1
    with pytest.raises(ApiError) as refused:
        edit_video(server, caller, of(parent))
    assert refused.value.status == 404


@pytest.mark.parametrize("path", ["/v1/videos/x/cancel", "/v1/videos/../remix", "/v1/videos/a/b/remix", "/v1/files"])
def test_only_addresses_that_make_clips_have_a_maker(path):
    assert maker_of(path) is None
    assert maker_of("/v1/videos") is create_video
    assert maker_of("/v1/videos/edits") is edit_video


def test_a_remix_by_its_address_is_a_remix(server, caller, parent):
    make = maker_of(f"/v1/videos/{parent.id}/remix")
    assert make(server, caller, {"prompt": "a dog"}, "key").parent_id == parent.id
    with pytest.raises(ApiError):
        maker_of("/v1/videos/video_0/remix")(server, caller, {"prompt": "a dog"}, None)
