"""A clip in other forms: what each holds, and what cannot be had."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from himmel.errors import BadRequest
from himmel.media.excerpt import BAD, write_excerpt
from himmel.media.video_io import read_frames, write_video
from himmel.spec import Size


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve frames, each brighter than the one before."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    frames = np.stack([np.full((48, 64, 3), 20 * number, np.uint8) for number in range(12)])
    write_video(path, [frames], size=Size(64, 48), fps=12)
    return path


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_has_the_clips_frames_and_time(clip, tmp_path, kind):
    write_excerpt(kind, clip, target := tmp_path / f"made.{kind}")
    with Image.open(target) as made:
        assert (made.format, made.n_frames, made.size) == (kind.upper(), 12, (64, 48))
    brightness = read_frames(target).mean(axis=(1, 2, 3))
    assert np.all(np.diff(brightness) > 5)


def test_the_zip_holds_every_frame_in_order(clip, tmp_path):
    write_excerpt("frames", clip, target := tmp_path / "made.zip")
    with zipfile.ZipFile(target) as packed:
        assert packed.namelist() == [f"{number:05d}.png" for number in range(1, 13)]
        last = np.asarray(Image.open(io.BytesIO(packed.read("00012.png"))))
    assert np.array_equal(last, read_frames(clip)[11])


def test_one_frame_is_that_frame(clip, tmp_path):
    write_excerpt("frame", clip, target := tmp_path / "made.png", 3)
    assert np.array_equal(np.asarray(Image.open(target)), read_frames(clip)[2])
    write_excerpt("frame", clip, target, 0)
    assert np.array_equal(np.asarray(Image.open(target)), read_frames(clip)[11])


@pytest.mark.parametrize("number", [-1, 13])
def test_a_frame_that_is_not_there_is_named(clip, tmp_path, number):
    with pytest.raises(BadRequest, match=f"no frame {number}"):
        write_excerpt("frame", clip, tmp_path / "made.png", number)
    assert list(tmp_path.iterdir()) == []


def test_too_long_an_animation_says_what_is_allowed(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("himmel.media.excerpt.MOST_FRAMES", 6)
    with pytest.raises(BadRequest, match="too long for a GIF; allowed: 0 seconds"):
        write_excerpt("gif", clip, tmp_path / "made.gif")


def test_the_process_tells_why_it_cannot(tmp_path):
    (bad := tmp_path / "bad.mp4").write_bytes(b"no clip")
    command = [sys.executable, "-m", "himmel.media.excerpt", "gif", str(bad), str(tmp_path / "made.gif")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == BAD and done.stdout.startswith("cannot read")
    assert "\n" not in done.stdout
