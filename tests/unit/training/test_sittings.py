"""A run becomes a model's folder, and a model's folder becomes a run again."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from himmel.engine.autoencoder import Autoencoder
from himmel.engine.interpolator import Interpolator, InterpolatorConfig, load_interpolator
from himmel.engine.model import Generator, VideoModel, save_part
from himmel.engine.presets import TINY
from himmel.engine.upsampler import Upsampler, UpsamplerConfig, load_upsampler
from himmel.errors import BadRequest
from himmel.training.loop import Recipe, Run
from himmel.training.sittings import Project, autoencoder_of, begin_from, export, export_finishing, text_encoder_of
from himmel.training.train_text import TextReader
from himmel.words import WordList


@pytest.fixture
def project(tmp_path):
    """A run of the tiny preset that was begun and never trained."""
    torch.manual_seed(0)
    project = Project.named("tiny", tmp_path / "run", tmp_path / "cache", torch.device("cpu"))
    project.tokenizer()
    parts = {
        "autoencoder": Autoencoder(TINY.autoencoder),
        "text": TextReader(TINY.text, project.vocabulary),
        "transformer": Generator(config(project)),
    }
    for parameter in parts["transformer"].parameters():
        if not parameter.any():  # what begins as nothing would hide what is lost
            torch.nn.init.normal_(parameter, std=0.05)
    for name, part in parts.items():
        run = Run(part, Recipe(project.folder / name, minutes=0))
        run.save_now()
        run.log.write_text('{"step": 0}\n')
    return project


def config(project):
    return project.generator_config()


def test_an_export_can_be_loaded_and_says_what_it_is(project, tmp_path):
    export(project, tmp_path / "weights" / "pebble")
    model = VideoModel.load(tmp_path / "weights" / "pebble", torch.device("cpu"))
    assert model.config == config(project)
    words = WordList.load(tmp_path / "weights" / "pebble" / "words.json")
    assert words.unknown("a penguin jumps in the snow") == []


def test_an_export_leaves_no_turbo_and_no_scores_of_other_weights(project, tmp_path):
    target = tmp_path / "pebble"
    target.mkdir()
    for name in ("turbo.safetensors", "scores.json"):
        (target / name).write_bytes(b"of another model")
    export(project, target)
    assert not (target / "turbo.safetensors").exists() and not (target / "scores.json").exists()
    assert VideoModel.load(target, torch.device("cpu")).turbo is None


def test_a_run_with_an_upsampler_and_an_interpolator_gives_them_to_the_model(project, tmp_path):
    export_finishing(project, tmp_path / "without")
    assert not (tmp_path / "without").exists()
    parts = {"upsampler": Upsampler(UpsamplerConfig()), "interpolator": Interpolator(InterpolatorConfig())}
    for name, part in parts.items():
        run = Run(part, Recipe(project.folder / name, minutes=0))
        run.averaged = {key: torch.full_like(value, 0.25) for key, value in run.averaged.items()}
        run.save_now()
        run.log.write_text('{"step": 0}\n')
    export_finishing(project, tmp_path / "with")
    upsampler = load_upsampler(tmp_path / "with" / "upsampler.safetensors")
    interpolator = load_interpolator(tmp_path / "with" / "interpolator.safetensors")
    assert all((p == 0.25).all() for p in [*upsampler.parameters(), *interpolator.parameters()])


def test_half_precision_is_all_that_an_export_costs(project, tmp_path):
    export(project, tmp_path / "pebble")
    model = VideoModel.load(tmp_path / "pebble", torch.device("cpu"))
    before = autoencoder_of(project).state_dict()
    for name, value in model.autoencoder.state_dict().items():
        assert torch.allclose(value, before[name], atol=1e-3)


def test_a_model_begins_a_run_but_never_replaces_one(project, tmp_path):
    export(project, tmp_path / "pebble")
    anew = Project.named("tiny", tmp_path / "anew", tmp_path / "cache", torch.device("cpu"))
    begin_from(anew, tmp_path / "pebble")
    begun = autoencoder_of(anew).state_dict()
    for name, value in autoencoder_of(project).state_dict().items():
        assert torch.allclose(value, begun[name], atol=1e-3)
    (name, token), *_ = text_encoder_of(anew).named_parameters()
    assert torch.allclose(
        VideoModel.load(tmp_path / "pebble", torch.device("cpu")).generator.text_encoder.get_parameter(name), token
    )
    assert len(anew.tokenizer()) == len(project.tokenizer())
    export(anew, tmp_path / "again")  # though nothing of it was trained here
    written = (anew.folder / "transformer" / "state.safetensors").stat().st_mtime_ns
    begin_from(anew, tmp_path / "pebble")
    assert (anew.folder / "transformer" / "state.safetensors").stat().st_mtime_ns == written


def deeper(project, folder, **layers):
    shape = replace(project.preset.transformer, **layers)
    return replace(project, preset=replace(project.preset, transformer=shape), folder=folder)


def test_a_deeper_run_begins_as_the_model_that_it_grows_from(project, tmp_path):
    export(project, tmp_path / "pebble")
    begin_from(deeper(project, tmp_path / "grown", depth=3, finish=3), tmp_path / "pebble")
    grown = Generator(deeper(project, tmp_path / "grown", depth=3, finish=3).generator_config())
    Run(grown, Recipe(tmp_path / "grown" / "transformer", minutes=0)).restart_from_average()
    model = VideoModel.load(tmp_path / "pebble", torch.device("cpu")).generator
    latents, times = torch.randn(2, 3, 8, 4, 4), torch.arange(3)
    tokens, levels = project.tokenizer()(["a cat", "a dog jumps"], 16), torch.rand(2, 3)
    with torch.inference_mode():
        theirs = model.transformer(latents, levels, times, model.read(tokens))[0]
        mine = grown.transformer(latents, levels, times, grown.read(tokens))[0]
    assert theirs.std() > 0.01 and torch.allclose(mine, theirs, atol=1e-5)


def test_a_run_counts_on_where_its_model_stopped(project, tmp_path):
    trained = Run(Generator(config(project)), Recipe(project.folder / "transformer", minutes=0))
    trained.step, trained.seconds = 40, 7200.0
    trained.save_now()
    export(project, tmp_path / "pebble")
    begin_from(replace(project, folder=tmp_path / "anew"), tmp_path / "pebble")
    begun = Run(Generator(config(project)), Recipe(tmp_path / "anew" / "transformer", minutes=0))
    assert (begun.step, begun.seconds) == (40, 7200.0)


def test_a_run_that_grows_from_a_model_takes_over_what_its_turbo_learned(project, tmp_path):
    export(project, tmp_path / "pebble")
    shape = replace(config(project), transformer=replace(config(project).transformer, strides=True))
    student = Generator(shape)
    student.load_state_dict(VideoModel.load(tmp_path / "pebble", torch.device("cpu")).generator.state_dict(), False)
    student.transformer.fold.weight.data += 0.5
    save_part(tmp_path / "pebble" / "turbo.safetensors", "transformer", student, shape, "Apache-2.0", {})
    begin_from(deeper(project, tmp_path / "grown", depth=3), tmp_path / "pebble")
    lesson = load_file(tmp_path / "grown" / "lesson.safetensors")
    assert torch.allclose(lesson["fold.weight"], torch.tensor(0.5), atol=2e-3)  # kept at half precision
    assert not lesson["unfold.weight"].any() and "layers.2.feed.gate.weight" not in lesson


def test_a_shallower_run_is_refused(project, tmp_path):
    export(project, tmp_path / "pebble")
    with pytest.raises(BadRequest, match="deeper"):
        begin_from(deeper(project, tmp_path / "small", depth=1), tmp_path / "pebble")


def test_a_model_of_another_shape_is_refused(project, tmp_path):
    export(project, tmp_path / "pebble")
    large = Project.named("laptop", tmp_path / "large", tmp_path / "cache", torch.device("cpu"))
    with pytest.raises(BadRequest, match="another shape"):
        begin_from(large, tmp_path / "pebble")


def test_unknown_presets_are_named(tmp_path):
    with pytest.raises(BadRequest, match="allowed: laptop"):
        Project.named("huge", tmp_path, tmp_path, torch.device("cpu"))
