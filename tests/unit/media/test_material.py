import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from himmel.errors import BadRequest, UnreadableMedia
from himmel.media.material import look
from himmel.media.video_io import stream_video, write_video
from himmel.spec import Size

SIZE = Size(64, 48)


def counting(count):
    """Grey frames; frame i has the value 4 i."""
    return np.broadcast_to((4 * np.arange(count) % 256).astype(np.uint8)[:, None, None, None], (count, 48, 64, 3))


def numbers(frames):
    return [round(float(frame.mean()) / 4, 1) for frame in frames]


def encode(path, count, *, codec="libx264", rate=30, times=None):
    """A clip that is not ours; ``times`` are the seconds at which its frames appear."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"g": "20", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = SIZE.width, SIZE.height, "yuv420p"
        stream.codec_context.thread_count = 1
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(counting(count)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times:
                frame.pts, frame.time_base = round(1000 * times[index]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """60 frames at 8 a second, made by us."""
    path = tmp_path_factory.mktemp("material") / "clip.mp4"
    write_video(path, [counting(60)], size=SIZE, fps=8)
    return path


def test_a_clip_says_what_it_is(clip):
    seen = look(clip)
    assert (seen.frames, seen.fps, seen.seconds, seen.width, seen.height) == (60, 8.0, 7.5, 64, 48)


def test_looking_decodes_one_frame(clip, monkeypatch):
    from himmel.media import video_io

    turned = []
    monkeypatch.setattr(video_io, "_decode_from", lambda *given: turned.append(1) or iter([(0.0, _Grey())]))
    assert look(clip).frames == 60
    assert len(turned) == 1


class _Grey:
    rotation = 0

    def to_ndarray(self, **_):
        return counting(1)[0]


def test_at_its_own_rate_every_frame_comes_once(clip):
    assert numbers(look(clip).frames_at(SIZE, 8)) == pytest.approx(np.arange(60), abs=0.5)


def test_a_stretch_is_from_its_first_to_before_its_last_moment(clip):
    seen = look(clip)
    assert numbers(seen.frames_at(SIZE, 8, start=5.0, stop=6.0)) == pytest.approx(np.arange(40, 48), abs=0.5)
    assert numbers(seen.frames_at(SIZE, 8, start=7.375)) == pytest.approx([59], abs=0.5)
    assert numbers(seen.frames_at(SIZE, 8, start=6.5, stop=7.5004)) == pytest.approx(np.arange(52, 60), abs=0.5)


def test_a_stretch_of_what_we_made_comes_back_bit_by_bit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 48, 64, 3), np.uint8)
    write_video(tmp_path / "clip.mp4", [noise], size=SIZE, fps=8, lossless=True)
    assert (np.stack(list(look(tmp_path / "clip.mp4").frames_at(SIZE, 8, start=0.5, stop=1.5))) == noise[4:12]).all()


@pytest.mark.parametrize(
    ("codec", "name"),
    [("libx264", "a.mp4"), ("libx264", "a.mkv"), ("libx264", "a.ts"), ("libvpx-vp9", "a.webm"), ("mpeg4", "a.avi")],
)
def test_foreign_clips_are_read_at_any_stretch(tmp_path, codec, name):
    seen = look(encode(tmp_path / name, 50, codec=codec))
    assert (seen.frames, round(seen.fps, 1), round(seen.seconds, 2)) == (50, 30.0, 1.67)
    assert numbers(seen.frames_at(SIZE, 30, start=1.2, stop=1.5)) == pytest.approx(np.arange(36, 45), abs=1.1)


def test_streams_are_material_too(tmp_path):
    stream_video(tmp_path / "s.mp4", [counting(60)], size=SIZE, fps=8)
    seen = look(tmp_path / "s.mp4")
    assert (seen.frames, seen.seconds) == (60, 7.5)
    assert numbers(seen.frames_at(SIZE, 8, start=5, stop=6)) == pytest.approx(np.arange(40, 48), abs=0.5)


def test_fast_material_gives_whole_frames_and_slow_material_blends(tmp_path):
    fast = look(encode(tmp_path / "fast.mp4", 30, rate=30))
    assert numbers(fast.frames_at(SIZE, 8)) == pytest.approx([0, 4, 7, 11, 15, 19, 22, 26], abs=0.5)
    write_video(tmp_path / "slow.mp4", [counting(4) * 8], size=SIZE, fps=4)
    slow = numbers(look(tmp_path / "slow.mp4").frames_at(SIZE, 8))
    assert slow == pytest.approx([0, 4, 8, 12, 16, 20, 24, 24], abs=0.5)


def test_uneven_frame_rates_go_by_their_time_stamps(tmp_path):
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.5, 1.6, 1.7, 1.8, 1.9]
    seen = look(encode(tmp_path / "uneven.mkv", len(times), times=times))
    assert seen.frames == 11
    assert seen.seconds == pytest.approx(2.0, abs=0.1)
    assert numbers(seen.frames_at(SIZE, 5, stop=1.9)) == pytest.approx([0, 2, 4, 5, 5, 5, 6, 6, 7, 9], abs=0.6)


def test_frames_are_cropped_to_the_size(clip):
    frames = list(look(clip).frames_at(Size(32, 32), 8, stop=0.5))
    assert [frame.shape for frame in frames] == [(32, 32, 3)] * 4
    assert frames[0].dtype == np.uint8


def test_a_picture_is_one_frame(tmp_path):
    Image.new("RGB", (63, 40), (10, 200, 90)).save(tmp_path / "a.png")
    seen = look(tmp_path / "a.png")
    assert (seen.frames, seen.fps, seen.seconds, seen.width, seen.height) == (1, 0.0, 0.0, 63, 40)
    (frame,) = seen.frames_at(SIZE, 8)
    assert frame.shape == (48, 64, 3)
    still = list(seen.frames_at(SIZE, 8, stop=1))
    assert len(still) == 8 and all(np.array_equal(frame, still[0]) for frame in still)


def test_an_animated_picture_is_a_clip_by_its_own_delays(tmp_path):
    frames = [Image.fromarray(frame * 2) for frame in counting(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[500, 250, 250, 1000])
    seen = look(tmp_path / "a.gif")
    assert (seen.frames, seen.seconds) == (4, 2.0)
    assert numbers(seen.frames_at(SIZE, 4, stop=1.5))[::2] == pytest.approx([0, 2, 6], abs=0.5)
    assert numbers(seen.frames_at(SIZE, 2)) == pytest.approx([0, 2, 6, 6], abs=0.5)


def test_stretches_that_are_not_there_are_refused_at_once(clip):
    seen = look(clip)
    for start, stop in ((-1, 2), (2, 1), (1, 1), (0, 8), (7.5, None), (float("nan"), 1)):
        with pytest.raises(BadRequest, match=r"has no stretch .*; allowed: 0 to 7\.500 s"):
            seen.frames_at(SIZE, 8, start=start, stop=stop)
    assert len(list(seen.frames_at(SIZE, 8, start=5))) == 20


def test_what_is_no_material_is_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no clip")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for name, why in (
        ("text.mp4", "no video or picture"),
        ("sound.mp4", "no pictures"),
        ("absent.mp4", "[Nn]o such file"),
    ):
        with pytest.raises(UnreadableMedia, match=f"{name}': .*{why}"):
            look(tmp_path / name)


def test_memory_does_not_grow_with_length(tmp_path):
    def peak(seconds):
        tracemalloc.start()
        for _ in look(path).frames_at(SIZE, 8, stop=seconds):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    path = tmp_path / "long.mp4"
    write_video(path, (counting(8) for _ in range(20)), size=SIZE, fps=8)
    peak(1)
    assert peak(20) < 1.1 * peak(3)
