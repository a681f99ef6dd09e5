import math
from dataclasses import replace

import pytest

from himmel.errors import BadRequest
from himmel.spec import MAX_SEED, RANGES, Clip, Gap, ModelInfo, Picture, Remix, Size, VideoRequest

MODEL = ModelInfo(
    name="m",
    weight_hash="0" * 16,
    parameters=1,
    native_size=Size(64, 64),
    native_fps=8,
    default_size=Size(128, 96),
    default_steps=8,
    default_guidance=3.0,
    vocabulary_size=1,
    licence="Apache-2.0",
    trained_on="",
    scores={},
    max_window_seconds=4.0,
)


@pytest.mark.parametrize(("text", "size"), [("256x144", (256, 144)), (" 64 X 48 ", (64, 48)), ("64×48", (64, 48))])
def test_sizes_are_read_as_people_write_them(text, size):
    assert Size.parse(text) == Size(*size)


@pytest.mark.parametrize("text", ["", "256", "256x", "x256", "-64x64", "64x64x64", "axb", "14x64", "65x64", "64x9999"])
def test_impossible_sizes_are_refused_with_what_is_allowed(text):
    with pytest.raises(BadRequest, match="allowed: WIDTHxHEIGHT"):
        Size.parse(text)


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_of_a_range_are_allowed_and_nothing_beyond(name):
    low, high = RANGES[name]
    for value in (low, high):
        assert getattr(VideoRequest("a cat", **{name: value}), name) == value
    for value in (low - 1, high + 1, math.nan, math.inf):
        with pytest.raises(BadRequest, match=f"allowed: {low} to {high}"):
            VideoRequest("a cat", **{name: value})


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(BadRequest, match="prompt is empty"):
        VideoRequest(prompt)


def test_bytes_that_are_no_text_are_refused():
    broken = b"a caf\xe9".decode("utf-8", "surrogateescape")  # as the command line hands them on
    for wishes in ({"prompt": broken}, {"prompt": "a cat", "negative_prompt": broken}):
        with pytest.raises(BadRequest, match="UTF-8"):
            VideoRequest(**wishes)
    assert VideoRequest("猫\n🐈\u200d⬛").prompt == "猫\n🐈\u200d⬛"


def test_what_is_open_is_taken_from_the_model():
    settled = VideoRequest("a cat").resolved(MODEL)
    assert (settled.size, settled.fps, settled.steps, settled.guidance) == (Size(128, 96), 8, 8, 3.0)


def test_what_was_chosen_stays_also_where_it_is_zero():
    wish = VideoRequest("a cat", size=Size(32, 32), fps=5, steps=1, guidance=0.0, seed=MAX_SEED)
    assert wish.resolved(MODEL) == replace(wish, turbo=False)


@pytest.mark.parametrize(
    ("wishes", "turbo", "steps", "guidance"),
    [
        ({"turbo": True}, True, 4, 1.0),
        ({"turbo": True, "steps": 2}, True, 2, 1.0),
        ({"steps": 2}, True, 2, 1.0),
        ({}, True, 4, 1.0),
        ({"guidance": 1.0}, True, 4, 1.0),
        ({"turbo": False}, False, MODEL.default_steps, MODEL.default_guidance),
        ({"negative_prompt": "rain"}, False, MODEL.default_steps, MODEL.default_guidance),
        ({"guidance": 3.0}, False, MODEL.default_steps, 3.0),
        ({"steps": 12}, False, 12, MODEL.default_guidance),
    ],
)
def test_turbo_is_taken_unless_more_is_asked_for(wishes, turbo, steps, guidance):
    quick = replace(MODEL, turbo_steps=(1, 2, 4, 8))
    settled = VideoRequest("a cat", **wishes).resolved(quick)
    assert (settled.turbo, settled.steps, settled.guidance) == (turbo, steps, guidance)
    assert settled.resolved(quick) == settled


@pytest.mark.parametrize("wishes", [{"negative_prompt": "rain"}, {"guidance": 2.0}, {"steps": 3}])
def test_turbo_is_refused_for_what_only_the_full_model_can(wishes):
    quick = replace(MODEL, turbo_steps=(1, 2, 4, 8))
    with pytest.raises(BadRequest, match="allowed: 1, 2, 4, 8 steps"):
        VideoRequest("a cat", turbo=True, **wishes).resolved(quick)
    with pytest.raises(BadRequest, match="take the full model"):
        VideoRequest("a cat", turbo=True).resolved(MODEL)


@pytest.mark.parametrize(
    ("timeline", "wishes", "why"),
    [
        ((Gap(2.0), Clip("a.mp4", 0, 1)), {"seconds": 4.0}, "the parts last 3 s"),
        ((Gap(4.0),), {"first_frame": "a.png"}, "neither a first frame"),
        ((Gap(4.0),), {"remix": Remix("a.mp4")}, "nor a remix"),
    ],
)
def test_timelines_that_contradict_their_request_are_refused(timeline, wishes, why):
    with pytest.raises(BadRequest, match=why):
        VideoRequest("a cat", timeline=timeline, **wishes)


def test_a_timeline_counts_its_frames_part_by_part():
    parts = (Picture("a.png"), Gap(1.26), Clip("a.mp4", 0.5, 1.0), Gap(1.26))
    request = VideoRequest("a cat", fps=10, seconds=3.02, timeline=parts)
    assert [request.frames_of(part) for part in parts] == [0, 13, 5, 13]
    assert request.frame_count == 31


@pytest.mark.parametrize(("seconds", "fps", "count"), [(4, 8, 32), (0.1, 1, 1), (1.5, 12, 18)])
def test_length_and_rate_give_the_number_of_frames(seconds, fps, count):
    assert replace(VideoRequest("a cat"), seconds=seconds, fps=fps).frame_count == count


def test_an_open_rate_gives_no_number_of_frames():
    with pytest.raises(ValueError, match="resolved"):
        _ = VideoRequest("a cat").frame_count
