"""The whole recipe on the tiny preset with drawn shapes: art, autoencoder, words, transformer, export, a clip."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from himmel.backends import native
from himmel.backends.native import NativeBackend
from himmel.spec import VideoRequest
from himmel.training import sittings
from himmel.training.loop import Recipe
from himmel.training.sittings import (
    Project,
    autoencoder_sitting,
    export,
    text_encoder_of,
    text_sitting,
    transformer_sitting,
)
from himmel.training.train_transformer import Diet
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import PLAIN

MINUTES = 0.03


def drawn_atlas(vocabulary, cache, size=32):
    """Discs of different sizes and colours stand for the nouns."""
    keys = tuple((noun, style) for noun in vocabulary.nouns for style in vocabulary.styles)
    row = torch.linspace(-1, 1, size)
    distance = (row[:, None] ** 2 + row[None, :] ** 2).sqrt()
    pictures = []
    for number, _ in enumerate(keys):
        alpha = (distance < 0.4 + 0.5 * number / len(keys)).float() * 255
        colour = torch.tensor([number * 97 % 256, number * 57 % 256, number * 31 % 256.0])
        pictures.append(torch.cat([colour[:, None, None].expand(3, size, size), alpha[None]]))
    return Atlas(keys, torch.stack(pictures).byte())


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(sittings, "atlas_for", drawn_atlas)
    named = Project.named("tiny", tmp_path / "run", tmp_path / "cache", torch.device("cpu"))
    return replace(named, vocabulary=replace(PLAIN, nouns=PLAIN.nouns[:4]))


def test_from_art_to_a_clip(project, tmp_path, monkeypatch):
    autoencoder = autoencoder_sitting(project, Recipe(project.folder / "autoencoder", MINUTES), clips=2)
    text = text_sitting(project, Recipe(project.folder / "text", MINUTES), captions=4)
    assert autoencoder.step > 0 and text.step > 0
    diets = (Diet(1, 4, pool=8), Diet(project.preset.frames, 2, pool=8))
    recipe = Recipe(project.folder / "transformer", MINUTES)
    first = transformer_sitting(project, recipe, diets)
    again = transformer_sitting(project, recipe, diets)
    assert again.step > first.step > 0
    assert again.seconds > first.seconds
    learned, used = text_encoder_of(project).state_dict(), again.model.text_encoder.state_dict()
    assert all(torch.equal(learned[name], used[name]) for name in learned)

    export(project, tmp_path / "weights" / "pebble")
    monkeypatch.setattr(native, "WEIGHTS", tmp_path / "weights")
    backend = NativeBackend("pebble", "cpu")
    assert backend.words.unknown("a penguin jumps on the beach") == []
    parts = backend.generate(VideoRequest("a penguin jumps on the beach", model="pebble", seconds=1.0, steps=2))
    clip = np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    assert clip.shape[0] == project.preset.fps
    assert clip.std() > 0


def test_latents_stay_when_told_and_decoding_learns(project):
    recipe = Recipe(project.folder / "autoencoder", MINUTES)
    autoencoder_sitting(project, recipe, clips=2)
    before = sittings.autoencoder_of(project)
    autoencoder_sitting(project, recipe, clips=2, latents="stay")
    after = sittings.autoencoder_of(project)
    clip = torch.rand(1, 5, 3, 32, 32)
    latents = before.encode(clip)
    assert torch.equal(latents, after.encode(clip))
    assert not torch.equal(before.decode(latents), after.decode(latents))


def test_latents_that_stay_near_leave_those_of_first_frames(project):
    recipe = Recipe(project.folder / "autoencoder", MINUTES)
    autoencoder_sitting(project, recipe, clips=2)
    before = sittings.autoencoder_of(project)
    one_step = replace(recipe, minutes=1e-6)  # how many more a machine makes in a moment is its own affair
    autoencoder_sitting(project, one_step, clips=2, latents="near")
    clip = torch.rand(1, 5, 3, 32, 32)
    old, new = before.encode(clip), sittings.autoencoder_of(project).encode(clip)
    assert torch.equal(old[:, 0], new[:, 0])
    assert 0 < (old[:, 1] - new[:, 1]).square().mean() < 0.2
