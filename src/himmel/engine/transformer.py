"""The block-causal video diffusion transformer, with a noise level for every latent frame.

Owns: from noisy latents, their levels, times and a prompt to velocities. Shape legend in ``shapes``.

Sources: diffusion transformer and adaptive modulation (Peebles & Xie 2023), shared among the layers as in
PixArt-alpha (Chen et al. 2024); a level per frame (diffusion forcing, Chen et al. 2024); queries and keys
normalised (Dehghani et al. 2023); 3-D rotary embedding and SwiGLU as in ``layers``; convolutions before and
after, joined past the transformer, so that it need not carry what neighbours settle among themselves (U-ViT,
Hoogeboom et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from himmel.engine.layers import ChannelNorm, Conv, SwiGLU, attention, level_embedding, rms_norm, rotary_turns, rotate
from himmel.engine.shapes import PATCH, LatentShape
from himmel.engine.text_encoder import Text

HEAD = 64


@dataclass(frozen=True)
class TransformerConfig:
    """One dial, ``depth``, and the widths that go with it; ``block`` latent frames are made at a time.

    ``width`` is that of tokens, ``local`` that of the convolutions around them, of which ``finish`` blocks come after
    the tokens. With ``strides`` the velocity is the
    mean one from a level to another (a flow map: shortcut models, Frans et al. 2024), not the one at a level.
    """

    depth: int = 4
    width: int = 256
    local: int = 64
    finish: int = 2
    latent_channels: int = 32
    text_width: int = 128
    block: int = 3
    strides: bool = False


@dataclass(frozen=True)
class KeysValues:
    """One layer's keys, not yet turned, and values: both (B, heads, tokens, HEAD)."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class Past:
    """Frames that were written before: keys and values of every layer, and the ``times`` (F,) they now have."""

    layers: tuple[KeysValues, ...]
    times: Tensor


@dataclass(frozen=True)
class Prompt:
    """A prompt as the layers read it, computed once: keys and values per layer, mask (B, 1, 1, L), pooled (B, D)."""

    layers: tuple[KeysValues, ...]
    mask: Tensor
    pooled: Tensor

    def first(self, rows: int) -> Prompt:
        """The prompt of the first rows alone."""
        layers = tuple(KeysValues(layer.keys[:rows], layer.values[:rows]) for layer in self.layers)
        return Prompt(layers, self.mask[:rows], self.pooled[:rows])


