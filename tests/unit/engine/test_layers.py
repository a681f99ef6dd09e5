"""The small layers: what is the same in training and in use, and what begins as nothing."""

import torch

from himmel.engine.autoencoder import Recall
from himmel.engine.layers import attention
from himmel.engine.presets import TINY
from himmel.engine.transformer import LocalBlock


def test_attention_is_the_same_whether_it_is_trained_or_not():
    queries, keys, values = torch.randn(3, 2, 4, 6, 16, generator=torch.Generator().manual_seed(0)).unbind()
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    for seen in (None, mask):
        written_out = attention(queries, keys, values, seen)
        with torch.no_grad():
            assert torch.allclose(attention(queries, keys, values, seen), written_out, atol=1e-6)


def test_recall_begins_as_nothing_and_sees_one_frame_back_only():
    recall = Recall(8)
    frames, before = torch.randn(2, 5, 8, 4, 4), torch.randn(2, 1, 8, 4, 4)
    assert torch.equal(recall(frames, before), frames.flatten(0, 1))
    torch.nn.init.normal_(recall.gather.weight)
    changed = frames.clone()
    changed[:, 1] += 1
    difference = (recall(changed, before) - recall(frames, before)).unflatten(0, (2, 5)).abs().amax((0, 2, 3, 4))
    assert (difference > 0).tolist() == [False, True, True, False, False]


def test_local_blocks_begin_as_nothing_and_listen_to_their_frames_condition():
    config = TINY.transformer
    block, width = LocalBlock(config), config.width
    local, condition = torch.randn(6, config.local, 4, 4), torch.randn(2, 3, width)
    assert torch.equal(block(local, condition), local)
    for weight in (block.gather.weight, block.embed_modulation.weight):
        torch.nn.init.normal_(weight)
    changed = condition.clone()
    changed[0, 1] += 1
    difference = (block(local, changed) - block(local, condition)).abs().amax((1, 2, 3))
    assert (difference > 0).tolist() == [False, True, False, False, False, False]
