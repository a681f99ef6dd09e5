"""Sittings of training, and what comes out of them: a run's folder, and from it a model's folder.

Owns: the layout of a run's folder (``autoencoder/``, ``text/``, ``transformer/``, ``upsampler/``,
``interpolator/``, ``tokenizer.json``) and the export.
A run is trained in as many sittings as there is time for; each goes on where the one before stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from himmel.engine import checkpoint
from himmel.engine.autoencoder import Autoencoder
from himmel.engine.interpolator import Interpolator, InterpolatorConfig, save_interpolator
from himmel.engine.model import Generator, GeneratorConfig, VideoModel, save_part
from himmel.engine.presets import PRESETS, Preset
from himmel.engine.text_encoder import TextEncoder, Tokenizer
from himmel.engine.upsampler import Upsampler, UpsamplerConfig, save_upsampler
from himmel.errors import BadRequest
from himmel.training import distil
from himmel.training.loop import LOG, Recipe, Run, keep_state
from himmel.training.train_autoencoder import AutoencoderTraining, Latents, train_autoencoder
from himmel.training.train_interpolator import InterpolatorTraining, train_interpolator
from himmel.training.train_text import TextReader, train_text
from himmel.training.train_transformer import Diet, TransformerTraining, train_tokenizer, train_transformer
from himmel.training.train_upsampler import UpsamplerTraining, train_upsampler
from himmel.world.lexicon import build_words
from himmel.world.portrait import casting
from himmel.world.render import Renderer
from himmel.world.sprites import Atlas, art_files, atlas_for
from himmel.world.vocabulary import VOCABULARIES, Vocabulary

LICENCE = "Apache-2.0"
LESSON = "lesson.safetensors"  # in a run's folder: what the Turbo of the model that it began from had learned
TURNING = ("spin", "rock", "circle", "flip")  # drawn twice as often as others: they show an actor at every angle
HARD = {"p_several": 0.15, "p_counted": 0.15, "p_two_steps": 0.12}  # drawn so often at least, where they are at all


@dataclass(frozen=True)
class Project:
    """One model in the making: its shape, what it is taught, and where the run and the art are kept."""

    preset: Preset
    vocabulary: Vocabulary
    folder: Path
    cache: Path
    device: torch.device

    @classmethod
    def named(cls, preset: str, folder: Path, cache: Path, device: torch.device) -> Project:
        """The preset of this name with the vocabulary that goes with it. Raises BadRequest."""
        if preset not in PRESETS:
            raise BadRequest(f"unknown preset '{preset}'; allowed: {', '.join(PRESETS)}")
        return cls(PRESETS[preset], VOCABULARIES[preset], folder, cache, device)

    def atlas(self) -> Atlas:
        return atlas_for(self.vocabulary, self.cache)

    def renderer(self, vocabulary: Vocabulary | None = None) -> Renderer:
        """Of the project's vocabulary, or of another one."""
        atlas = atlas_for(vocabulary or self.vocabulary, self.cache)
        return Renderer(atlas, self.preset.height, self.preset.width, self.preset.fps, self.device)

    def generator_config(self) -> GeneratorConfig:
        p = self.preset
        return GeneratorConfig(p.text, p.transformer, p.height, p.width, p.fps, p.frames, references=1)

    def tokenizer(self) -> Tokenizer:
        """The run's tokenizer, trained at the first call."""
        path = self.folder / "tokenizer.json"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            train_tokenizer(self.vocabulary, self.preset.text.tokens).save(path)
        return Tokenizer.load(path)


def autoencoder_sitting(project: Project, recipe: Recipe, clips: int, latents: Latents = "free") -> Run:
    """Train the project's autoencoder for the recipe's minutes, ``clips`` short clips a step."""
    training = AutoencoderTraining(
        project.vocabulary,
        project.renderer(),
        clips,
        scene_frames=project.preset.frames,
        pool=min(512, 32 * clips),
        latents=latents,
    )
    return train_autoencoder(project.preset.autoencoder, training, recipe, project.device)


def text_sitting(project: Project, recipe: Recipe, captions: int) -> Run:
    """Train the project's text encoder for the recipe's minutes, ``captions`` a step."""
    return train_text(project.preset.text, project.vocabulary, project.tokenizer(), recipe, captions, project.device)


