"""The causal video autoencoder: 8×8 pixels and 4 frames to one latent; the first frame alone.

Owns: pixels to latents and back, whole or streamed. Shape legend in ``shapes``.

Every frame passes through a 2-D convolutional network of its own; time is joined and parted only where
the picture is smallest, which is what makes it fast on a CPU. Causal as in MAGVIT-v2 (Yu et al. 2023): a
latent frame sees no later frame, an image is a one-frame clip, and decoding streams. Latents lie on a
sphere (RMS 1 over the channels), so that their scale needs no statistics, and they are decoded under
noise in training, so that small errors of the transformer do not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from himmel.engine.layers import ChannelNorm, Conv, ResBlock, rms_norm
from himmel.engine.shapes import TEMPORAL

EVEN = 20.0  # how much the squared error of steps counts
MOVING = 8.0  # how much it counts that more or less moves than should, place by place
PLACE = 8  # pixels each way


@dataclass(frozen=True)
class AutoencoderConfig:
    """Widths at a half, a quarter and an eighth of the picture's size, for encoder and decoder."""

    latent_channels: int = 32
    encoder: tuple[int, int, int] = (32, 64, 160)
    decoder: tuple[int, int, int] = (48, 96, 192)


class Autoencoder(nn.Module):
    """Pixels (B, T, 3, H, W) in 0 … 1 to latents (B, F, c, h, w) of RMS 1, and back."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents of a clip; T must be 1 + 4k and H, W multiples of 8."""
        return self.encoder(pixels)

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels of a whole clip, not clamped."""
        return self.decoder(latents)[0]

    @torch.inference_mode()
    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Decode chunks (B, f, c, h, w) as they come; the same pixels as ``decode`` of all of them together.

        The only state is what the decoder remembers of one frame, so memory does not grow with the length.
        """
        before: Memory | None = None
        for chunk in latents:
            pixels, before = self.decoder(chunk, before)
            yield pixels.clamp(0, 1)


def on_sphere(latents: Tensor) -> Tensor:
    """Latents (B, F, c, h, w) scaled to an RMS of 1 over their channels."""
    return rms_norm(latents.movedim(2, -1)).movedim(-1, 2)


class Encoder(nn.Module):
    """Frames one by one to features, then four frames, and the one before them, to a latent frame."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.encoder
        self.frame = nn.Sequential(
            nn.PixelUnshuffle(2),
            Conv(12, fine),
            ResBlock(fine),
            nn.PixelUnshuffle(2),
            Conv(4 * fine, middle, 1),
            ResBlock(middle),
            nn.PixelUnshuffle(2),
            Conv(4 * middle, coarse, 1),
            ResBlock(coarse),
            ChannelNorm(coarse),
        )
        self.first = nn.Sequential(ResBlock(coarse), Conv(coarse, config.latent_channels, 1))
        self.join = nn.Sequential(
            Conv((TEMPORAL + 1) * coarse, coarse, 1),
            ResBlock(coarse),
            Conv(coarse, config.latent_channels, 1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        batch = len(pixels)
        frames = self.frame(rearrange(pixels * 2 - 1, "b t c h w -> (b t) c h w"))
        frames = rearrange(frames, "(b t) c h w -> b t c h w", b=batch)
        latents = self.first(frames[:, 0])[:, None]
        if frames.shape[1] > 1:
            groups = rearrange(frames[:, 1:], "b (f t) c h w -> b f (t c) h w", t=TEMPORAL)
            before = frames[:, :-1:TEMPORAL]
            joined = self.join(torch.cat([before, groups], 2).flatten(0, 1))
            latents = torch.cat([latents, joined.unflatten(0, (batch, -1))], 1)
        return on_sphere(latents)


@dataclass(frozen=True)
class Memory:
    """What decoding goes on from: the last latent frame, and the last frame's features at each ``Recall``."""

    latent: Tensor
    features: tuple[Tensor, ...]


