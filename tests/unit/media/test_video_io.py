import io
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress

import av
import numpy as np
import pytest
from PIL import Image

from himmel.errors import CannotWrite, StreamBroken, UnreadableMedia
from himmel.media.encoder import FRAGMENT_SECONDS
from himmel.media.output_file import check_writable
from himmel.media.video_io import iterate_frames, kept_video, read_frames, read_metadata, stream_video, write_video
from himmel.spec import Size

SIZE = Size(64, 48)


def clip(count=12):
    """A red square that wanders over blue, in flat colours that survive encoding."""
    frames = np.zeros((count, SIZE.height, SIZE.width, 3), np.uint8)
    frames[...] = (20, 40, 200)
    for index in range(count):
        frames[index, 16:32, 2 * index : 2 * index + 16] = (220, 30, 30)
    return frames


def top_level_boxes(path):
    data = path.read_bytes()
    at, names = 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8].decode("latin1"))
        at += int.from_bytes(data[at : at + 4], "big")
    return names


def test_a_clip_is_what_browsers_play(tmp_path):
    path = tmp_path / "clip.mp4"
    assert write_video(path, [clip(5), clip(7)], size=SIZE, fps=8) == 12
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (64, 48)
        assert stream.average_rate == 8
        assert stream.frames == 12
        assert float(stream.duration * stream.time_base) == pytest.approx(12 / 8)
    boxes = top_level_boxes(path)
    assert boxes.index("moov") < boxes.index("mdat")


def test_frames_come_back_in_order_and_in_their_colours(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, [clip()], size=SIZE, fps=12)
    seen = read_frames(path)
    assert seen.shape == clip().shape
    assert seen.dtype == np.uint8
    error = (seen.astype(float) - clip()) ** 2
    assert 10 * np.log10(255**2 / error.mean()) > 35
    assert np.abs(seen[3, 24, 8].astype(int) - (220, 30, 30)).max() <= 6  # full colour means the right matrix


def test_the_same_frames_give_the_same_bytes_every_time(tmp_path):
    size = Size(66, 50)  # not made of whole macroblocks: x264's macroblock tree gave 15 different files here
    frames = np.random.default_rng(0).integers(0, 256, (25, 33, 3), np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    moving = np.stack([np.roll(frames, step, axis=1) for step in range(14)])
    files = set()
    for _ in range(40):
        write_video(tmp_path / "clip.mp4", [moving], size=size, fps=8, metadata="same")
        files.add((tmp_path / "clip.mp4").read_bytes())
    assert len(files) == 1


def test_metadata_keeps_every_letter(tmp_path):
    text = '{"prompt": "ein Bär; = # \\\\ \\n 海辺の猫"}' + "x" * 70_000
    write_video(tmp_path / "clip.mp4", [clip(1)], size=SIZE, fps=8, metadata=text)
    assert read_metadata(tmp_path / "clip.mp4") == text


def test_a_clip_without_metadata_has_none(tmp_path):
    write_video(tmp_path / "clip.mp4", [clip(1)], size=SIZE, fps=8)
    assert read_metadata(tmp_path / "clip.mp4") is None


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_whatever_ends_the_frames_early_leaves_nothing(tmp_path, stop):
    def chunks():
        yield clip(4)
        raise stop

    with pytest.raises(stop):
        write_video(tmp_path / "clip.mp4", chunks(), size=SIZE, fps=8)
    assert list(tmp_path.iterdir()) == []


def test_an_early_end_keeps_the_clip_that_was_there(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"an older clip")

    def chunks():
        yield clip(4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, chunks(), size=SIZE, fps=8)
    assert path.read_bytes() == b"an older clip"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # the nearest thing to a full disk
    try:
        with pytest.raises(CannotWrite, match=r"clip\.mp4.*nothing was left behind"):
            write_video(tmp_path / "clip.mp4", [noise(20)], size=SIZE, fps=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_frames_own_is_not_taken_for_the_disk(tmp_path):
    def chunks():
        yield clip(1)
        raise FileNotFoundError("weights")

    with pytest.raises(FileNotFoundError, match="weights"):
        write_video(tmp_path / "clip.mp4", chunks(), size=SIZE, fps=8)


def test_no_frames_make_no_clip(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "clip.mp4", [], size=SIZE, fps=8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 64, 48, 3), np.uint8), np.zeros((1, 48, 64, 3), np.float32), np.zeros((48, 64, 3), np.uint8)]
)
def test_frames_of_another_shape_or_kind_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match="expected uint8"):
        write_video(tmp_path / "clip.mp4", [bad], size=SIZE, fps=8)


