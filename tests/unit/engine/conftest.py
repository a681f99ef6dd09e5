"""A model with every part and nothing learned, small enough for tests."""

import pytest
import torch

from himmel.engine.autoencoder import Autoencoder
from himmel.engine.model import Generator, GeneratorConfig, VideoModel
from himmel.engine.presets import TINY
from himmel.engine.text_encoder import Tokenizer


@pytest.fixture(scope="session")
def tiny_model() -> VideoModel:
    torch.manual_seed(0)
    config = GeneratorConfig(TINY.text, TINY.transformer, TINY.height, TINY.width, TINY.fps, TINY.frames, steps=4)
    generator = Generator(config)
    for parameter in generator.parameters():
        # Much starts at zero; with noise everywhere every path counts.
        parameter.data += 0.05 * torch.randn_like(parameter)
    texts = ["a cat on the beach", "ein Hund im Schnee", "海の上の船"] * 5
    return VideoModel(Autoencoder(TINY.autoencoder), generator, Tokenizer.train(texts, TINY.text.tokens))
