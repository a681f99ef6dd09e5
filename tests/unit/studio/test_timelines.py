"""Timelines: what a job of parts takes over, costs and keeps, and which parts it cannot have."""

import io
import time

import pytest

from himmel.errors import ApiError
from himmel.studio.storage import GRACE
from himmel.studio.sweeper import sweep
from himmel.studio.timelines import Kept, Made, Still, blended, kept_of, make_timeline, seconds_of
from himmel.studio.videos import create_video


@pytest.fixture
def clip(server, caller, finished):
    """A finished clip of 10 seconds."""
    job = create_video(server, caller, {"prompt": "a cat", "seconds": "10", "size": "64x48"})
    return finished(job, b"the clip")


def made(server, caller, pieces, **more):
    return make_timeline(server, caller, pieces, {"prompt": "a dog"}, **more)


def test_a_timeline_is_like_its_first_clip_and_costs_what_is_made(server, caller, clip):
    pieces = [Made(2.0), Kept(clip, 1.0, 4.0), Made(1.0, "a moon")]
    asked = made(server, caller, pieces, parent_id=clip.id).request
    assert (asked["task"], asked["size"], asked["fps"], asked["asked_seconds"]) == ("timeline", "64x48", 12, "6")
    assert (asked["seconds"], asked["kept_seconds"], asked["loop"]) == (3.0, 3.0, False)
    assert asked["parts"] == [
        {"kind": "gap", "seconds": 2.0, "prompt": None},
        {"kind": "clip", "digest": clip.results["video"], "video": clip.id, "start": 1.0, "stop": 4.0},
        {"kind": "gap", "seconds": 1.0, "prompt": "a moon"},
    ]


def test_a_cut_that_makes_nothing_tells_nothing_of_the_models_speed(server, caller, clip, finished):
    before = server.speeds.average("fake"), server.cost_of(clip.request)
    server.speeds.learn(finished(made(server, caller, [Kept(clip, 0.0, 4.0)])))
    assert (server.speeds.average("fake"), server.cost_of(clip.request)) == before


def test_one_clip_goes_over_into_another(server, caller, clip):
    one, other = kept_of(server, caller.account_id, clip.id), kept_of(server, caller.account_id, clip.id, 2.0, 9.0)
    first, bridge, last = blended(one, other, 1.5)
    assert (first.stop, bridge.seconds, last.start, last.stop) == (8.5, 1.5, 3.5, 9.0)
    with pytest.raises(ApiError, match="longer than the 7 s"):
        blended(one, other, 7.0)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([], "nothing lasts"),
        ([Still("ab")], "nothing lasts"),
        ([Made(0.05)], "seconds 0.05 is out of range; allowed: 0.1"),
        ([Made(5000.0)], "out of range"),
        ([Still("ab"), "clip", Made(1.0)], "a picture needs seconds before or after it"),
        ([Made(601.0)], "may last 600 seconds"),
    ],
)
def test_what_cannot_be_put_together_is_refused(server, caller, clip, pieces, told):
    pieces = [Kept(clip, 0.0, 2.0) if piece == "clip" else piece for piece in pieces]
    with pytest.raises(ApiError, match=told) as refused:
        made(server, caller, pieces)
    assert refused.value.status == 400


@pytest.mark.parametrize(("start", "stop"), [(4.0, 4.0), (5.0, 4.0), (-1.0, 4.0), (0.0, 11.0), (0.0, 0.05)])
def test_a_stretch_lies_within_its_clip(server, caller, clip, start, stop):
    with pytest.raises(ApiError, match="allowed: 0 to 10 s"):
        kept_of(server, caller.account_id, clip.id, start, stop)


def test_clips_of_others_and_unfinished_ones_are_no_parts(server, caller, clip):
    boris = server.keys.caller(f"Bearer {server.keys.create('boris')}")
    with pytest.raises(ApiError) as refused:
        kept_of(server, boris.account_id, clip.id)
    assert refused.value.status == 404
    waiting = create_video(server, caller, {"prompt": "a cat", "seconds": "1", "size": "64x48"})
    with pytest.raises(ApiError) as refused:
        kept_of(server, caller.account_id, waiting.id)
    assert refused.value.code == "video_not_ready"


def test_clips_are_kept_for_a_job_until_it_is_over_and_pictures_as_long_as_it(server, caller, clip, finished):
    now, picture = time.time(), server.storage.put(io.BytesIO(b"a picture"))
    job = made(server, caller, [Kept(clip, 0.0, 2.0), Made(1.0), Still(picture)])
    server.queue.cancel(clip.id, caller.account_id, delete=True)
    server.queue.now = lambda: now + 3 * GRACE
    assert sweep(server).files == 0
    finished(job)
    assert sweep(server).files == 1
    assert server.storage.read(picture) == b"a picture"


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), (" 1,5 ", 1.5), (0, 0.0)])
def test_seconds_are_read_as_people_write_them(text, seconds):
    assert seconds_of(text, "start") == seconds


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-1", "1e9", None])
def test_other_words_are_no_seconds(text):
    with pytest.raises(ApiError, match="start: .* allowed: 0 to 3600"):
        seconds_of(text, "start")
