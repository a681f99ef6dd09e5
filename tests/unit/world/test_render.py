"""Rendering: what the scene says is in the pixels. The cut-outs are drawn here; no art is needed."""

import colorsys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from himmel.errors import MissingAsset
from himmel.world.render import INKS, Renderer
from himmel.world.scene import Actor, Scene, sample_scene
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary

SIDE = 48
FRAMES = 9  # over four seconds
WORLD = Vocabulary(
    nouns=("cat", "car"), styles=("3d",), settings=("meadow", "park", "space"), max_actors=2, p_weather=0.5, p_light=0.5
)


def drawn_atlas() -> Atlas:
    """A cat that is a red square with a blue right half, a car that is an orange disc, and a panorama of stripes."""
    pixels = torch.zeros(2, 4, 32, 32, dtype=torch.uint8)
    pixels[0, :, 2:30, 2:16] = torch.tensor([230, 20, 20, 255], dtype=torch.uint8)[:, None, None]
    pixels[0, :, 2:30, 16:30] = torch.tensor([20, 20, 230, 255], dtype=torch.uint8)[:, None, None]
    reach = torch.arange(32) - 15.5
    disc = reach[:, None] ** 2 + reach**2 < 14**2
    pixels[1] = torch.tensor([240, 140, 20, 255], dtype=torch.uint8)[:, None, None] * disc
    stripes = torch.rand(3, 8, 34, generator=torch.Generator().manual_seed(0)) * 255
    panorama = stripes.byte().repeat_interleave(8, 1).repeat_interleave(8, 2)
    return Atlas((("cat", "3d"), ("car", "3d")), pixels, {"park": panorama})


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(drawn_atlas(), SIDE, SIDE, 2)


@pytest.fixture(scope="module")
def empty() -> Renderer:
    """Draws the same scenes without anybody in them."""
    atlas = drawn_atlas()
    return Renderer(replace(atlas, pixels=torch.zeros_like(atlas.pixels)), SIDE, SIDE, 2)


def scene(*motions: str, noun: str = "car", setting: str = "meadow", **changes: object) -> Scene:
    actor = {name: changes.pop(name) for name in ("colour", "size", "count") if name in changes}
    return replace(Scene((Actor(noun, motions or ("stand",), **actor),), setting, seed=11), **changes)


def covered(renderer: Renderer, empty: Renderer, *scenes: Scene) -> Tensor:
    """Where a pixel differs from the empty backdrop, (B, T, H, W)."""
    return (renderer.render(scenes, FRAMES) - empty.render(scenes, FRAMES)).abs().amax(2) > 0.06


