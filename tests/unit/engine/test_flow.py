"""Noising, teacher forcing, and a loss that can be descended."""

import torch

from himmel.engine.flow import (
    context_levels,
    flow_loss,
    noised,
    teacher_forcing,
    training_levels,
    velocities,
)
from himmel.engine.shapes import Blocks
from himmel.engine.tasks import REFERENCE, Ahead


def test_the_ends_of_the_line():
    latents, noise = torch.randn(2, 3, 8, 4, 4), torch.randn(2, 3, 8, 4, 4)
    assert torch.equal(noised(latents, noise, torch.zeros(2, 3)), latents)
    assert torch.equal(noised(latents, noise, torch.ones(2, 3)), noise)


def test_levels_are_one_per_block():
    levels = training_levels(5, Blocks(7, 3))
    assert levels.shape == (5, 7)
    assert torch.equal(levels[:, 1], levels[:, 3])
    assert not torch.equal(levels[:, 0], levels[:, 1])
    assert 0 < levels.min() and levels.max() < 1


def test_half_of_the_context_is_clean():
    levels = context_levels(1000, 2, torch.Generator().manual_seed(0))
    assert 0.4 < (levels[:, 0] == 0).float().mean() < 0.6
    assert levels.max() <= 0.2


def test_who_sees_whom():
    order, visible = teacher_forcing(Blocks(7, 3))  # blocks: 0 | 1 2 3 | 4 5 6
    assert order.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6]
    sees = {
        place: {(int(order[other]), "clean" if other < 4 else "noisy") for other in visible[place].nonzero()[:, 0]}
        for place in range(len(order))
    }
    assert sees[0] == {(0, "clean")}
    assert sees[2] == {(0, "clean"), (1, "clean"), (2, "clean"), (3, "clean")}
    assert sees[4] == {(0, "noisy")}
    assert sees[6] == {(0, "clean"), (1, "noisy"), (2, "noisy"), (3, "noisy")}
    assert sees[10] == {(i, "clean") for i in range(4)} | {(i, "noisy") for i in (4, 5, 6)}


def test_a_reference_is_seen_by_all_and_sees_itself():
    order, visible = teacher_forcing(Blocks(4, 3), torch.tensor([REFERENCE, 2, -1]))
    assert order.tolist() == [REFERENCE, 2, -1, 0, 0, 1, 2, 3]
    assert visible[:, 0].tolist() == [True, False, False, True, True, True, True, True]
    assert not visible[3:, 2].any() and visible[0].sum() == 1


def test_training_sees_a_reference_as_sampling_does(tiny_model):
    from himmel.engine.streaming import UncachedContext

    torch.manual_seed(1)
    model = tiny_model.generator.transformer
    prompt = tiny_model.generator.read(tiny_model.tokenizer(["a cat"], 16))
    latents, levels = torch.randn(1, 4, 8, 4, 4), torch.tensor([[0.3, 0.6, 0.6, 0.6]])
    shown = Ahead(torch.randn(1, 1, 8, 4, 4), torch.tensor([REFERENCE]))
    found = velocities(model, latents, levels, latents, torch.zeros(1, 4), prompt, shown)
    context = UncachedContext(model)
    context.look_ahead(shown, prompt)
    context.write(latents[:, :1], prompt)
    context.look_ahead(shown, prompt)
    expected = context.velocity(latents[:, 1:], levels[:, 1:], torch.zeros(1, 3), prompt)
    assert torch.allclose(found[:, 1:], expected, atol=1e-4)


def test_training_sees_what_sampling_sees(tiny_model):
    """A noisy block beside the clean copy has the velocity that it has after a written past."""
    from himmel.engine.streaming import UncachedContext

    torch.manual_seed(1)
    model = tiny_model.generator.transformer
    prompt = tiny_model.generator.read(tiny_model.tokenizer(["a cat"], 16))
    latents, noise = torch.randn(1, 4, 8, 4, 4), torch.randn(1, 4, 8, 4, 4)
    levels = torch.tensor([[0.3, 0.6, 0.6, 0.6]])
    errors = flow_loss(model, latents, noise, levels, torch.zeros(1, 4), prompt)
    context = UncachedContext(model)
    context.write(latents[:, :1], prompt)
    velocity = context.velocity(noised(latents, noise, levels)[:, 1:], levels[:, 1:], torch.zeros(1, 3), prompt)
    expected = (velocity - (noise - latents)[:, 1:]).square().mean(2)
    assert torch.allclose(errors[:, 1:], expected, atol=1e-4)
