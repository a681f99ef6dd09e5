"""The pool of training clips: repeatable, never held out, used about as often as it says."""

import torch

from himmel.training.data import Pool
from himmel.world.scene import held_out
from himmel.world.vocabulary import LAPTOP


def pool(size=32, reuse=4.0, seed=0):
    made = []

    def make(scenes):
        made.extend(scenes)
        return torch.tensor([float(scene.seed % 1000) for scene in scenes])

    return Pool(LAPTOP, make, size, reuse, seed), made


def test_rows_belong_to_their_scenes():
    ours, _ = pool()
    for _ in range(10):
        scenes, rows = ours.batch(8)
        assert rows.tolist() == [scene.seed % 1000 for scene in scenes]


def test_no_scene_is_held_out():
    ours, made = pool(size=64)
    ours.batch(32)
    assert not any(held_out(scene) for scene in made)


def test_scenes_are_used_as_often_as_asked():
    ours, made = pool(size=64, reuse=4.0)
    for _ in range(100):
        ours.batch(16)
    fresh = len(made) - 64
    assert abs(fresh - 100 * 16 / 4) <= 8


def test_the_same_seed_gives_the_same_batches():
    one, two, other = pool()[0], pool()[0], pool(seed=10**6)[0]
    assert one.batch(8)[0] == two.batch(8)[0]
    assert one.batch(8)[0] != other.batch(8)[0]


def test_a_batch_repeats_nothing():
    scenes, _ = pool()[0].batch(32)
    assert len({scene.seed for scene in scenes}) == 32