def centre(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Centroids (..., H, W) → x and y in pixels."""
    mask = mask.float()
    total = mask.sum((-2, -1))
    along = torch.arange(mask.shape[-1]) + 0.5
    down = torch.arange(mask.shape[-2]) + 0.5
    return (mask.sum(-2) * along).sum(-1) / total, (mask.sum(-1) * down).sum(-1) / total


def slid(before: Tensor, after: Tensor, dim: int) -> int:
    """By how many pixels a picture (3, H, W) has moved along a dimension, found by trying."""
    size, most = before.shape[dim], before.shape[dim] // 2
    errors = {}
    for shift in range(-most, most + 1):
        length = size - abs(shift)
        one = before.narrow(dim, max(0, -shift), length)
        other = after.narrow(dim, max(0, shift), length)
        errors[shift] = float((one - other).abs().mean())
    return min(errors, key=lambda shift: errors[shift])


def test_shape_and_range_of_every_kind_of_scene(renderer: Renderer) -> None:
    clips = renderer.render([sample_scene(WORLD, seed) for seed in range(24)], 3)
    assert clips.shape == (24, 3, 3, SIDE, SIDE) and clips.dtype == torch.float32
    assert clips.isfinite().all() and clips.min() >= 0 and clips.max() <= 1
    assert (clips.flatten(1).std(1) > 0.03).all()


def test_a_scene_has_the_same_pixels_in_any_company(renderer: Renderer) -> None:
    scenes = [sample_scene(WORLD, seed) for seed in range(12)]
    together = renderer.render(scenes, 3)
    for alone, clip in zip(scenes, together, strict=True):
        torch.testing.assert_close(renderer.render([alone], 3)[0], clip, atol=1e-3, rtol=0)
    torch.testing.assert_close(renderer.render(scenes[::-1], 3).flip(0), together, atol=1e-3, rtol=0)


def test_a_later_start_shows_the_same_frames(renderer: Renderer) -> None:
    for one in (scene("spin"), scene("jump", weather="rain"), scene(camera="pan_left", setting="park")):
        whole = renderer.render([one], FRAMES)
        torch.testing.assert_close(renderer.render([one], 4, start=5), whole[:, 5:], atol=1e-3, rtol=0)


def test_the_coverage_is_where_the_actors_are(renderer: Renderer, empty: Renderer) -> None:
    one = scene("jump", camera="zoom_in")
    coverage = renderer.render_with_coverage([one], FRAMES)[:, :, 3]
    seen = covered(renderer, empty, one)
    assert coverage.min() >= 0 and coverage.max() <= 1
    assert ((coverage > 0.5) == seen).float().mean() > 0.97 and seen.float().mean() > 0.05


@pytest.mark.parametrize(("motion", "sign"), [("go_right", 1), ("go_left", -1)])
@pytest.mark.parametrize("camera", ["static", "pan_left", "pan_right"])
def test_who_goes_really_moves_across_the_picture(
    renderer: Renderer, empty: Renderer, motion: str, sign: int, camera: str
) -> None:
    x, y = centre(covered(renderer, empty, scene(motion, camera=camera))[0])
    assert sign * (x[-1] - x[0]) > 0.25 * SIDE
    assert (sign * x.diff() > -1.2).all() and (y - y[0]).abs().max() < 1.5


@pytest.mark.parametrize(("motion", "sign"), [("rise", -1), ("fall", 1)])
def test_who_rises_or_falls_moves_up_or_down(renderer: Renderer, empty: Renderer, motion: str, sign: int) -> None:
    x, y = centre(covered(renderer, empty, scene(motion))[0])
    assert sign * (y[-1] - y[0]) > 0.25 * SIDE and (x - x[0]).abs().max() < 1.5


@pytest.mark.parametrize(("motion", "sign"), [("grow", 1), ("shrink", -1)])
def test_who_grows_or_shrinks_changes_in_area(renderer: Renderer, empty: Renderer, motion: str, sign: int) -> None:
    area = covered(renderer, empty, scene(motion))[0].float().mean((1, 2))
    assert (sign * area.diff() >= -0.002).all()
    assert (area[-1] / area[0]).log() * sign > 1


@pytest.mark.parametrize(("motions", "faces"), [(("go_right",), 1), (("go_left",), -1), (("stand",), 1)])
def test_pictures_look_where_they_go(renderer: Renderer, motions: tuple[str, ...], faces: int) -> None:
    clip = renderer.render([scene(*motions, noun="cat")], FRAMES)[0]
    red = (clip[:, 0] > 0.6) & (clip[:, 2] < 0.3)
    blue = (clip[:, 2] > 0.6) & (clip[:, 0] < 0.3)
    assert (faces * (centre(blue)[0] - centre(red)[0]) > 3).all()


def test_who_turns_back_turns_round(renderer: Renderer) -> None:
    clip = renderer.render([scene("go_right", "go_left", noun="cat")], FRAMES)[0]
    red, blue = ((clip[:, c] > 0.6) & (clip[:, 2 - c] < 0.3) for c in (0, 2))
    ahead = centre(blue)[0] - centre(red)[0]
    assert ahead[1] > 3 and ahead[-2] < -3


@pytest.mark.parametrize("colour", sorted(set(INKS) - {"white", "black"}))
def test_a_colour_word_gives_its_hue(renderer: Renderer, colour: str) -> None:
    one = scene(colour=colour, size="big")
    clip, coverage = renderer.render_with_coverage([one], 1)[0, 0].split([3, 1])
    mean = clip[:, coverage[0] > 0.99].mean(1)
    apart = abs(colorsys.rgb_to_hsv(*mean.tolist())[0] - colorsys.rgb_to_hsv(*INKS[colour])[0])
    assert min(apart, 1 - apart) < 0.03


def test_white_is_nearly_white_and_black_nearly_black(renderer: Renderer) -> None:
    scenes = [scene(colour=colour) for colour in ("white", "black", None)]
    clips, coverage = renderer.render_with_coverage(scenes, 1)[:, 0].split([3, 1], 1)
    white, black, own = (clip[:, cover[0] > 0.99].mean() for clip, cover in zip(clips, coverage, strict=True))
    assert white > 0.88 and black < 0.2 and 0.3 < own < 0.8


def test_sizes_and_counts_are_on_the_picture(renderer: Renderer, empty: Renderer) -> None:
    scenes = [scene(size="small"), scene(), scene(size="big"), scene(count=3, size="small")]
    area = covered(renderer, empty, *scenes)[:, 0].float().mean((1, 2))
    assert area[0] * 1.5 < area[1] and area[1] * 1.5 < area[2]
    columns = covered(renderer, empty, scenes[3])[0, 0].any(0).int()
    assert (columns.diff() == 1).sum() + columns[0] == 3  # three discs side by side, with gaps between


def test_who_is_in_front_covers_who_is_behind(renderer: Renderer) -> None:
    pair = (Actor("cat"), Actor("car"))
    front, behind = (
        renderer.render([Scene(pair, "meadow", relation=relation, seed=2)], 1)[0, 0]
        for relation in ("in_front_of", "behind")
    )
    red = [float(((clip[0] > 0.6) & (clip[1] < 0.3)).float().mean()) for clip in (front, behind)]
    assert red[0] > 1.3 * red[1] > 0  # the disc hides a part of the red half


def test_zooming_in_enlarges_and_zooming_out_makes_smaller(renderer: Renderer, empty: Renderer) -> None:
    closer, farther = (
        covered(renderer, empty, scene(size="small", camera="zoom_in"), scene(size="small", camera="zoom_out"))
        .float()
        .mean((2, 3))
    )
    assert closer[-1] / closer[0] == pytest.approx(1.6**2, rel=0.15)
    assert farther[0] / farther[-1] == pytest.approx(1.6**2, rel=0.15)


def test_a_zoom_keeps_the_centre_and_spreads_the_rest(empty: Renderer) -> None:
    clip = empty.render([scene(setting="park", camera="zoom_in")], FRAMES)[0]
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 1)
    drift = (clip[:, :, middle, middle] - clip[:1, :, middle, middle]).abs().mean((1, 2, 3))
    assert drift.max() < 0.08
    assert (clip[-1] - clip[0]).abs().mean() > 0.1
    crop = SIDE * (1 - 1 / 1.6) / 2
    inner = clip[:1, :, round(crop) : round(SIDE - crop), round(crop) : round(SIDE - crop)]
    enlarged = torch.nn.functional.interpolate(inner, size=(SIDE, SIDE), mode="bilinear")[0]
    assert (clip[-1] - enlarged).abs().mean() < 0.4 * (clip[-1] - clip[0]).abs().mean()


@pytest.mark.parametrize(
    ("camera", "dim", "shift"),
    [("pan_right", 2, -0.35), ("pan_left", 2, 0.35), ("tilt_down", 1, -0.286), ("tilt_up", 1, 0.286)],
)
@pytest.mark.parametrize("setting", ["park", "city"])
def test_the_backdrop_moves_against_the_camera(
    empty: Renderer, setting: str, camera: str, dim: int, shift: float
) -> None:
    clip = empty.render([scene(setting=setting, camera=camera)], FRAMES)[0]
    assert slid(clip[0], clip[-1], dim) == pytest.approx(shift * SIDE, abs=1.5)


def test_a_panorama_is_looked_at_in_a_direction_that_the_seed_settles(empty: Renderer) -> None:
    views = empty.render([scene(setting="park", seed=seed) for seed in range(8)], 1)[:, 0]
    others = [
        min(float((one - other).abs().mean()) for j, other in enumerate(views) if j != i) for i, one in enumerate(views)
    ]
    assert sum(apart > 0.05 for apart in others) >= 6
    torch.testing.assert_close(empty.render([scene(setting="park", seed=3)], 1)[0, 0], views[3])


def test_a_panorama_that_was_not_given_is_asked_for(renderer: Renderer) -> None:
    with pytest.raises(MissingAsset, match="quay"):
        renderer.render([scene(setting="quay")], 1)


def test_a_cut_out_that_was_not_given_is_asked_for(renderer: Renderer) -> None:
    with pytest.raises(MissingAsset, match="owl"):
        renderer.render([scene(noun="owl")], 1)


@pytest.mark.parametrize("setting", ["meadow", "park"])
def test_nights_are_darker_and_bluer_than_days(renderer: Renderer, setting: str) -> None:
    day, night = renderer.render([scene(setting=setting), scene(setting=setting, light="night")], 1).mean((1, 3, 4))
    assert night.mean() < 0.75 * day.mean() and night[2] / night[0] > 1.2 * day[2] / day[0]


def test_weather_falls_in_front_of_everything(renderer: Renderer) -> None:
    dry, wet = renderer.render([scene(), scene(weather="snowfall")], 1)
    covered_by_flakes = (wet - dry).abs().amax(1)[0] > 0.15
    assert covered_by_flakes.float().mean() > 0.01


def test_round_things_stay_round_in_a_wide_frame() -> None:
    wide = Renderer(drawn_atlas(), 32, 64, 2)
    coverage = wide.render_with_coverage([scene("spin", setting="space", size="big")], 3)[0, :, 3] > 0.5
    across, down = coverage.any(1).sum(1), coverage.any(2).sum(1)
    assert ((across - down).abs() <= 1).all() and (down > 8).all()
