import numpy as np
import pytest
from PIL import Image, ImageSequence

from himmel.errors import BadRequest, CannotWrite
from himmel.media.animation import write_animation

BACKGROUND = np.stack(np.broadcast_arrays(*np.ogrid[0:240:48j, 0:240:64j], 120.0), axis=-1)


def clip(count=12):
    """A red square that crosses many colours, the upper half of which never changes."""
    frames = np.broadcast_to(BACKGROUND, (count, 48, 64, 3)).astype(np.uint8)
    for index in range(count):
        frames[index, 28:44, 4 * index : 4 * index + 16] = (220, 30, 30)
    return frames


def shown(path):
    """All frames, and for how many milliseconds each stands."""
    with Image.open(path) as image:
        seen = [(np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    return np.stack([frame for frame, _ in seen]), [duration for _, duration in seen]


def signal_to_noise(seen, meant):
    return 10 * np.log10(255**2 / ((seen.astype(float) - meant) ** 2).mean())


@pytest.mark.parametrize(("kind", "at_least"), [("webp", 32), ("gif", 30)])
def test_an_animation_shows_the_frames_in_their_time_for_ever(tmp_path, kind, at_least):
    path = tmp_path / f"clip.{kind}"
    assert write_animation(path, [clip()[:5], clip()[5:]], fps=8) == 12
    frames, durations = shown(path)
    assert frames.shape == clip().shape
    assert signal_to_noise(frames, clip()) > at_least
    assert sum(durations) == 1500
    assert max(durations) - min(durations) <= 10
    assert Image.open(path).info["loop"] == 0


def test_what_stands_still_does_not_flicker_in_a_gif(tmp_path):
    write_animation(tmp_path / "clip.gif", [clip()], fps=8)
    frames, _ = shown(tmp_path / "clip.gif")
    assert (frames[:, :28] == frames[0, :28]).all()


def test_a_gif_has_one_palette(tmp_path):
    write_animation(tmp_path / "clip.gif", [clip()], fps=8)
    frames, _ = shown(tmp_path / "clip.gif")
    assert len(np.unique(frames.reshape(-1, 3), axis=0)) <= 255


def test_a_small_bright_thing_keeps_its_colour_in_a_gif(tmp_path):
    frames = clip()
    frames[:, 2:5, 2:5] = (255, 255, 0)
    write_animation(tmp_path / "clip.gif", [frames], fps=8)
    seen, _ = shown(tmp_path / "clip.gif")
    assert np.abs(seen[:, 3, 3].astype(int) - (255, 255, 0)).max() < 32


def test_animations_are_made_smaller_never_larger(tmp_path):
    write_animation(tmp_path / "small.webp", [clip(2)], fps=8, width=32)
    write_animation(tmp_path / "same.webp", [clip(2)], fps=8, width=640)
    assert Image.open(tmp_path / "small.webp").size == (32, 24)
    assert Image.open(tmp_path / "same.webp").size == (64, 48)


def test_animations_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(BadRequest, match=r"allowed: \.webp, \.gif"):
        write_animation(tmp_path / "clip.png", [clip(1)], fps=8)
    with pytest.raises(BadRequest, match="at most 50"):
        write_animation(tmp_path / "clip.gif", [clip(1)], fps=60)
    with pytest.raises(CannotWrite, match="does not exist"):
        write_animation(tmp_path / "nowhere" / "clip.gif", [clip(1)], fps=8)
    assert list(tmp_path.iterdir()) == []