class Decoder(nn.Module):
    """A latent frame and the one before it to the features of four frames, then frames to pixels.

    Frames pass one by one through the same convolutions and recall, at an eighth and a quarter of the picture's
    size, the frame before them: without that, every fourth step of a clip shows a seam (docs/notebook.md).
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.decoder
        self.first = nn.Sequential(Conv(config.latent_channels, coarse, 3), ResBlock(coarse))
        self.mix = nn.Sequential(Conv(2 * config.latent_channels, coarse, 3), ResBlock(coarse), ResBlock(coarse))
        self.part = Conv(coarse, TEMPORAL * coarse, 1)
        self.recall = nn.ModuleList([Recall(coarse), Recall(middle)])
        self.frame = nn.ModuleList(
            [
                nn.Sequential(ResBlock(coarse), Conv(coarse, 4 * middle, 1), nn.PixelShuffle(2)),
                nn.Sequential(
                    ResBlock(middle),
                    Conv(middle, 4 * fine, 1),
                    nn.PixelShuffle(2),
                    ResBlock(fine),
                    ChannelNorm(fine),
                    Conv(fine, 12),
                    nn.PixelShuffle(2),
                ),
            ]
        )

    def forward(self, latents: Tensor, before: Memory | None = None) -> tuple[Tensor, Memory]:
        """Decode (B, F, c, h, w) to (B, T, 3, H, W); ``before`` is None at a clip's beginning."""
        batch = len(latents)
        features = [self.first(latents[:, 0])[:, None]] if before is None else []
        seen = latents if before is None else torch.cat([before.latent, latents], 1)
        if seen.shape[1] > 1:
            mixed = self.mix(torch.cat([seen[:, :-1], seen[:, 1:]], 2).flatten(0, 1))
            features.append(rearrange(self.part(mixed), "(b f) (t c) h w -> b (f t) c h w", b=batch, t=TEMPORAL))
        x, remembered = torch.cat(features, 1), []
        for number, (recall, stage) in enumerate(zip(self.recall, self.frame, strict=True)):
            last = x[:, :1] if before is None else before.features[number]
            remembered.append(x[:, -1:])
            x = stage(recall(x, last)).unflatten(0, (batch, -1))
        return x * 0.5 + 0.5, Memory(latents[:, -1:], tuple(remembered))


class Recall(nn.Module):
    """What frames (B, T, C, H, W) take over from those just before them, folded into (B · T, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(2 * channels)
        self.spread = Conv(2 * channels, channels)
        self.gather = Conv(channels, channels, 1, zero=True)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """``before`` (B, 1, C, H, W) is the frame before the first one."""
        pair = torch.cat([torch.cat([before, x[:, :-1]], 1), x], 2).flatten(0, 1)
        return x.flatten(0, 1) + self.gather(F.silu(self.spread(self.norm(pair))))


def reconstruction_loss(pixels: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of pixels and of their differences across, down and from frame to frame.

    The differences keep edges sharp. Those from frame to frame count squared as well, and by how much moves at a place,
    wherever in it: who is not sure where a thing went draws its mean, which moves too little, and pays for it in the
    next frame that is sure; so every fourth step of a clip was too large (docs/notebook.md). Both (B, T, 3, H, W); the
    first frame, which alone begins every clip, counts for four.
    """
    weight = torch.ones(pixels.shape[1], device=pixels.device)
    weight[0] = TEMPORAL
    weight = weight / weight.mean()
    error = pixels - target
    edges = F.l1_loss(error[..., 1:], error[..., :-1], reduction="none").mean((0, 2, 3, 4))
    edges = edges + F.l1_loss(error[..., 1:, :], error[..., :-1, :], reduction="none").mean((0, 2, 3, 4))
    loss = (weight * (error.abs().mean((0, 2, 3, 4)) + edges)).mean()
    if len(weight) == 1:
        return loss
    steps = error.diff(dim=1)
    moving = F.l1_loss(_how_much_moves(pixels), _how_much_moves(target))
    return loss + steps.abs().mean() + EVEN * steps.square().mean() + MOVING * moving


def _how_much_moves(pixels: Tensor) -> Tensor:
    """Mean absolute step at every place, places overlapping by half: (B, T, 3, H, W) to (B · (T - 1), 3, h, w)."""
    return F.avg_pool2d(pixels.diff(dim=1).abs().flatten(0, 1), PLACE, PLACE // 2)
