"""Narrower numbers: nearly the same picture, the same bits again, and nobody outside needs to know."""

import pytest
import torch

from himmel.engine.autoencoder import Autoencoder, AutoencoderConfig, on_sphere
from himmel.engine.precision import has_bfloat16, narrow
from himmel.engine.upsampler import Upsampler, UpsamplerConfig


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return randomised(Autoencoder(AutoencoderConfig(4, (8, 8, 16), (8, 8, 16))))


def randomised(module):
    """Weights everywhere, those that begin at zero too, and no gradients."""
    for parameter in module.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5 * parameter.shape[1] ** -0.5)
    return module.eval().requires_grad_(False)


def chunks():
    generator = torch.Generator().manual_seed(1)
    return [on_sphere(torch.randn(1, frames, 4, 4, 4, generator=generator)) for frames in (1, 2, 2)]


def test_a_decoded_stream_moves_by_less_than_eight_bits_tell(autoencoder):
    exact = torch.cat(list(autoencoder.decode_stream(chunks())), 1)
    narrow(autoencoder.decoder)
    found = torch.cat(list(autoencoder.decode_stream(chunks())), 1)
    assert found.dtype == exact.dtype == torch.float32
    error = (found - exact).square().mean().sqrt()
    assert 0 < error < 1 / 255


def test_the_same_latents_give_the_same_bits_again(autoencoder):
    narrow(autoencoder.decoder)
    first, again = (torch.cat(list(autoencoder.decode_stream(chunks())), 1) for _ in range(2))
    assert torch.equal(first, again)


def test_only_the_module_that_was_asked_for_is_narrow(autoencoder):
    narrow(autoencoder.decoder)
    assert {p.dtype for p in autoencoder.decoder.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in autoencoder.encoder.parameters()} == {torch.float32}


def test_a_narrow_body_enlarges_as_before():
    torch.manual_seed(0)
    upsampler = randomised(Upsampler(UpsamplerConfig(8, 2, 8)))
    frames = torch.rand(3, 3, 16, 16)
    (exact,) = upsampler.stream([frames])
    narrow(upsampler.body)
    (found,) = upsampler.stream([frames])
    assert found.dtype == torch.float32
    assert 0 < (found - exact).square().mean().sqrt() < 1 / 255


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx2": True}, False),
        ({}, False),
    ],
)
def test_it_is_used_where_the_cpu_has_it(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert has_bfloat16() is expected
