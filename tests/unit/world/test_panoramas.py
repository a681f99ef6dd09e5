"""Panoramas: tone mapping and unrolling on light that is made up here, and the keys that vocabularies name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from himmel.errors import BadRequest, MissingAsset
from himmel.world import panoramas, vocabulary
from himmel.world.panoramas import BOTTOM, PANORAMAS, TOP, build_panoramas, draw_windows, scaled, tone_mapped, unrolled


@pytest.fixture
def grey() -> np.ndarray:
    """Even light, 24 × 48."""
    return np.full((24, 48, 3), 0.3, dtype=np.float32)


def test_vocabulary_and_files_agree() -> None:
    assert set(vocabulary.PANORAMAS) == set(PANORAMAS)
    assert len({panorama.file for panorama in PANORAMAS.values()}) == len(PANORAMAS) >= 7


def test_even_light_becomes_a_middle_grey_whatever_its_strength(grey: np.ndarray) -> None:
    shown = tone_mapped(grey)
    assert 100 < shown.min() == shown.max() < 150
    assert (tone_mapped(grey * 50) == shown).all()


def test_more_light_is_never_darker(grey: np.ndarray) -> None:
    ramp = grey * np.geomspace(0.01, 3000, 48, dtype=np.float32)[None, :, None]
    shown = tone_mapped(ramp)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all() and shown[0] < 20 and shown[-1] == 255


@pytest.mark.parametrize("flaw", [(-3.0, 0.3, 0.3), (-1.0, -1.0, -1.0), (0.0, 0.0, 900.0)])
def test_what_compression_broke_takes_its_neighbours_light(grey: np.ndarray, flaw: tuple[float, ...]) -> None:
    broken = grey.copy()
    broken[10, 20] = flaw
    assert (tone_mapped(broken) == tone_mapped(grey)).all()


def test_a_large_broken_patch_is_white_inside(grey: np.ndarray) -> None:
    broken = grey.copy()
    broken[4:16, 10:22] = (0, 0, 5000)
    assert (tone_mapped(broken)[10, 16] == 255).all()


def test_unrolling_keeps_the_horizon_and_goes_all_the_way_round() -> None:
    sphere = np.zeros((180, 360, 3), dtype=np.uint8)
    sphere[:90] = 200  # the sky
    strip = unrolled(sphere, 64)
    assert strip.shape == (64, round(64 * 2 * np.pi / (TOP + BOTTOM)), 3)
    horizon = round(64 * TOP / (TOP + BOTTOM))
    assert strip[: horizon - 3].min() > 190 and strip[horizon + 3 :].max() < 10


def test_the_seam_is_no_edge() -> None:
    around = np.cos(np.arange(360) / 180 * np.pi) * 100 + 120
    sphere = np.broadcast_to(around[None, :, None], (180, 360, 3)).astype(np.uint8)
    row = unrolled(sphere, 64)[30, :, 0].astype(int)
    assert abs(row[0] - row[-1]) <= np.abs(np.diff(row)).max() + 1


def test_strips_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {PANORAMAS["park"].path: b"", PANORAMAS["lobby"].path: b""}
    monkeypatch.setattr(panoramas, "read_files", lambda archive, cache, wanted: files)
    monkeypatch.setattr(panoramas, "_read", lambda module: np.full((90, 180, 3), 0.5, dtype=np.float32))
    first = build_panoramas(["park", "lobby"], tmp_path, height=32)
    assert set(first) == {"park", "lobby"} and first["park"].dtype == torch.uint8
    assert first["park"].shape == (3, 32, round(32 * 2 * np.pi / (TOP + BOTTOM)))
    monkeypatch.setattr(panoramas, "_read", lambda module: pytest.fail("built again"))
    again = build_panoramas(["lobby", "park"], tmp_path, height=32)
    assert torch.equal(first["park"], again["park"])


def test_unknown_and_absent_panoramas_have_their_errors(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="unknown panoramas: moonbase"):
        build_panoramas(["moonbase"], tmp_path)
    with pytest.raises(MissingAsset, match="himmel world fetch"):
        build_panoramas(["park"], tmp_path)


def test_a_strip_at_another_height_shows_the_same_and_stays_seamless() -> None:
    wave = (torch.cos(torch.arange(120) / 60 * torch.pi) * 100 + 120).byte()
    small = scaled(wave.expand(3, 40, 120), 20)
    assert small.shape == (3, 20, 60) and small.dtype == torch.float32
    row = small[0, 10] * 255
    assert (row - wave[::2].float()).abs().max() < 6
    assert (row[0] - row[-1]).abs() <= row.diff().abs().max()


def test_windows_look_in_the_direction_of_their_seed_and_go_on_round_the_seam() -> None:
    strip = torch.arange(50.0).expand(3, 4, 50)
    views = draw_windows(strip, range(40), 20)
    assert views.shape == (40, 3, 4, 20)
    starts = views[:, 0, 0, 0]
    assert len(starts.unique()) > 15 and (starts > 30).any()
    steps = views[:, 0, 0].diff(dim=1)
    assert ((steps == 1) | (steps == -49)).all()
    assert torch.equal(draw_windows(strip, [7], 20)[0], views[7])
