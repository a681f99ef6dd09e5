"""The pool of training clips: repeatable, never held out, used about as often as it says."""

from contextlib import closing

import pytest
import torch

from himmel.training.data import Pool
from himmel.world.scene import held_out
from himmel.world.vocabulary import LAPTOP


def pool(size=32, reuse=4.0, seed=0, portion=0):
    made = []

    def make(scenes):
        made.extend(scenes)
        return torch.tensor([float(scene.seed % 1000) for scene in scenes])

    return Pool(LAPTOP, make, size, reuse, seed, portion), made


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


def test_beside_the_training_the_same_scenes_are_made_in_the_same_order():
    seen = []
    for _ in range(2):
        with closing(pool(size=32, reuse=2.0, portion=12)[0]) as ours:
            batches = [ours.batch(8) for _ in range(20)]
            for scenes, rows in batches:
                assert rows.tolist() == [scene.seed % 1000 for scene in scenes]
            assert ours.made.tolist() == [scene.seed % 1000 for scene in ours.scenes], "around the end as well"
            seen.append([scenes for scenes, _ in batches])
    assert seen[0] == seen[1]


def test_beside_the_training_scenes_are_used_as_often_as_asked():
    ours, _ = pool(size=64, reuse=4.0, portion=16)
    with closing(ours):
        ours.batch(16)
        first = {scene.seed for scene in ours.scenes}
        for _ in range(15):
            ours.batch(16)
        assert len({scene.seed for scene in ours.scenes} - first) == 64, "256 uses, 64 new ones: all are new"


def test_what_goes_wrong_beside_the_training_is_raised_in_it():
    calls = []

    def make(scenes):
        calls.append(len(scenes))
        if len(calls) > 2:
            raise RuntimeError("no more art")
        return torch.zeros(len(scenes))

    def five():
        return [ours.batch(8) for _ in range(5)]

    with closing(Pool(LAPTOP, make, 8, 1.0, 0, portion=8)) as ours, pytest.raises(RuntimeError, match="no more art"):
        five()


def test_a_closed_pool_makes_nothing_more():
    ours, made = pool(size=16, portion=8)
    ours.batch(8)
    ours.close()
    assert ours.ahead is not None and not ours.ahead.thread.is_alive()
    assert len(made) <= 16 + 8 * 4
