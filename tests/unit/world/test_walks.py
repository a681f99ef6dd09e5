"""Walk cycles: who has one, which frame is seen when, and that nobody else is touched."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from himmel.world.caption import caption
from himmel.world.nouns import NOUNS
from himmel.world.render import Renderer
from himmel.world.scene import Actor, Scene
from himmel.world.sprites import Atlas
from himmel.world.staging import cut_outs, strides
from himmel.world.vocabulary import LAPTOP
from himmel.world.walks import CHARACTERS, FRAMES, STANDING, STYLE, frame_names, frames_at, paths, walks

FPS = 24
STILL = ("stand", "jump", "spin", "grow", "rock", "shake", "pulse")


def scene(*motions: str, noun: str = "man", style: str = STYLE) -> Scene:
    return Scene((Actor(noun, motions),), "meadow", style, seed=4)


def drawn_atlas() -> Atlas:
    """A man whose every picture has a brightness of its own, and a cat, in cartoon and in 3D."""
    keys = (("man", STYLE), ("man", "3d"), ("cat", STYLE), *((name, STYLE) for name in frame_names("man")))
    pixels = torch.zeros(len(keys), 4, 32, 32, dtype=torch.uint8)
    pixels[:, 3, 2:30, 8:24] = 255
    pixels[:, :3] = torch.linspace(40, 240, len(keys)).byte()[:, None, None, None]
    return Atlas(keys, pixels)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(drawn_atlas(), 48, 48, FPS)


def shown(renderer: Renderer, asked: Scene) -> list[int]:
    """Which row of the atlas is seen, frame by frame, by its brightness."""
    pixels = renderer.render_with_coverage([asked], 4 * FPS)[0]
    middle = pixels[:, 3] > 0.99
    levels = torch.linspace(40, 240, len(renderer.atlas.keys)).byte().float() / 255
    return [_nearest(levels, frame[0][inside]) for frame, inside in zip(pixels, middle, strict=True) if inside.any()]


def _nearest(levels: Tensor, seen: Tensor) -> int:
    return int((levels - seen.median()).abs().argmin())


def test_characters_are_nouns_that_face_right_as_published() -> None:
    assert all(NOUNS[key].kind == "person" and NOUNS[key].facing[STYLE] == "right" for key in CHARACTERS)
    assert not set(CHARACTERS) & set(LAPTOP.nouns)
    assert walks("robot", "cartoon") and not walks("robot", "3d") and not walks("cat", "cartoon")
    assert len(paths("man")) == len(set(paths("man"))) == FRAMES + 1
    assert paths("man")[1].endswith("male_person/malePerson_walk0.png") and paths("robot")[0].endswith("robot_idle.png")


def test_frames_follow_one_another_at_a_walker_s_pace() -> None:
    time = torch.arange(4 * FPS) / FPS
    going = torch.ones(3, len(time), dtype=torch.bool)
    frames = frames_at(time, torch.tensor([[0.35], [0.5], [9.0]]), torch.full((3, 1), 1.1), going)
    assert frames.min() == 0 and frames.max() == FRAMES - 1
    assert all(bool(((row[1:] - row[:-1]) % FRAMES <= 1).all()) for row in frames)
    turns = [int((row[1:] < row[:-1]).sum()) for row in frames]
    assert turns[0] < turns[1] < turns[2] <= 7  # faster ground, faster feet, within reason
    assert bool((frames_at(time, torch.tensor([[0.35]]), torch.tensor([[1.1]]), ~going[:1]) == STANDING).all())


@pytest.mark.parametrize("motions", [("go_right",), ("go_left",), ("zigzag",), ("circle",), ("jump", "go_left")])
def test_who_goes_somewhere_walks(motions: tuple[str, ...]) -> None:
    frames = strides(cut_outs([scene(*motions)]), torch.arange(4 * FPS) / FPS)
    assert set(range(FRAMES)) <= set(frames.flatten().tolist())


@pytest.mark.parametrize("motion", STILL)
def test_who_stays_stands(motion: str) -> None:
    assert bool((strides(cut_outs([scene(motion)]), torch.arange(2 * FPS) / FPS) == STANDING).all())


def test_two_steps_walk_only_while_they_go() -> None:
    actors = cut_outs([scene("go_right", "jump")])
    time = torch.arange(5 * FPS) / FPS
    frames = strides(actors, time)[0]
    assert frames[FPS // 2] != STANDING
    assert bool((frames[time > actors[0].turn + 0.1] == STANDING).all())


def test_the_picture_changes_with_the_step(renderer: Renderer) -> None:
    walking = shown(renderer, scene("go_right"))
    assert len(set(walking) & set(renderer.atlas.cycle("man", STYLE)[1:])) == FRAMES
    assert set(shown(renderer, scene("jump"))) == {renderer.atlas.index("man", STYLE)}
    assert set(shown(renderer, scene("go_right", style="3d"))) == {renderer.atlas.index("man", "3d")}


def test_a_later_start_shows_the_same_steps(renderer: Renderer) -> None:
    whole = renderer.render([scene("go_right")], 12)
    assert torch.equal(renderer.render([scene("go_right")], 5, start=7), whole[:, 7:])


def test_nobody_else_is_drawn_otherwise_for_there_being_walkers(renderer: Renderer) -> None:
    cat = scene("go_right", noun="cat")
    atlas = drawn_atlas()
    without = Renderer(Atlas(atlas.keys[:3], atlas.pixels[:3]), 48, 48, FPS)
    assert torch.equal(renderer.render([cat], 6), without.render([cat], 6))
    assert torch.equal(renderer.render([scene("go_left"), cat], 6)[1:], renderer.render([cat], 6))


@pytest.mark.parametrize(("language", "word"), [("en", "walk"), ("de", "läuft"), ("ja", "歩")])
def test_captions_say_that_they_walk(language: str, word: str) -> None:
    said = [caption(scene("go_right", noun=noun), random.Random(i), language) for i in range(20) for noun in CHARACTERS]
    assert sum(word in text for text in said) > len(said) / 12
