import pytest
import torch

from himmel.engine.presets import TINY
from himmel.engine.text_encoder import PAD, TextEncoder, Tokenizer
from himmel.errors import BadCheckpoint


def test_any_text_in_any_script_has_tokens(tiny_model):
    tokens = tiny_model.tokenizer(["Schildkröte 🐢 亀 ", ""], 64)
    assert tokens.shape[0] == 2
    assert (tokens[1, 1:] == PAD).all()
    assert tokens[0].min() > PAD


def test_case_and_width_do_not_matter(tiny_model):
    upper, lower = tiny_model.tokenizer(["A CAT ＡＢ", "a cat ab"], 64)
    assert torch.equal(upper, lower)


def test_too_long_prompts_are_cut(tiny_model):
    assert tiny_model.tokenizer(["cat " * 500], 16).shape == (1, 16)


def test_padding_changes_nothing(tiny_model):
    encoder = tiny_model.generator.text_encoder
    alone = tiny_model.tokenizer(["a cat"], 64)
    padded = tiny_model.tokenizer(["a cat", "a cat on the beach in the snow"], 64)
    one, two = encoder(alone), encoder(padded)
    assert torch.allclose(one.vectors[0], two.vectors[0, : alone.shape[1]], atol=1e-5)
    assert torch.allclose(one.pooled[0], two.pooled[0], atol=1e-5)


def test_the_order_of_words_matters(tiny_model):
    text = TextEncoder(TINY.text)(tiny_model.tokenizer(["cat dog", "dog cat"], 64))
    assert not torch.allclose(text.pooled[0], text.pooled[1], atol=1e-4)


def test_saved_and_loaded_it_is_the_same(tiny_model, tmp_path):
    tiny_model.tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert torch.equal(loaded(["海の船 at sea"], 64), tiny_model.tokenizer(["海の船 at sea"], 64))


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BadCheckpoint, match="tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")
