"""Clips are made block by block: the cache tells the truth, memory stays flat, known frames stay."""

from dataclasses import replace

import pytest
import torch

from himmel.engine.autoencoder import on_sphere
from himmel.engine.streaming import CachedContext, Stretches, UncachedContext, Window
from himmel.engine.tasks import REFERENCE, Ahead, remix, text_to_video, with_ahead, with_known, with_reference
from himmel.errors import BadRequest

# The cache changes the order of additions and nothing else; float32 leaves a few units in the last places.
TOLERANCE = 1e-4
STEPS = 3


def made(model, task, context=None, seeds=(7,), guidance=3.0, later=()):
    clips = len(seeds)
    blocks = model.latents(task, ["a cat"] * clips, [""] * clips, list(seeds), STEPS, guidance, context, later)
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
    with_first = made(tiny_model, with_known(task, 0, first))
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


@pytest.mark.parametrize("frames", [7, 10, 13, 20])
def test_what_is_read_again_is_the_whole_window_as_it_was(tiny_model, frames):
    """Sink and latest frames, at the same times: or what lies ahead would come too late after that."""
    context = CachedContext(tiny_model.generator.transformer, Window())
    made(tiny_model, blank(tiny_model, frames + 1), context, guidance=1)
    times, keys = context.past.times, context.past.layers[0].keys
    tokens = tiny_model.tokenizer(["a cat"], tiny_model.config.text.longest)
    context.reread(tiny_model.generator.read(tokens))
    assert torch.equal(context.past.times, times)
    assert torch.allclose(context.past.layers[0].keys, keys, atol=TOLERANCE)


def test_guidance_one_asks_the_model_once(tiny_model):
    task = blank(tiny_model, 4)
    assert not torch.equal(made(tiny_model, task, guidance=1), made(tiny_model, task, guidance=2))


def test_latents_lie_on_the_sphere(tiny_model):
    latents = made(tiny_model, blank(tiny_model, 4))
    assert torch.allclose(latents.square().mean(2), torch.ones(1, 4, 4, 4), atol=1e-3)


def picture():
    return torch.randn(1, 1, 8, 4, 4)


def both_ways(model, task, **more):
    cached = CachedContext(model.generator.transformer, Window())
    uncached = UncachedContext(model.generator.transformer)
    return made(model, task, cached, **more), made(model, task, uncached, **more)


def test_cached_and_uncached_agree_on_what_lies_ahead(tiny_model):
    task = with_known(with_ahead(blank(tiny_model, 8), 3, picture()), 6, torch.randn(1, 2, 8, 4, 4))
    assert torch.allclose(*both_ways(tiny_model, task), atol=TOLERANCE)
    assert torch.allclose(*both_ways(tiny_model, replace(task, loop=True)), atol=TOLERANCE)


def test_a_reference_is_seen_by_every_block_wherever_the_window_is(tiny_model):
    task = with_reference(with_ahead(blank(tiny_model, 8), 5, picture()), picture())
    assert torch.allclose(*both_ways(tiny_model, task), atol=TOLERANCE)
    context = CachedContext(tiny_model.generator.transformer, Window(sink=1, recent=3))
    plain = made(tiny_model, blank(tiny_model, 20))
    shown = made(tiny_model, with_reference(blank(tiny_model, 20), picture()), context)
    assert context.ahead.times.tolist() == [REFERENCE]
    assert all((shown[:, n] - plain[:, n]).abs().max() > 1e-3 for n in range(20))


def test_what_lies_ahead_matters_until_it_is_reached(tiny_model):
    """Blocks: 0 | 1 2 3 | 4 5 6 | 7. A picture at 3 is seen by the first two, and then only through them."""
    task = blank(tiny_model, 8)
    with_one = made(tiny_model, with_ahead(task, 3, picture()))
    without = made(tiny_model, task)
    assert (with_one[:, :1] - without[:, :1]).abs().max() > 1e-3
    seen = CachedContext(tiny_model.generator.transformer, Window())
    made(tiny_model, with_ahead(task, 3, picture()), seen)
    assert seen.ahead is None


def test_only_the_nearest_ahead_are_shown():
    ahead = Ahead(torch.arange(6.0).view(1, 6, 1, 1, 1), torch.tensor([9, 3, 20, 5, 7, 8]))
    assert ahead.near(4, 13).times.tolist() == [5, 7, 8, 9]
    assert ahead.near(4, 13).latents.flatten().tolist() == [3, 4, 5, 0]
    assert ahead.near(8, 13).times.tolist() == [8, 9, 20]