def test_unwritable_places_are_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="does not exist"):
        check_writable(tmp_path / "nowhere" / "clip.mp4")
    with pytest.raises(CannotWrite, match="does not exist"):
        check_writable(tmp_path / "file" / "clip.mp4")
    with pytest.raises(CannotWrite, match="it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(CannotWrite, match="too long"):
        check_writable(tmp_path / ("x" * 300 + ".mp4"))


def test_looking_whether_a_place_is_writable_changes_nothing(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    check_writable(path)
    check_writable(tmp_path / "new.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]
    assert path.read_bytes() == b"older"


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE.height, SIZE.width, 3), dtype=np.uint8)


def test_lossless_gives_every_value_back(tmp_path):
    path = tmp_path / "clip.mp4"
    frames = np.concatenate([noise(9), clip(4), np.full((1, *clip().shape[1:]), 255, np.uint8)])
    assert write_video(path, [frames[:5], frames[5:]], size=SIZE, fps=8, metadata="recipe", lossless=True) == 14
    assert (np.stack(list(iterate_frames(path))) == frames).all()
    assert read_metadata(path) == "recipe"
    write_video(path, [frames], size=SIZE, fps=8)
    assert not (read_frames(path) == frames).all()  # else this shows nothing


def test_lossless_too_gives_the_same_bytes_every_time(tmp_path):
    files = set()
    for _ in range(10):
        write_video(tmp_path / "clip.mp4", [noise(6)], size=SIZE, fps=8, lossless=True)
        files.add((tmp_path / "clip.mp4").read_bytes())
    assert len(files) == 1


def test_a_kept_clip_gives_its_frames_on_at_once_and_is_there_when_all_are_taken(tmp_path):
    path, asked = tmp_path / "kept.mp4", []

    def chunks():
        for at in range(0, 12, 4):
            asked.append(at)
            yield clip()[at : at + 4]

    frames = kept_video(path, chunks(), size=SIZE, fps=12)
    assert np.array_equal(next(frames), clip()[:4]) and asked == [0] and not path.exists()
    assert np.array_equal(np.concatenate(list(frames)), clip()[4:])
    write_video(tmp_path / "whole.mp4", [clip()], size=SIZE, fps=12, lossless=True)
    assert path.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_kept_clip_that_nobody_takes_whole_is_not_there(tmp_path):
    frames = kept_video(tmp_path / "kept.mp4", [clip(4), clip(4)], size=SIZE, fps=12)
    next(frames)
    frames.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fps", "size_of_chunk"), [(8, 4), (8, 1), (24, 3), (1, 1)])
def test_a_stream_plays_before_it_ends(tmp_path, fps, size_of_chunk):
    """At every moment the reader has all frames that were given, but a fragment's and one."""
    held = int(FRAGMENT_SECONDS * fps) + 1
    target, part = io.BytesIO(), tmp_path / "part.mp4"
    frames = clip(24)

    def chunks():
        for start in range(0, 24, size_of_chunk):
            if start > held:
                part.write_bytes(target.getvalue())
                seen = read_frames(part)
                assert start - held <= len(seen) <= start
                assert np.abs(seen.astype(int) - frames[: len(seen)]).mean() < 3
            yield frames[start : start + size_of_chunk]

    assert stream_video(target, chunks(), size=SIZE, fps=fps, metadata="recipe") == 24
    part.write_bytes(target.getvalue())
    assert len(read_frames(part)) == 24


def test_a_streams_head_is_there_before_its_frames(tmp_path):
    target = io.BytesIO()

    def chunks():
        head = target.getvalue()
        assert [head[4:8], head[32:36]] == [b"ftyp", b"moov"]
        assert '{"ein Bär": "海"}'.encode() in head
        yield clip()

    stream_video(target, chunks(), size=SIZE, fps=8, metadata='{"ein Bär": "海"}')
    (tmp_path / "clip.mp4").write_bytes(target.getvalue())
    assert read_metadata(tmp_path / "clip.mp4") == '{"ein Bär": "海"}'


def test_a_stream_to_a_file_is_what_browsers_play_piece_by_piece(tmp_path):
    path = tmp_path / "clip.mp4"
    assert stream_video(path, [clip(24)], size=SIZE, fps=8) == 24
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        times = [packet.pts * packet.time_base for packet in container.demux(stream) if packet.size]
    assert times == [index / 8 for index in range(24)]
    boxes = top_level_boxes(path)
    assert boxes[:4] == ["ftyp", "moov", "moof", "mdat"]
    assert boxes.count("moof") == 12  # a quarter of a second each
    assert 10 * np.log10(255**2 / ((read_frames(path).astype(float) - clip(24)) ** 2).mean()) > 35


def test_what_ends_the_frames_of_a_stream_leaves_all_that_were_given(tmp_path):
    def chunks():
        yield clip(7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_video(tmp_path / "clip.mp4", chunks(), size=SIZE, fps=8)
    assert len(read_frames(tmp_path / "clip.mp4")) == 7


def test_the_same_frames_give_the_same_stream_every_time():
    streams = set()
    for _ in range(20):
        target = io.BytesIO()
        stream_video(target, [noise(8)], size=SIZE, fps=8)
        streams.add(target.getvalue())
    assert len(streams) == 1


def test_a_reader_that_goes_away_ends_the_stream_with_one_clear_error():
    read, write = os.pipe()
    given = 0

    def chunks():
        nonlocal given
        for number in range(100):
            if number == 3:
                os.close(read)
            given += 1
            yield noise(4, number)

    with open(write, "wb", buffering=1 << 20) as target, pytest.raises(StreamBroken, match="its reader has gone"):
        stream_video(target, chunks(), size=SIZE, fps=8)
    assert given <= 5


def test_standard_output_ends_without_a_word_when_its_reader_goes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, numpy\n"
        "from himmel.errors import StreamBroken\n"
        "from himmel.media.video_io import stream_video\n"
        "from himmel.spec import Size\n"
        "frames = numpy.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), numpy.uint8)\n"
        "try: stream_video(sys.stdout.buffer, [frames] * 10, size=Size(64, 48), fps=8)\n"
        "except StreamBroken as error: sys.exit(7)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout.read(40)[4:8] == b"ftyp"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 7


def test_a_full_disk_ends_a_stream_and_leaves_what_plays(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(StreamBroken, match=r"clip\.mp4' ended early: File too large; what was written"):
            stream_video(tmp_path / "clip.mp4", [noise(40)], size=SIZE, fps=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    played = 0
    with suppress(UnreadableMedia):  # the last fragment is cut
        for _ in iterate_frames(tmp_path / "clip.mp4"):
            played += 1
    assert played > 4


def test_streams_that_cannot_begin_are_refused(tmp_path):
    with pytest.raises(CannotWrite, match="No such file"):
        stream_video(tmp_path / "nowhere" / "clip.mp4", [clip()], size=SIZE, fps=8)
    with pytest.raises(CannotWrite, match="directory"):
        stream_video(tmp_path, [clip()], size=SIZE, fps=8)
    with pytest.raises(ValueError, match="at least one frame"):
        stream_video(io.BytesIO(), [], size=SIZE, fps=8)


def test_clips_of_phones_are_read_upright(tmp_path):
    """ISO 14496-12, track header: the matrix (0, 1, -1, 0) turns a clip a quarter clockwise."""
    path = tmp_path / "phone.mp4"
    frames = clip(2)
    write_video(path, [frames], size=SIZE, fps=8, lossless=True)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    for offset, value in enumerate((0, one, 0, -one, 0, 0)):
        data[matrix + 4 * offset : matrix + 4 * offset + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    assert (read_frames(path) == np.rot90(frames, -1, (1, 2))).all()


def test_pictures_are_read_upright_and_on_white(tmp_path):
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    picture.putpixel((0, 0), (255, 0, 0, 255))
    picture.save(tmp_path / "clear.png")
    seen = read_frames(tmp_path / "clear.png")
    assert seen.shape == (1, 2, 4, 3)
    assert seen[0, 0, 0].tolist() == [255, 0, 0]
    assert seen[0, 1, 3].tolist() == [255, 255, 255]
    turned = Image.new("RGB", (40, 20))
    exif = turned.getexif()
    exif[0x0112] = 6  # lies on its side
    turned.save(tmp_path / "phone.jpg", exif=exif)
    assert read_frames(tmp_path / "phone.jpg").shape == (1, 40, 20, 3)


def test_animated_pictures_have_all_their_frames(tmp_path):
    frames = [Image.fromarray(frame) for frame in clip(3)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:])
    assert read_frames(tmp_path / "clip.gif").shape == (3, 48, 64, 3)


def test_a_photographs_hidden_thumbnail_is_no_frame(tmp_path):
    frames = [Image.fromarray(frame) for frame in clip(2)]
    frames[0].save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert read_frames(tmp_path / "phone.jpg").shape == (1, 48, 64, 3)


def test_a_limit_reads_no_further(tmp_path):
    write_video(tmp_path / "clip.mp4", [clip()], size=SIZE, fps=8)
    assert len(read_frames(tmp_path / "clip.mp4", limit=2)) == 2
    assert sum(1 for _ in iterate_frames(tmp_path / "clip.mp4")) == 12


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no clip")
    write_video(tmp_path / "whole.mp4", [clip()], size=SIZE, fps=8)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:400])
    Image.new("RGB", (64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    for name in ("text.mp4", "cut.mp4", "cut.png", "absent.mp4"):
        with pytest.raises(UnreadableMedia, match=name):
            read_frames(tmp_path / name)
