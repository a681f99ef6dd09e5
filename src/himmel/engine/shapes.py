"""The arithmetic of shapes: pixels, latents and tokens, and how each becomes the other.

Owns: every division and multiplication by 8, 4 and 2. Knows no tensors.

Shape legend, used throughout the engine: B clips · T pixel frames, T = 1 + 4k · H × W pixels ·
F latent frames, F = 1 + k · h × w latents, 8 × 8 pixels each · c latent channels ·
N tokens of one latent frame, 2 × 2 latents each · D width of the transformer · L text tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

SPATIAL = 8  # pixels to one latent, each way
TEMPORAL = 4  # frames to one latent frame, after the first, which stands alone
PATCH = 2  # latents to one token, each way


@dataclass(frozen=True)
class LatentShape:
    """Shape of a clip in latents: ``frames`` F, ``height`` h, ``width`` w."""

    frames: int
    height: int
    width: int

    @property
    def grid(self) -> tuple[int, int]:
        """Tokens down and across one latent frame."""
        return self.height // PATCH, self.width // PATCH

    @property
    def tokens_per_frame(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def pixels(self) -> ClipShape:
        return ClipShape(1 + TEMPORAL * (self.frames - 1), self.height * SPATIAL, self.width * SPATIAL)


@dataclass(frozen=True)
class ClipShape:
    """Shape of a clip in pixels; ``frames`` must be 1 + 4k, the sides multiples of 16."""

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.frames < 1 or (self.frames - 1) % TEMPORAL:
            raise ValueError(f"{self.frames} frames; the autoencoder takes 1 + {TEMPORAL}k")
        if self.height % (SPATIAL * PATCH) or self.width % (SPATIAL * PATCH):
            raise ValueError(f"{self.width}x{self.height}; both sides must be multiples of {SPATIAL * PATCH}")

    @property
    def latent(self) -> LatentShape:
        return LatentShape(1 + (self.frames - 1) // TEMPORAL, self.height // SPATIAL, self.width // SPATIAL)


@dataclass(frozen=True)
class Blocks:
    """Latent frames in the blocks that are made one after the other: frame 0 alone, then ``length`` each."""

    frames: int
    length: int

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(start, stop) of every block, in latent frames."""
        return [(0, 1)] + [
            (start, min(start + self.length, self.frames)) for start in range(1, self.frames, self.length)
        ]

    @property
    def of_frame(self) -> list[int]:
        """The block number of every latent frame."""
        return [0] + [1 + (frame - 1) // self.length for frame in range(1, self.frames)]
