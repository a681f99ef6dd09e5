"""What the limited child makes of sound and unsound uploads."""

import dataclasses
import io
import json
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
from bombs import bombs, clip, long_mp4, picture
from PIL import Image, PngImagePlugin

from himmel.errors import BadRequest
from himmel.media.material import look
from himmel.media.probe import Limits, TooLarge, read_clip, read_picture
from himmel.media.video_io import write_video
from himmel.spec import Size

LIMITS = Limits(pixels=1_000_000, memory=240 << 20, cpu=20, frames=100, seconds=10)


def cleaned(content, limits=LIMITS):
    told, clean = read_picture(io.BytesIO(content), limits)
    image = Image.open(io.BytesIO(clean))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (told["width"], told["height"]))
    return told, image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_sound_picture_comes_back_as_a_png(kind):
    told, image = cleaned(picture(kind))
    assert told == {"kind": kind.lower(), "width": 64, "height": 64}
    assert np.abs(np.asarray(image).astype(int) - (255, 165, 0)).max() < 6


def test_nothing_but_pixels_is_kept():
    image, buffer, text, exif = Image.new("RGB", (40, 20)), io.BytesIO(), PngImagePlugin.PngInfo(), Image.Exif()
    text.add_text("Comment", "where I live")
    exif[0x010E] = "who I am"
    image.save(buffer, "PNG", pnginfo=text, exif=exif, icc_profile=b"profile", dpi=(72, 72))
    _, clean = read_picture(io.BytesIO(buffer.getvalue()), LIMITS)
    assert {clean[at + 4 : at + 8] for at in _chunks(clean)} == {b"IHDR", b"IDAT", b"IEND"}


def _chunks(content):
    at = 8
    while at < len(content):
        yield at
        at += 12 + int.from_bytes(content[at : at + 4], "big")


def test_the_camera_says_what_is_up():
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))
    image.save(buffer, "PNG", exif=exif)
    _, upright = cleaned(buffer.getvalue())
    assert upright.size == (20, 40) and upright.getpixel((10, 5)) == (0, 0, 0)


def test_of_an_animation_the_first_picture_counts_and_what_is_seen_through_is_white():
    buffer, first = io.BytesIO(), Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    first.save(buffer, "WEBP", save_all=True, append_images=[Image.new("RGBA", (32, 32), "red")], lossless=True)
    assert cleaned(buffer.getvalue())[1].getpixel((5, 5)) == (255, 255, 255)


def test_a_large_picture_is_made_smaller():
    assert cleaned(picture("JPEG", 4100), dataclasses.replace(LIMITS, pixels=20_000_000))[1].size == (2048, 2048)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_kinds_are_refused(kind):
    with pytest.raises(BadRequest, match="no JPEG, PNG or WebP"):
        cleaned(picture(kind))


def test_half_a_picture_is_refused():
    with pytest.raises(BadRequest, match="damaged"):
        cleaned(picture("PNG", 500)[:-200])


def test_too_many_pixels_are_refused_before_they_are_decoded():
    with pytest.raises(TooLarge, match="too many pixels; allowed: 1000000"):
        cleaned(picture("PNG", 1001)[:100])


def test_a_sound_clip_is_told_as_it_is():
    told = read_clip(io.BytesIO(clip(frames=24)), LIMITS)
    assert told == {"kind": "mp4", "width": 64, "height": 64, "frames": 24, "seconds": 2.0}


def test_a_clip_that_lies_on_its_side_is_told_upright(tmp_path):
    write_video(tmp_path / "clip.mp4", [np.zeros((2, 48, 80, 3), np.uint8)], size=Size(80, 48), fps=12)
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # as phones do
    told = read_clip(io.BytesIO(content), LIMITS)
    assert (told["width"], told["height"]) == (48, 80)
    (tmp_path / "clip.mp4").write_bytes(content)
    seen = look(tmp_path / "clip.mp4")  # what the worker will see
    assert (seen.width, seen.height) == (48, 80)


@pytest.mark.parametrize(
    ("limits", "why"), [({"pixels": 4000}, "pixels"), ({"frames": 5}, "too long"), ({"seconds": 0.5}, "too long")]
)
def test_clips_beyond_the_limits_are_refused(limits, why):
    with pytest.raises(TooLarge, match=why):
        read_clip(io.BytesIO(clip()), dataclasses.replace(LIMITS, **limits))


def test_frames_are_counted_whatever_the_header_says():
    with pytest.raises(TooLarge, match="too long"):
        read_clip(io.BytesIO(long_mp4(150)), LIMITS)


def test_what_is_no_mp4_or_half_of_one_is_refused():
    matroska = io.BytesIO()
    with av.open(matroska, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    sound_only = io.BytesIO()
    with av.open(sound_only, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        silence.sample_rate = 48000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    for number, content in enumerate(
        (b"", b"x" * 1000, matroska.getvalue(), sound_only.getvalue(), clip()[:-500], clip()[:900])
    ):
        with pytest.raises(BadRequest):
            print(number, read_clip(io.BytesIO(content), LIMITS))


def in_a_child(code):
    """Run a line of Python in a process that has given itself up to its limits."""
    start = f"from himmel.media.probe import *; load_for('clip'); import os, socket; confine({LIMITS!r})\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("open('/etc/passwd')", "Too many open files"),
        ("socket.socket()", "Too many open files"),
        ("os.open('new', os.O_CREAT)", "Too many open files"),
        ("bytearray(250 << 20)", "MemoryError"),
    ],
)
def test_the_child_can_open_nothing_and_has_little_memory(code, error):
    assert error in in_a_child(code).stderr


def asked(kind, content, limits, tmp_path):
    """The child's answer, and the most memory it had, in bytes."""
    path = tmp_path / "upload"
    path.write_bytes(content)
    code = (  # what the kernel says is opened before, for nothing can be opened afterwards
        "import sys; status = open('/proc/self/status')\n"
        f"from himmel.media.probe import *; main({kind!r}, {limits!r})\n"
        "print(status.read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    with path.open("rb") as source:
        done = subprocess.run([sys.executable, "-c", code], stdin=source, capture_output=True)
    return json.loads(done.stdout.partition(b"\n")[0]), int(done.stderr) << 10


def test_a_bomb_is_an_answer_and_needs_little_memory(tmp_path):
    limits = dataclasses.replace(LIMITS, pixels=25_000_000, frames=1800, seconds=60)
    for name, kind, content in bombs():
        told, memory = asked(kind, content, limits, tmp_path)
        assert "error" in told, name
        assert memory < 256 << 20, name
