"""A model that has learned nothing, for all who need one that answers at once."""

import pytest


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder of weights with one model in it, "pebble", which has learned nothing."""
    import torch

    from himmel.engine.autoencoder import Autoencoder
    from himmel.engine.model import Generator, GeneratorConfig, save_part
    from himmel.engine.presets import TINY
    from himmel.engine.text_encoder import Tokenizer
    from himmel.words import WordList

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "pebble"
    config = GeneratorConfig(
        TINY.text, TINY.transformer, TINY.height, TINY.width, TINY.fps, TINY.frames, steps=2, references=1
    )
    generator = Generator(config)
    for parameter in generator.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    told = {"parameters": 5, "vocabulary_size": 3, "trained_on": "nothing"}
    save_part(folder / "transformer.safetensors", "transformer", generator, config, "Apache-2.0", told)
    autoencoder = Autoencoder(TINY.autoencoder)
    save_part(folder / "autoencoder.safetensors", "autoencoder", autoencoder, TINY.autoencoder, "Apache-2.0", {})
    Tokenizer.train(["a cat on the beach"], TINY.text.tokens).save(folder / "tokenizer.json")
    WordList((), {}, {}).save(folder / "words.json")
    (folder / "scores.json").write_text('{"headline": {"noun": 0.5}}')
    return folder.parent
