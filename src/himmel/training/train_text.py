"""Training the text encoder: captions read, the scene that they say guessed, no picture drawn.

Owns: this one recipe. The loop, the optimisers and the checkpoints are ``loop``'s.

The renderer knows the truth of every caption, so words can be learned by themselves, some hundred thousand
captions in a few minutes. The transformer then begins with prompts that are understood; learned through
pictures alone, words took longer than pictures (docs/notebook.md).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from himmel.engine.text_encoder import TextConfig, TextEncoder, Tokenizer
from himmel.training.data import sent
from himmel.training.loop import Recipe, Run
from himmel.training.utilisation import counted, part
from himmel.world.caption import caption
from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import Vocabulary

VALIDATION_SEED = 3 * 10**9
MUON_RATE, ADAM_RATE = 0.01, 2e-3
NOTHING = "-"


def train_text(
    config: TextConfig,
    vocabulary: Vocabulary,
    tokenizer: Tokenizer,
    recipe: Recipe,
    captions: int,
    device: torch.device,
) -> Run:
    """Train, or go on training, for the recipe's minutes, ``captions`` a step; the run's folder holds the state."""
    torch.manual_seed(0)
    reader = TextReader(config, vocabulary).to(device)
    run = Run(reader, recipe)
    writer = random.Random(run.step)
    next_seed = iter(range(run.step * captions, VALIDATION_SEED))

    def examples(seeds: Sequence[int], rng: random.Random, held_out: bool) -> tuple[Tensor, Tensor]:
        with part("scenes"):
            scenes = [sample_scene(vocabulary, seed, keep_held_out=held_out) for seed in seeds]
        with part("captions"):
            tokens = tokenizer([caption(scene, rng) for scene in scenes], config.longest)
        return sent(tokens, device), sent(reader.truth(scenes), device)

    exam = examples(range(VALIDATION_SEED, VALIDATION_SEED + 512), random.Random(0), True)

    def loss_of(step: int) -> Tensor:
        tokens, truth = examples([next(next_seed) for _ in range(captions)], writer, False)
        counted(tokens.shape[1:], len(tokens), lambda: reader.loss(tokens[:1], truth[:1]))
        return reader.loss(tokens, truth)

    def measure() -> dict[str, float]:
        with run.evaluated():
            return reader.accuracy(*exam)

    run.train(loss_of, measure)
    return run


class TextReader(nn.Module):
    """The text encoder, and one linear question after another to its pooled vector."""

    def __init__(self, config: TextConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.encoder = TextEncoder(config)
        self.questions = _questions(vocabulary)
        self.answers = nn.Linear(config.width, sum(map(len, self.questions.values())))

    def truth(self, scenes: Sequence[Scene]) -> Tensor:
        """The right answers' numbers (B, questions), counted from 0 in each question."""
        told = [_told(scene) for scene in scenes]
        return torch.tensor([[known.index(t[name]) for name, known in self.questions.items()] for t in told])

    def loss(self, tokens: Tensor, truth: Tensor) -> Tensor:
        """Mean cross-entropy over all questions; tokens (B, L), truth (B, questions)."""
        losses = [F.cross_entropy(logits, right) for logits, right in zip(self._ask(tokens), truth.T, strict=True)]
        return torch.stack(losses).mean()

    def accuracy(self, tokens: Tensor, truth: Tensor) -> dict[str, float]:
        """Share of right answers to every question."""
        hits = [
            (logits.argmax(1) == right).float().mean().item()
            for logits, right in zip(self._ask(tokens), truth.T, strict=True)
        ]
        return dict(zip(self.questions, hits, strict=True))

    def _ask(self, tokens: Tensor) -> tuple[Tensor, ...]:
        asked = self.answers(self.encoder(tokens).pooled)
        return asked.split([len(known) for known in self.questions.values()], 1)


def _questions(v: Vocabulary) -> dict[str, tuple[str, ...]]:
    """What is asked of every caption, and the answers to choose from."""
    questions: dict[str, tuple[str, ...]] = {
        "setting": v.settings,
        "style": v.styles,
        "light": v.lights,
        "weather": v.weathers,
        "camera": v.cameras,
        "relation": (NOTHING, *v.relations),
        "count": tuple(str(n) for n in range(1, v.max_count + 1)),
    }
    for number in range(v.max_actors):
        nothing = (NOTHING,) if number else ()
        questions |= {
            f"noun {number}": (*nothing, *v.nouns),
            f"motion {number}": (*nothing, *v.motions),
            f"colour {number}": (NOTHING, *v.colours),
            f"size {number}": (*nothing, *v.sizes),
        }
    return questions | {"then": (NOTHING, *v.motions)}


def _told(scene: Scene) -> dict[str, str]:
    """The answers that are right for a scene; more than ``_questions`` asks where a vocabulary has fewer actors."""
    told = {
        "setting": scene.setting,
        "style": scene.style,
        "light": scene.light,
        "weather": scene.weather,
        "camera": scene.camera,
        "relation": scene.relation or NOTHING,
        "count": str(scene.actors[0].count),
        "then": scene.actors[0].motions[1] if len(scene.actors[0].motions) > 1 else NOTHING,
    }
    for number in range(3):
        actor = scene.actors[number] if number < len(scene.actors) else None
        told |= {
            f"noun {number}": actor.noun if actor else NOTHING,
            f"motion {number}": actor.motions[0] if actor else NOTHING,
            f"colour {number}": (actor.colour if actor else None) or NOTHING,
            f"size {number}": actor.size if actor else NOTHING,
        }
    return told
