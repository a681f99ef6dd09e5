"""Turbo's student begins as its teacher, learns the teacher's paths, and is told what it needs to know."""

import copy
import random
from dataclasses import replace

import pytest
import torch

from himmel.engine.autoencoder import Autoencoder
from himmel.engine.model import Generator, GeneratorConfig
from himmel.engine.presets import TINY
from himmel.engine.samplers import schedule
from himmel.engine.shapes import Blocks
from himmel.engine.tasks import REFERENCE
from himmel.training import distil, strides
from himmel.training.loop import Recipe
from himmel.training.masks import Known, draw_known
from himmel.training.strides import GRID, Walk, end_loss, exam_loss, stride_loss
from himmel.training.train_transformer import Diet, TransformerTraining, train_tokenizer
from himmel.world.render import Renderer


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(TINY.text, TINY.transformer, TINY.height, TINY.width, TINY.fps, TINY.frames))
    for parameter in generator.parameters():
        parameter.data += 0.03 * torch.randn_like(parameter)  # much starts at zero
    return generator


@pytest.fixture(scope="module")
def training(vocabulary, atlas, teacher):
    autoencoder = Autoencoder(TINY.autoencoder).eval()
    tokenizer = train_tokenizer(vocabulary, TINY.text.tokens)
    renderer = Renderer(atlas, TINY.height, TINY.width, TINY.fps)
    return TransformerTraining(
        vocabulary, vocabulary, renderer, autoencoder, tokenizer, teacher.text_encoder, (Diet(TINY.frames, 2),)
    )


@pytest.fixture(scope="module")
def run(teacher, training, tmp_path_factory):
    """Begun, not trained."""
    folder = tmp_path_factory.mktemp("turbo")
    return distil.distil(
        teacher, training, distil.Diet(clips=2, pictures=3, kept=2, reuse=2), Recipe(folder, minutes=0), {}
    )


@pytest.fixture
def teaching(teacher, run, training):
    return distil._Teaching(teacher, run.model, training, distil.Diet(clips=2, pictures=3), run, own_from=150)


def test_the_student_begins_as_its_teacher(teacher, run):
    known = dict(run.model.named_parameters())
    for name, parameter in teacher.named_parameters():
        assert torch.equal(known.pop(name), parameter)
    assert list(known) == ["transformer.embed_stride.weight"]
    assert not known["transformer.embed_stride.weight"].any()


def test_what_a_student_learned_can_be_taught_to_that_of_another_teacher(teacher, run, training, tmp_path):
    student = copy.deepcopy(run.model)
    for parameter in student.transformer.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    lesson = distil.lesson_of(student, teacher)
    further = copy.deepcopy(teacher)
    further.transformer.fold.weight.data += 1
    begun = distil.distil(further, training, distil.Diet(2, 3), Recipe(tmp_path, minutes=0), lesson).model.transformer
    learned = student.transformer
    assert torch.allclose(begun.fold.weight, learned.fold.weight + 1, atol=1e-6)
    assert torch.allclose(begun.unfold.weight, learned.unfold.weight, atol=1e-6)
    assert torch.equal(begun.embed_stride.weight, learned.embed_stride.weight)


def test_a_path_leads_from_noise_along_the_guided_flow(teaching):
    paths = teaching.exam()
    assert paths.states.shape[0] == GRID + 1
    assert 0.8 < paths.states[0].std() < 1.2
    again = teaching.exam()
    assert torch.equal(paths.states, again.states)  # an exam is always the same
    ends = teaching._states(paths.past, paths.free, None, [""] * 2)[-1]
    assert (ends - paths.states[-1]).abs().max() > 1e-3  # and the caption matters


def test_known_frames_stay_where_they_are(teaching, vocabulary):
    scenes = [distil.sample_scene(vocabulary, n) for n in range(2)]
    known = Known((3, 4), ((3, False), (4, False)))
    paths = teaching._batch(teaching.encode(scenes), ["a cat", "a car"], known, own=False)
    assert torch.equal(paths.states[-1][:, 3:], paths.past[:, 3:])
    assert paths.free.tolist() == [1, 1, 1, 0, 0]
    assert paths.ahead.times.tolist() == [3, 4, -1, -1]


def test_a_portrait_is_shown_beside_what_lies_ahead(teaching, vocabulary):
    scenes = [distil.sample_scene(vocabulary, n) for n in range(2)]
    known = Known((), ((3, True),), portrait=True)
    made = teaching.encode_cast(scenes)
    paths = teaching._batch(made, ["Character jumps", "Character spins"], known, own=False)
    assert paths.ahead.times.tolist() == [REFERENCE, 3, -1, -1]
    assert paths.past.shape[1] == 5 and paths.weight.shape[1] == 5
    alone = made[:, 0, : paths.past.shape[2]]
    assert torch.allclose(paths.ahead.latents[:, 0], alone.float(), atol=1e-2)
    own = teaching._batch(made, ["Character jumps", "Character spins"], Known(portrait=True), own=True)
    assert own.ahead.times.tolist() == [REFERENCE, -1, -1, -1]


