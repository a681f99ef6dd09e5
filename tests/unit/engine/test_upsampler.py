"""Four times the size, and nobody sees where tiles and chunks end."""

import pytest
import torch
import torch.nn.functional as F

from himmel.engine.upsampler import Upsampler, UpsamplerConfig, calmed, load_upsampler, save_upsampler
from himmel.errors import BadCheckpoint

SMALL = UpsamplerConfig(width=8, depth=2, fine=8)


@pytest.fixture
def upsampler():
    """A network with random weights everywhere, so that everything has its effect."""
    torch.manual_seed(0)
    upsampler = Upsampler(SMALL).eval().requires_grad_(False)
    for parameter in upsampler.parameters():
        if parameter.ndim == 2:
            parameter.normal_(std=parameter.shape[1] ** -0.5)
    return upsampler


def frames(count, height, width):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def whole(upsampler, clip):
    clip = calmed(clip, None)
    return upsampler(clip, torch.cat([clip[:1], clip[:-1]])).clamp(0, 1)


def test_untrained_it_is_plain_scaling():
    clip = frames(2, 12, 20)
    (made,) = Upsampler(SMALL).stream([clip])
    assert torch.allclose(made, F.interpolate(clip, scale_factor=4, mode="bicubic").clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("tile", [16, 23, 40, 64])
def test_tiles_do_not_show(upsampler, tile):
    clip = frames(3, 40, 53)
    made = torch.cat(list(upsampler.stream([clip], tile=tile)))
    assert made.shape == (3, 3, 160, 212)
    assert torch.allclose(made, whole(upsampler, clip), atol=1e-5)


def test_the_margin_of_tiles_is_as_wide_as_the_network_sees(upsampler):
    clip = frames(1, 48, 48)
    changed = clip.clone()
    changed[..., 24, 24] += 1
    moved = (upsampler(clip, clip) - upsampler(changed, changed)).abs().amax((0, 1)) > 1e-7
    reached = moved.nonzero()[:, 0]
    reach = max(4 * 24 - int(reached.min()), int(reached.max()) - 4 * 25 + 1) / 4
    assert SMALL.reach - 2 < reach <= SMALL.reach


def test_chunks_do_not_show_and_one_frame_is_remembered(upsampler):
    clip = frames(7, 16, 16)
    made = torch.cat(list(upsampler.stream([clip[:1], clip[1:4], clip[4:]])))
    assert torch.allclose(made, whole(upsampler, clip), atol=1e-5)
    alone = torch.cat(list(upsampler.stream([clip[3:4]])))
    assert not torch.allclose(made[3:4], alone, atol=1e-3)


def test_what_trembles_is_calmed_and_what_moves_is_not():
    still = frames(1, 16, 16).expand(12, -1, -1, -1)
    trembling = still + torch.randn(still.shape, generator=torch.Generator().manual_seed(2)) / 255
    calm = calmed(trembling, None)
    assert calm[4:].diff(dim=0).abs().mean() < 0.6 * trembling[4:].diff(dim=0).abs().mean()
    assert (calm[-1] - still[-1]).abs().mean() < (trembling[-1] - still[-1]).abs().mean()
    moving = still.clone()
    moving[:, :, 4:12, 4:12] = torch.linspace(0, 1, 12)[:, None, None, None]
    late = (calmed(moving, None) - moving).abs()
    assert late[:, :, 5:11, 5:11].amax() < 1e-6
    assert late.amax() < 8 / 255


def test_frames_come_before_the_clip_is_known(upsampler):
    def endless():
        while True:
            yield frames(1, 16, 16)

    stream = upsampler.stream(endless())
    assert next(stream).shape == next(stream).shape == (1, 3, 64, 64)


def test_large_pictures_come_frame_by_frame_and_small_ones_together(upsampler):
    assert [len(made) for made in upsampler.stream([frames(3, 40, 40)], tile=32)] == [1, 1, 1]
    assert [len(made) for made in upsampler.stream([frames(5, 16, 16)], tile=32)] == [4, 1]


def test_a_file_gives_the_same_network_and_no_other_kind(upsampler, tmp_path):
    path = tmp_path / "upsampler.safetensors"
    save_upsampler(path, upsampler, "Apache-2.0", {"steps": 1})
    again = load_upsampler(path)
    assert again.config == SMALL
    clip = frames(2, 16, 16)
    assert torch.allclose(whole(again, clip), whole(upsampler, clip), atol=5e-3)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(BadCheckpoint):
        load_upsampler(path)