def transformer_sitting(project: Project, recipe: Recipe, diets: tuple[Diet, ...]) -> Run:
    """Train the project's transformer for the recipe's minutes on the latents of its autoencoder."""
    training = _training(project, diets)
    return train_transformer(project.generator_config(), training, recipe, project.device)


def turbo_sitting(project: Project, recipe: Recipe, diet: distil.Diet) -> Run:
    """Distil the Turbo of the project's transformer for the recipe's minutes. Raises BadRequest where it has none."""
    teacher = Generator(project.generator_config())
    _load_average(project, "transformer", "transformer", teacher)
    training = _training(project, (Diet(project.preset.frames, 1),))
    path = project.folder / LESSON
    lesson = load_file(path, str(project.device)) if path.exists() else {}
    return distil.distil(teacher.to(project.device), training, diet, recipe, lesson)


def _training(project: Project, diets: tuple[Diet, ...]) -> TransformerTraining:
    drawn = _emphasised(project.vocabulary)
    cast = casting(drawn)
    return TransformerTraining(
        drawn,
        cast,
        project.renderer(cast),
        autoencoder_of(project),
        project.tokenizer(),
        text_encoder_of(project),
        diets,
    )


def _emphasised(vocabulary: Vocabulary) -> Vocabulary:
    """The same things, but what is learned slowly drawn more often."""
    motions = vocabulary.motions
    shares = {name: max(share, least) for name, least in HARD.items() if (share := getattr(vocabulary, name))}
    return replace(vocabulary, motions=(*motions, *(key for key in motions if key in TURNING)), **shares)


def upsampler_sitting(project: Project, recipe: Recipe, clips: int) -> Run:
    """Train the project's upsampler for the recipe's minutes on what its autoencoder makes of the world."""
    preset = project.preset
    training = UpsamplerTraining(
        project.vocabulary,
        project.atlas(),
        autoencoder_of(project),
        preset.height,
        preset.width,
        preset.fps,
        clips,
        scene_frames=preset.frames,
        pool=16 * clips,
    )
    return train_upsampler(UpsamplerConfig(), training, recipe, project.device)


def interpolator_sitting(project: Project, recipe: Recipe, clips: int) -> Run:
    """Train the project's interpolator for the recipe's minutes; it needs nothing of the run."""
    preset = project.preset
    training = InterpolatorTraining(
        project.vocabulary,
        project.atlas(),
        preset.height,
        preset.width,
        preset.fps,
        clips,
        scene_frames=preset.frames,
        pool=32 * clips,
    )
    return train_interpolator(InterpolatorConfig(), training, recipe, project.device)


def art_of(project: Project) -> list[Path]:
    """The files of the cache with the art of all sittings. Raises MissingAsset where it was not fetched."""
    shown = (project.vocabulary, casting(project.vocabulary))
    return list(dict.fromkeys(file for vocabulary in shown for file in art_files(vocabulary, project.cache)))


def begin_from(project: Project, model: Path) -> None:
    """Begin the run with the weights of a model's folder instead of at random, where the run has none yet.

    What a folder does not hold is lost: the optimisers' memory, which comes back within some hundred steps. Of its
    Turbo is kept what it learned beyond its teacher: the run's own Turbo begins with that.
    The preset may be deeper than the model: layers that are more begin as the identity, so that nothing is lost.
    Raises BadCheckpoint, and BadRequest where the model has another shape than the preset.
    """
    found = VideoModel.load(model, torch.device("cpu"))
    shape = project.preset.transformer
    grown = replace(found.config.transformer, depth=shape.depth, finish=shape.finish)
    if grown != shape or found.config.text != project.preset.text:
        raise BadRequest(f"'{model.name}' has another shape than this preset; begin from one of the same")
    generator = Generator(project.generator_config())
    if generator.load_state_dict(found.generator.state_dict(), strict=False).unexpected_keys:
        raise BadRequest(f"'{model.name}' is deeper than this preset; begin from one that is not")
    made = checkpoint.describe(model / "transformer.safetensors", "transformer")[0].training
    project.folder.mkdir(parents=True, exist_ok=True)
    if not (project.folder / "tokenizer.json").exists():
        found.tokenizer.save(project.folder / "tokenizer.json")
    reader = TextReader(project.preset.text, project.vocabulary)
    reader.encoder.load_state_dict(found.generator.text_encoder.state_dict())
    for name, part in (("autoencoder", found.autoencoder), ("text", reader), ("transformer", generator)):
        run = Run(part.requires_grad_(True), Recipe(project.folder / name, minutes=0))
        if run.file.exists():
            continue
        if part is generator:
            run.step, run.seconds = int(made["steps"]), 3600 * float(made["hours"])
            if found.turbo is not None:
                keep_state(project.folder / LESSON, distil.lesson_of(found.turbo, found.generator), {})
        run.save_now()


