"""Rectified flow: the straight line from a clip to noise, and how the transformer learns its direction.

Owns: noising, targets, training levels, who sees whom in training, the loss. Shape legend in ``shapes``.

Sources: rectified flow (Liu et al. 2023) with logit-normal levels (Esser et al. 2024); teacher forcing by a
clean copy beside the noisy one, so that every block learns at once from what it will see when clips are
made block by block (block diffusion, Arriola et al. 2025).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from himmel.engine.shapes import Blocks
from himmel.engine.tasks import Ahead
from himmel.engine.transformer import Prompt, Transformer

LEVEL_SHIFT = 2.0  # towards noise: there the prompt settles what is shown (Esser et al. 2024)
MOTION_SHIFT = 4.0  # of the second block, where it settles how things move: later ones see that in their past
CONTEXT_NOISE = 0.2  # highest level of the clean copy in training: blocks must bear a past with flaws


def noised(latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    """The points at ``levels`` (B, F) between ``latents`` (level 0) and ``noise`` (level 1), both (B, F, c, h, w)."""
    level = levels[:, :, None, None, None]
    return (1 - level) * latents + level * noise


def training_levels(batch: int, blocks: Blocks, generator: torch.Generator | None = None) -> Tensor:
    """Levels (B, F), one drawn per block from a logit-normal that is shifted towards noise."""
    drawn = torch.randn(batch, len(blocks.spans), generator=generator).sigmoid()
    shift = torch.full((len(blocks.spans),), LEVEL_SHIFT)
    shift[1:2] = MOTION_SHIFT
    shifted = shift * drawn / (1 + (shift - 1) * drawn)
    return shifted[:, blocks.of_frame]


def context_levels(batch: int, frames: int, generator: torch.Generator | None = None) -> Tensor:
    """Levels (B, F) of the clean copy: half of the clips quite clean, the others slightly noisy."""
    drawn = CONTEXT_NOISE * torch.rand(batch, 1, generator=generator)
    return (drawn * (torch.rand(batch, 1, generator=generator) < 0.5)).expand(-1, frames)


def teacher_forcing(blocks: Blocks, ahead: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Which frames are laid out, and who sees whom.

    The layout is the known frames at the times ``ahead`` (P,), then the clean copy of all blocks but the last,
    then all frames noisy. Returns ``order`` (frames laid out,), the time of each place, and ``visible`` (laid
    out, laid out): a known frame sees itself, and is seen by its own block and those before it, by none where
    its time is -1, by all where it is less; a clean frame sees the clean blocks up to its own; a noisy one the clean
    blocks before its own, and its own block.
    """
    clean = blocks.spans[-1][0]
    known = torch.zeros(0, dtype=torch.long) if ahead is None else ahead
    order = torch.cat([known, torch.arange(clean), torch.arange(blocks.frames)])
    block = torch.tensor([*blocks.of_frame, -1])[order.clamp(min=-1)]
    block[order < -1] = len(blocks.spans)
    place = torch.arange(len(order))
    is_known, is_noisy = place < len(known), place >= len(known) + clean
    is_clean = ~is_known & ~is_noisy
    mine, theirs = block[:, None], block[None, :]
    to_known = is_known[None, :] & torch.where(is_known[:, None], place[:, None] == place[None, :], theirs >= mine)
    from_clean = is_clean[:, None] & is_clean[None, :] & (theirs <= mine)
    to_clean = is_clean[None, :] & (theirs < mine)
    from_noisy = is_noisy[:, None] & (to_clean | is_noisy[None, :] & (theirs == mine))
    return order, to_known | from_clean | from_noisy


def velocities(
    model: Transformer,
    noisy: Tensor,
    levels: Tensor,
    clean: Tensor,
    context: Tensor,
    prompt: Prompt,
    ahead: Ahead | None = None,
    strides: Tensor | None = None,
) -> Tensor:
    """Velocities (B, F, c, h, w) of all blocks at once, each beside a clean copy of what is before it.

    ``noisy`` (B, F, c, h, w) at ``levels`` (B, F), ``clean`` of the same shape at ``context`` (B, F), which is to say
    slightly noised already. ``ahead`` are known frames that the blocks before them see, at time -1 unseen ones, before
    it references;
    ``strides`` (B, F) as of ``Transformer``.
    """
    blocks = Blocks(noisy.shape[1], model.config.block)
    order, visible = teacher_forcing(blocks, None if ahead is None else ahead.times)
    copied, known = blocks.spans[-1][0], 0 if ahead is None else len(ahead.times)
    laid_out = torch.cat([clean[:, :copied], noisy], 1)
    before = copied + known  # what is no noisy frame
    all_levels = F.pad(torch.cat([context[:, :copied], levels], 1), (known, 0))
    if ahead is not None:
        laid_out = torch.cat([ahead.latents, laid_out], 1)
    all_strides = None if strides is None else F.pad(strides, (before, 0))
    ahead_of_host = noisy.device.type == "cuda"  # its queue of work is not waited for
    order, visible = (each.to(noisy.device, non_blocking=ahead_of_host) for each in (order, visible))
    return model(laid_out, all_levels, order, prompt, visible, strides=all_strides)[0][:, before:]


def flow_loss(
    model: Transformer,
    latents: Tensor,
    noise: Tensor,
    levels: Tensor,
    context: Tensor,
    prompt: Prompt,
    ahead: Ahead | None = None,
) -> Tensor:
    """Mean squared error of the velocity at every latent of the noisy frames, (B, F, h, w): the caller weighs.

    ``latents`` and ``noise`` (B, F, c, h, w), ``levels`` (B, F) of the noisy frames, ``context`` (B, F) of
    the clean copy; ``ahead`` as of ``velocities``.
    """
    noisy, clean = noised(latents, noise, levels), noised(latents, noise, context)
    velocity = velocities(model, noisy, levels, clean, context, prompt, ahead)
    return (velocity - (noise - latents)).square().mean(2)