class Transformer(nn.Module):
    """Velocities of rectified flow for every latent frame."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.local * PATCH * PATCH
        self.embed_latents = Conv(config.latent_channels, config.local)
        self.before = LocalBlock(config)
        self.fold = nn.Linear(patch, width)
        self.embed_level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.pool = nn.Linear(config.text_width, width, bias=False)
        self.embed_stride = nn.Linear(width, width, bias=False) if config.strides else None
        self.modulate = nn.Linear(width, 6 * width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))
        self.embed_out_modulation = nn.Linear(width, 2 * width)
        self.unfold = nn.Linear(width, patch)
        self.after = nn.ModuleList(LocalBlock(config) for _ in range(config.finish))
        self.norm = ChannelNorm(config.local)
        self.embed_velocity = Conv(config.local, config.latent_channels, zero=True)
        for zero in (self.modulate, self.embed_out_modulation):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)
        if self.embed_stride is not None:
            nn.init.zeros_(self.embed_stride.weight)  # so that a student begins as its teacher

    def read(self, text: Text) -> Prompt:
        """What the layers need of a prompt, once for all steps."""
        layers = cast("list[Layer]", self.layers)
        return Prompt(tuple(layer.read(text) for layer in layers), text.mask[:, None, None], self.pool(text.pooled))

    def forward(
        self,
        latents: Tensor,
        levels: Tensor,
        times: Tensor,
        prompt: Prompt,
        visible: Tensor | None = None,
        past: Past | None = None,
        strides: Tensor | None = None,
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """Velocities (B, F, c, h, w) of ``latents`` of that shape, and the frames' own keys and values.

        ``levels`` (B, F) are 0 (clean) … 1 (noise); ``times`` (F,) in latent frames; ``visible`` (F, F) says
        which frame sees which, all by default; every frame sees the whole of ``past``. ``strides`` (B, F) say how far
        down the velocity is to lead, where the model knows strides; none by default.
        """
        shape = LatentShape(latents.shape[1], *latents.shape[-2:])
        all_times = times if past is None else torch.cat([past.times, times])
        turns = rotary_turns(all_times - all_times[0], shape.grid, HEAD)
        mask = None if visible is None else _per_token(visible, shape.tokens_per_frame)
        state = self.embed_level(level_embedding(levels, self.config.width)) + prompt.pooled[:, None]
        if self.embed_stride is not None:
            lengths = torch.zeros_like(levels) if strides is None else strides
            state = state + self.embed_stride(level_embedding(lengths, self.config.width))
        condition = F.silu(state)
        modulation = self.modulate(condition)

        local = self.before(self.embed_latents(latents.flatten(0, 1)), condition)
        x = self.fold(_to_tokens(local, len(latents)))
        written = []
        for number, layer in enumerate(self.layers):
            own_past = None if past is None else past.layers[number]
            x, keys_values = layer(x, modulation, turns, mask, own_past, prompt.layers[number], prompt.mask)
            written.append(keys_values)

        shift, scale = self.embed_out_modulation(condition)[:, :, None].chunk(2, -1)
        local = local + _to_picture(self.unfold(rms_norm(x) * (1 + scale) + shift), shape.grid)
        for block in self.after:
            local = block(local, condition)
        velocity = self.embed_velocity(self.norm(local))
        return velocity.unflatten(0, latents.shape[:2]), tuple(written)


class LocalBlock(nn.Module):
    """A residual block of convolutions on (B · F, local, h, w), modulated by the condition (B, F, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm = ChannelNorm(config.local)
        self.embed_modulation = nn.Linear(config.width, 2 * config.local)
        self.spread = Conv(config.local, config.local)
        self.gather = Conv(config.local, config.local, zero=True)
        nn.init.zeros_(self.embed_modulation.weight)
        nn.init.zeros_(self.embed_modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.embed_modulation(condition).flatten(0, 1)[..., None, None].chunk(2, 1)
        return x + self.gather(F.silu(self.spread(self.norm(x) * (1 + scale) + shift)))


class Layer(nn.Module):
    """Self-attention over the frames that are visible, cross-attention to the prompt, feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.offsets = nn.Parameter(torch.zeros(6 * config.width))
        self.attend = SelfAttention(config.width)
        self.cross = CrossAttention(config.width, config.text_width)
        self.feed = SwiGLU(config.width, 2 * config.width)

    def read(self, text: Text) -> KeysValues:
        """The prompt's keys and values in this layer."""
        return self.cross.read(text.vectors)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        turns: Tensor,
        mask: Tensor | None,
        past: KeysValues | None,
        prompt: KeysValues,
        prompt_mask: Tensor,
    ) -> tuple[Tensor, KeysValues]:
        per_layer = modulation + self.offsets
        shift, scale, gate, shift_feed, scale_feed, gate_feed = per_layer[:, :, None].chunk(6, -1)
        seen, written = self.attend(rms_norm(x) * (1 + scale) + shift, turns, mask, past)
        x = x + (1 + gate) * seen
        x = x + self.cross(rms_norm(x), prompt, prompt_mask)
        x = x + (1 + gate_feed) * self.feed(rms_norm(x) * (1 + scale_feed) + shift_feed)
        return x, written


class SelfAttention(nn.Module):
    """Attention among (B, F, N, D) and the past; keys are kept as they are and turned when they are read."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.embed_gains = nn.Parameter(torch.ones(2, HEAD))
        nn.init.zeros_(self.out.weight)

    def forward(
        self, x: Tensor, turns: Tensor, mask: Tensor | None, past: KeysValues | None
    ) -> tuple[Tensor, KeysValues]:
        frames = x.shape[1]
        q, k, v = rearrange(
            self.queries_keys_values(x), "b f n (three heads d) -> three b heads (f n) d", three=3, d=HEAD
        )
        q, k = rms_norm(q) * self.embed_gains[0], rms_norm(k) * self.embed_gains[1]
        written = KeysValues(k, v)
        if past is not None:
            k, v = torch.cat([past.keys, k], 2), torch.cat([past.values, v], 2)
        q, k = rotate(q, turns[:, -q.shape[2] :]), rotate(k, turns)
        seen = attention(q, k, v, mask)
        return self.out(rearrange(seen, "b heads (f n) d -> b f n (heads d)", f=frames)), written


class CrossAttention(nn.Module):
    """Attention from (B, F, N, D) to a prompt's keys and values."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.queries = nn.Linear(width, width, bias=False)
        self.keys_values = nn.Linear(text_width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def read(self, vectors: Tensor) -> KeysValues:
        keys, values = rearrange(self.keys_values(vectors), "b l (two heads d) -> two b heads l d", two=2, d=HEAD)
        return KeysValues(rms_norm(keys), values)

    def forward(self, x: Tensor, prompt: KeysValues, mask: Tensor) -> Tensor:
        frames = x.shape[1]
        q = rms_norm(rearrange(self.queries(x), "b f n (heads d) -> b heads (f n) d", d=HEAD))
        seen = attention(q, prompt.keys, prompt.values, mask)
        return self.out(rearrange(seen, "b heads (f n) d -> b f n (heads d)", f=frames))


def _to_tokens(local: Tensor, batch: int) -> Tensor:
    """(B · F, local, h, w) to (B, F, N, local · 4)."""
    return rearrange(local, "(b f) c (rows p) (columns q) -> b f (rows columns) (c p q)", b=batch, p=PATCH, q=PATCH)


def _to_picture(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """The way back of ``_to_tokens``, on a grid of rows and columns of tokens."""
    return rearrange(
        tokens, "b f (rows columns) (c p q) -> (b f) c (rows p) (columns q)", rows=grid[0], p=PATCH, q=PATCH
    )


def _per_token(visible: Tensor, tokens: int) -> Tensor:
    """From which frame sees which to which token sees which."""
    return visible.repeat_interleave(tokens, 0).repeat_interleave(tokens, 1)
