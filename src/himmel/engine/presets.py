"""The models that we train, as literals.

Owns: sizes. What a preset was trained on and how well it does stands in its checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from himmel.engine.autoencoder import AutoencoderConfig
from himmel.engine.text_encoder import TextConfig
from himmel.engine.transformer import TransformerConfig


@dataclass(frozen=True)
class Preset:
    """Everything that settles a model's shape. ``height`` × ``width`` in pixels, ``fps`` frames a second,

    ``frames`` (1 + 4k) the length that it is trained at.
    """

    autoencoder: AutoencoderConfig
    text: TextConfig
    transformer: TransformerConfig
    height: int
    width: int
    fps: int
    frames: int


LAPTOP = Preset(
    AutoencoderConfig(),
    TextConfig(),
    TransformerConfig(depth=6, finish=4),
    height=64,
    width=64,
    fps=12,
    frames=49,
)

# For half hours of an H100, of which one lets the transformer see some thirteen tokens for each parameter, where twelve
# layers of 640 would see three. 192 × 112 is twelve by seven tokens, near 16:9. Why: docs/howto/train-on-a-gpu.md.
GPU = Preset(
    AutoencoderConfig(encoder=(64, 128, 320), decoder=(96, 192, 384)),
    TextConfig(tokens=8192, width=256, depth=4, heads=4),
    TransformerConfig(depth=8, width=512, local=128, finish=4, text_width=256),
    height=112,
    width=192,
    fps=12,
    frames=49,
)

# 1.3 billion parameters at 832 × 480, where other people's streaming models are timed: benchmarks/card.py. Not trained.
LARGE = replace(
    GPU,
    transformer=TransformerConfig(depth=28, width=1920, local=128, finish=4, text_width=256),
    height=480,
    width=832,
    fps=16,
    frames=81,
)

# For tests: every part is there, nothing is learned.
TINY = Preset(
    AutoencoderConfig(latent_channels=8, encoder=(8, 8, 16), decoder=(8, 8, 16)),
    TextConfig(tokens=300, width=32, depth=1, heads=2),
    TransformerConfig(depth=2, width=64, latent_channels=8, text_width=32),
    height=32,
    width=32,
    fps=8,
    frames=17,
)

PRESETS = {"laptop": LAPTOP, "gpu": GPU, "large": LARGE, "tiny": TINY}