def autoencoder_of(project: Project) -> Autoencoder:
    """The run's autoencoder with its averaged weights. Raises BadRequest where none was trained yet."""
    trained = Autoencoder(project.preset.autoencoder)
    _load_average(project, "autoencoder", "autoencoder", trained)
    return trained.to(project.device).eval().requires_grad_(False)


def text_encoder_of(project: Project) -> TextEncoder:
    """The run's text encoder with its averaged weights. Raises BadRequest where none was trained yet."""
    reader = TextReader(project.preset.text, project.vocabulary)
    _load_average(project, "text", "text encoder", reader)
    return reader.encoder


def _load_average(project: Project, part: str, noun: str, model: nn.Module) -> None:
    if not _begun(project, part):
        raise BadRequest(f"'{project.folder}' has no {noun} yet; run 'himmel train {part}' first")
    Run(model, Recipe(project.folder / part, minutes=0)).restart_from_average()


def export(project: Project, target: Path) -> None:
    """Write the model's folder: averaged weights at half precision, tokenizer, words. Raises CannotWrite."""
    target.mkdir(parents=True, exist_ok=True)
    config = project.generator_config()
    generator = Generator(config)
    making = _making(project, "transformer", generator)
    autoencoder = autoencoder_of(project)
    words = build_words(project.vocabulary)
    words.save(target / "words.json")
    project.tokenizer().save(target / "tokenizer.json")
    parts = (generator, autoencoder)
    save_part(
        target / "autoencoder.safetensors",
        "autoencoder",
        autoencoder,
        project.preset.autoencoder,
        LICENCE,
        {"log": _last_lines(project.folder / "autoencoder")},
    )
    save_part(
        target / "transformer.safetensors",
        "transformer",
        generator,
        config,
        LICENCE,
        making
        | {
            "parameters": sum(p.numel() for part in parts for p in part.parameters()),
            "vocabulary_size": len(words),
        },
    )
    for stale in ("turbo.safetensors", "scores.json"):  # of what was in the folder before
        (target / stale).unlink(missing_ok=True)
    if _begun(project, "turbo"):
        config = replace(config, transformer=replace(config.transformer, strides=True))
        student = Generator(config)
        making = _making(project, "turbo", student)
        save_part(target / "turbo.safetensors", "transformer", student, config, LICENCE, making)
    export_finishing(project, target)


def export_finishing(project: Project, target: Path) -> None:
    """Write the run's upsampler and interpolator, where it has them, into a model's folder. Raises CannotWrite."""
    if _begun(project, "upsampler"):
        upsampler = Upsampler(UpsamplerConfig())
        making = _making(project, "upsampler", upsampler)
        save_upsampler(target / "upsampler.safetensors", upsampler, LICENCE, making)
    if _begun(project, "interpolator"):
        interpolator = Interpolator(InterpolatorConfig())
        making = _making(project, "interpolator", interpolator)
        save_interpolator(target / "interpolator.safetensors", interpolator, LICENCE, making)


def _begun(project: Project, part: str) -> bool:
    return (project.folder / part / "state.safetensors").exists()


def _making(project: Project, part: str, model: nn.Module) -> dict[str, Any]:
    """Fill a model with the averaged weights of a part's run; returns how they came about."""
    folder = project.folder / part
    run = Run(model, Recipe(folder, minutes=0))
    run.restart_from_average()
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": run.step,
        "hours": round(run.seconds / 3600, 2),
        "trained_on": _material(project.vocabulary),
        "log": _last_lines(folder),
    }


def _material(vocabulary: Vocabulary) -> str:
    v = vocabulary
    return (
        f"renders of Himmel's own world: {len(v.nouns)} nouns in {len(v.styles)} style{'s' * (len(v.styles) > 1)}, "
        f"{len(v.motions)} motions, {len(v.settings)} settings; every picture is listed by 'himmel credits'"
    )


def _last_lines(folder: Path) -> list[str]:
    """Of a part's log; none where it was taken over from a model and not trained since."""
    log = folder / LOG
    return log.read_text().splitlines()[-3:] if log.exists() else []