def test_a_loop_comes_to_its_beginning(tiny_model):
    task = replace(blank(tiny_model, 8), loop=True)
    begin = [torch.randn(1, 1, 8, 4, 4), torch.randn(1, 3, 8, 4, 4)]
    assert task.ahead([]).times.tolist() == []
    assert task.ahead(begin).times.tolist() == [7, 8, 9, 10]
    assert torch.equal(task.ahead(begin).latents, torch.cat(begin, 1))


def test_another_prompt_takes_over(tiny_model):
    task = blank(tiny_model, 7)
    one = made(tiny_model, task)
    two = made(tiny_model, task, later=[(4, ["a dog"])])
    same = made(tiny_model, task, later=[(4, ["a cat"])])
    assert torch.equal(one[:, :4], two[:, :4])
    assert (one[:, 4:] - two[:, 4:]).abs().max() > 1e-3
    assert torch.allclose(one, same, atol=TOLERANCE)
    assert torch.allclose(*both_ways(tiny_model, task, later=[(4, ["a dog"])]), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ([], "aaaa"),
        ([4], "aabb"),
        ([5], "aabb"),
        ([6], "aaab"),
        ([8], "aaab"),  # within the last block, as a blend of long clips has it
        ([9], "aaab"),
        ([5, 6], "aabc"),  # a card of half a block in the middle
        ([2, 3, 4], "abcd"),
        ([1, 2, 3, 4, 5], "cdef"),  # more than there are blocks
    ],
)
def test_every_prompt_governs_a_block_and_the_last_one_always(changes, heard):
    """Blocks: 0 | 1 2 3 | 4 5 6 | 7 8 9."""
    starts = [0, 1, 4, 7]
    told = Stretches(tuple(zip([0, *changes], "abcdef", strict=False))).of_blocks(starts)
    assert "".join(prompt for _, prompt in told) == heard
    assert [since for since, _ in told] == [starts[heard.index(prompt)] for prompt in heard]


def test_a_prompt_that_begins_within_the_last_block_is_read(tiny_model):
    task = blank(tiny_model, 7)
    one, two = made(tiny_model, task), made(tiny_model, task, later=[(6, ["a dog"])])
    assert torch.equal(one[:, :4], two[:, :4])
    assert (one[:, 4:] - two[:, 4:]).abs().max() > 1e-3


def test_a_prompt_can_change_when_the_beginning_is_forgotten(tiny_model):
    context = CachedContext(tiny_model.generator.transformer, Window(sink=1, recent=3))
    made(tiny_model, blank(tiny_model, 16), context, later=[(13, ["a dog"])])
    assert context.past.times.tolist() == [0, 1, 2, 3]
    assert sum(block.shape[1] for block in context.remembered) == 4


def test_a_remix_begins_from_what_there_is(tiny_model):
    source = on_sphere(torch.randn(1, 4, 8, 4, 4))
    task = blank(tiny_model, 4)
    near, far = (made(tiny_model, remix(task, source, level)) for level in (0.1, 0.9))
    assert (near - source).square().mean() < (far - source).square().mean()
    assert torch.equal(made(tiny_model, remix(task, source, 1.0)), made(tiny_model, task))


def test_an_edit_keeps_the_rest(tiny_model):
    source = on_sphere(torch.randn(1, 4, 8, 4, 4))
    change = torch.zeros(4, 4, 4, dtype=torch.bool)
    change[:, :2] = True
    edited = made(tiny_model, remix(blank(tiny_model, 4), source, 1.0, change))
    assert torch.equal(edited[..., 2:, :], source[..., 2:, :])
    assert (edited[..., :2, :] - source[..., :2, :]).abs().max() > 0.1


def test_what_goes_on_for_long_is_guided_no_more_until_the_prompt_changes(tiny_model):
    """Blocks: 0 | 1 2 3 | … | 13 14 15: of those from 13 on each is made under the prompt alone."""

    rows = []

    class Counting(CachedContext):
        def velocity(self, latents, levels, strides, prompt):
            rows.append(len(latents))
            return super().velocity(latents, levels, strides, prompt)

    context = Counting(tiny_model.generator.transformer, Window())
    long = made(tiny_model, blank(tiny_model, 19), context, later=[(16, ["a dog"])])
    assert rows[::STEPS] == [2, 2, 2, 2, 2, 1, 2]
    assert torch.equal(long[:, :13], made(tiny_model, blank(tiny_model, 13)))
    known = with_known(blank(tiny_model, 16), 0, long[:, :10])
    rows.clear()
    made(tiny_model, known, Counting(tiny_model.generator.transformer, Window()))
    assert rows == [2] * 2 * STEPS  # what is given was made by nobody


def test_a_level_must_be_one(tiny_model):
    with pytest.raises(BadRequest, match="above 0"):
        made(tiny_model, remix(blank(tiny_model, 4), torch.randn(1, 4, 8, 4, 4), 0.0))
