"""A timeline comes to stretches that are shown and runs that are made, with every given frame in its place."""

import numpy as np
import pytest
from PIL import Image

from himmel.backends.footage import Footage, Run, plan
from himmel.errors import BadRequest, UnreadableMedia
from himmel.media.video_io import write_video
from himmel.spec import Clip, Gap, Picture, Size, VideoRequest

NATIVE = 12


@pytest.fixture
def clip(tmp_path):
    """Three seconds at 12 frames a second, each frame of another grey."""
    path = tmp_path / "clip.mp4"
    frames = np.broadcast_to((np.arange(36) * 5).astype(np.uint8)[:, None, None, None], (36, 16, 16, 3)).copy()
    write_video(path, [frames], size=Size(16, 16), fps=12, lossless=True)
    return str(path)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.new("RGB", (16, 16), "red").save(path)
    return Picture(str(path))


def planned(*parts, fps=12, **wishes):
    seconds = sum(part.seconds for part in parts if not isinstance(part, Picture))
    request = VideoRequest("a cat", seconds=seconds, fps=fps, size=Size(16, 16), timeline=parts, **wishes)
    return request, plan(request, NATIVE)


def places(run):
    return list(run.positions)


def test_text_alone_is_one_run_at_the_native_rate():
    (run,) = plan(VideoRequest("a cat", seconds=4.0, fps=12), NATIVE)
    assert isinstance(run, Run)
    assert places(run) == list(range(48)) and run.groups == 12
    assert run.prompts == ((0, "a cat"),)


def test_another_rate_is_laid_upon_the_native_frames():
    (run,) = plan(VideoRequest("a cat", seconds=2.0, fps=24), NATIVE)
    assert places(run)[:4] == [0, 0.5, 1, 1.5] and run.count == 48
    assert run.last >= places(run)[-1]


def test_what_is_extended_begins_one_step_after_the_clip(clip):
    request, (kept, run) = planned(Clip(clip, 0, 3), Gap(2.0))
    assert isinstance(kept, Footage) and kept.count == 36
    assert run.left is kept and run.right is None
    assert places(run) == list(range(1, 25)) and run.groups == 6
    assert request.frame_count == 60


def test_what_leads_up_to_a_clip_ends_one_step_before_it(clip):
    _, (run, kept) = planned(Gap(2.0), Clip(clip, 0, 3))
    assert run.right is kept and places(run)[0] == 0
    assert places(run)[-1] + run.step == pytest.approx(run.last)
    assert run.step == pytest.approx(1.0)


def test_a_bridge_takes_as_many_groups_as_fit_and_gives_way_a_little(clip):
    _, (_, run, _) = planned(Clip(clip, 0, 1), Gap(11 / 12), Clip(clip, 2, 3))
    assert (run.groups, run.step) == (3, 1.0) and places(run) == list(range(1, 12))
    _, (_, run, _) = planned(Clip(clip, 0, 1), Gap(1.0), Clip(clip, 2, 3))
    assert run.groups == 3 and run.step == pytest.approx(12 / 13)
    assert places(run)[0] == pytest.approx(run.step) and places(run)[-1] == pytest.approx(12 - run.step)


def test_pictures_stand_at_whole_groups_and_the_last_one_is_the_last_frame(picture):
    _, (run,) = planned(picture, Gap(2.0), picture, Gap(2.0), picture)
    assert [place for place, _ in run.pictures] == [0, 24, 48]
    assert places(run)[-1] == run.last == 48


def test_a_loop_comes_back_after_its_last_frame():
    (run,) = plan(VideoRequest("a cat", seconds=4.0, fps=12, loop=True), NATIVE)
    assert run.loop and run.last == 48 and places(run)[-1] == 47


def test_a_loop_of_a_clip_goes_over_into_its_beginning(clip):
    _, (kept, run) = planned(Clip(clip, 0, 3), Gap(1.0), loop=True)
    assert run.left is kept and run.right is kept and not run.loop


def test_prompts_take_over_where_their_gaps_begin():
    _, (run,) = planned(Gap(1.0, "a cat"), Gap(1.0, "a dog"), Gap(1.0))
    assert run.prompts == ((0, "a cat"), (12, "a dog"), (24, "a cat"))


def test_the_ends_of_a_stretch_are_what_is_shown(clip):
    _, (kept, _) = planned(Clip(clip, 1, 3), Gap(1.0))
    tail = kept.tail(Size(16, 16), NATIVE, 12, 37)
    assert len(tail) == 21 and int(tail[-1][0, 0, 0]) == 35 * 5
    assert [int(frame[0, 0, 0]) for frame in kept.head(Size(16, 16), NATIVE, 13)] == [n * 5 for n in range(12, 25)]
    assert len(kept.tail(Size(16, 16), NATIVE, 12, 9)) == 9


def test_a_kept_clip_is_shown_frame_by_frame(clip):
    _, (kept, _) = planned(Clip(clip, 1, 2), Gap(1.0))
    assert [int(frame[0, 0, 0]) for frame in kept.frames(Size(16, 16), 12)] == [n * 5 for n in range(12, 24)]


def test_what_cannot_be_is_refused(clip, picture, tmp_path):
    with pytest.raises(BadRequest, match="a picture needs seconds"):
        planned(Clip(clip, 0, 3), picture)
    with pytest.raises(BadRequest, match="too near"):
        planned(Gap(1.0), picture, Gap(0.1), picture, Gap(1.0))
    with pytest.raises(BadRequest, match="begins with one"):
        planned(Gap(1.0), Clip(clip, 0, 3), loop=True)
    with pytest.raises(UnreadableMedia, match="(?i)no such file"):
        planned(Clip(str(tmp_path / "absent.mp4"), 0, 3), Gap(1.0))
