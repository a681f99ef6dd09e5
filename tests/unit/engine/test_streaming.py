"""Clips are made block by block: the cache tells the truth, memory stays flat, known frames stay."""

import torch

from himmel.engine.streaming import CachedContext, UncachedContext, Window
from himmel.engine.tasks import image_to_video, text_to_video, with_known

# The cache changes the order of additions and nothing else; float32 leaves a few units in the last places.
TOLERANCE = 1e-4
STEPS = 3


def made(model, task, context=None, seeds=(7,), guidance=3.0):
    clips = len(seeds)
    blocks = model.latents(task, ["a cat"] * clips, [""] * clips, list(seeds), STEPS, guidance, context)
    return torch.cat(list(blocks), 1)


def blank(model, frames, clips=1):
    return text_to_video(model.latent_shape(frames), clips, 8, torch.device("cpu"))


def test_cached_and_uncached_generation_agree(tiny_model):
    task = blank(tiny_model, 8)
    cached = made(tiny_model, task, CachedContext(tiny_model.generator.transformer, Window()))
    uncached = made(tiny_model, task, UncachedContext(tiny_model.generator.transformer))
    assert torch.allclose(cached, uncached, atol=TOLERANCE)


def test_what_was_made_before_matters(tiny_model):
    task = blank(tiny_model, 4)
    first = torch.randn(1, 1, 8, 4, 4)
    with_first = made(tiny_model, image_to_video(task.shape, first))
    without = made(tiny_model, task)
    assert (with_first[:, 1:] - without[:, 1:]).abs().max() > 1e-3


def test_known_frames_come_back_exactly(tiny_model):
    given = torch.randn(1, 2, 8, 4, 4)
    task = with_known(blank(tiny_model, 8), 2, given)
    assert torch.equal(made(tiny_model, task)[:, 2:4], given)


def test_same_seed_same_clip_and_another_seed_another(tiny_model):
    task = blank(tiny_model, 4)
    assert torch.equal(made(tiny_model, task), made(tiny_model, task))
    assert not torch.equal(made(tiny_model, task), made(tiny_model, task, seeds=(8,)))


def test_a_longer_clip_begins_as_the_shorter_one(tiny_model):
    short, long = made(tiny_model, blank(tiny_model, 4)), made(tiny_model, blank(tiny_model, 7))
    assert torch.equal(short, long[:, :4])


def test_clips_of_a_batch_do_not_know_of_each_other(tiny_model):
    together = made(tiny_model, blank(tiny_model, 4, clips=2), seeds=(7, 8))
    alone = made(tiny_model, blank(tiny_model, 4), seeds=(8,))
    assert torch.allclose(together[1:], alone, atol=TOLERANCE)


def test_the_memory_stops_growing(tiny_model):
    window = Window(sink=1, recent=3)
    context = CachedContext(tiny_model.generator.transformer, window)
    made(tiny_model, blank(tiny_model, 20), context)
    tokens = tiny_model.latent_shape(1).tokens_per_frame
    assert context.past.layers[0].keys.shape[2] == (window.sink + window.recent) * tokens
    assert context.past.times.tolist() == [0, 1, 2, 3]


def test_guidance_one_asks_the_model_once(tiny_model):
    task = blank(tiny_model, 4)
    assert not torch.equal(made(tiny_model, task, guidance=1), made(tiny_model, task, guidance=2))


def test_latents_lie_on_the_sphere(tiny_model):
    latents = made(tiny_model, blank(tiny_model, 4))
    assert torch.allclose(latents.square().mean(2), torch.ones(1, 4, 4, 4), atol=1e-3)