def test_clips_and_single_pictures_take_turns(teaching):
    made = teaching.paths()
    assert [next(made).past.shape[:2] for _ in range(4)] == [(2, 5), (3, 1), (2, 5), (3, 1)]


def test_a_perfect_student_has_no_error(teaching, training, run, monkeypatch):
    """Whoever answers with the mean velocity of the path has learned all there is."""
    paths = teaching.exam()
    grid = schedule(GRID, run.model.config.shift)

    def knowing(model, noisy, levels, clean, context, prompt, ahead, strides):
        rows = torch.arange(len(noisy))[:, None], torch.arange(noisy.shape[1])[None]
        end = (levels[..., None] - strides[..., None] - grid).abs().argmin(-1)
        return (noisy - paths.states[(end, *rows)]) / strides[..., None, None, None]

    assert exam_loss(Walk(run.model, training, paths), 2) > 1e-3
    assert end_loss(Walk(run.model, training, paths), 2) > 1e-3
    assert exam_loss(Walk(run.model, training, paths, knowing), 2) < 1e-8
    assert end_loss(Walk(run.model, training, paths, knowing), 2) < 1e-8
    monkeypatch.setattr(strides, "ANYWHERE", 0.0)
    for share in (0.0, 1.0):
        monkeypatch.setattr(strides, "ARRIVED", share)
        assert stride_loss(Walk(run.model, training, paths, knowing)) < 1e-8


def test_a_stride_can_begin_where_the_one_before_it_led(run, training, teaching):
    """What has none before it begins on the path, in noise."""
    paths = teaching.exam()

    def lost(model, noisy, *_):
        """Goes the same way wherever it is."""
        return torch.ones_like(noisy)

    walk = Walk(run.model, training, paths, lost)
    begins = torch.zeros(walk.batch, dtype=torch.long)
    begins[:, 1] = 4
    arrived = walk.arrived(begins, begins + 2)
    assert torch.equal(arrived[:, 0], paths.states[0][:, 0])
    grid = schedule(GRID, run.model.config.shift)
    assert torch.allclose(arrived[:, 1:4], paths.states[2][:, 1:4] - (grid[2] - grid[4]), atol=1e-5)


def test_the_student_learns_a_path(teacher, training, teaching):
    torch.manual_seed(0)
    student = Generator(replace(teacher.config, transformer=replace(teacher.config.transformer, strides=True)))
    student.load_state_dict(teacher.state_dict(), strict=False)
    paths = teaching.exam()
    before = exam_loss(Walk(student, training, paths), 4)
    optimiser = torch.optim.Adam(student.parameters(), 3e-3)
    for _ in range(15):
        stride_loss(Walk(student, training, paths)).backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        assert exam_loss(Walk(student, training, paths), 4) < 0.8 * before


def test_its_own_past_is_what_it_makes(teaching):
    made = teaching._own(["a cat", "a car"], 5, None)
    assert made.shape == (2, 5, TINY.transformer.latent_channels, 4, 4)
    assert torch.allclose(made.square().mean(2), torch.ones(2, 5, 4, 4), atol=1e-2)


def test_masks_are_a_mixture():
    rng = random.Random(0)
    drawn = [draw_known(13, rng) for _ in range(4000)]
    nothing = sum(not known.ahead and not known.frames for known in drawn)
    assert 0.57 < nothing / len(drawn) < 0.64
    assert all(len(known.ahead) <= 4 for known in drawn)
    assert any(alone for known in drawn for _, alone in known.ahead)
    pictures = [known for known in drawn if known.ahead and not known.frames]
    assert sum(known.ahead[-1][0] == 12 for known in pictures) > len(pictures) / 2
    assert draw_known(1, rng) == Known()


def test_blocks_are_told_their_own_strides(run, training, teaching, monkeypatch):
    """Frames of a block share a stride; blocks differ; every one begins and ends on the grid."""
    seen, paths = [], teaching.exam()

    def spying(model, noisy, levels, clean, context, prompt, ahead, strides):
        seen.append((levels, strides))
        return noisy

    monkeypatch.setattr(strides, "ANYWHERE", 0.0)
    monkeypatch.setattr(strides, "ARRIVED", 0.0)
    grid = schedule(GRID, run.model.config.shift)
    for _ in range(20):
        stride_loss(Walk(run.model, training, paths, spying))
    levels, lengths = (torch.cat(some) for some in zip(*seen, strict=True))
    assert Blocks(5, TINY.transformer.block).of_frame == [0, 1, 1, 1, 2]
    assert torch.equal(lengths[:, 1], lengths[:, 3]) and not torch.equal(lengths[:, 0], lengths[:, 1])
    ends = levels - lengths
    for found in (levels, ends):
        assert (found.flatten()[:, None] - grid).abs().min(1).values.max() < 1e-6
    assert (ends < levels).all()
