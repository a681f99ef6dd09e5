"""The oracle: a small network that reads a clip and says who, where, how moving, in which light.

A measuring instrument: trained on real renders of the whole vocabulary, held-out pairs included, so that
what it cannot read in a generated clip is the generator's fault; its own score on real clips is the ceiling.

Owns: the network, its file, and its readings. Knows nothing of generators, prompts and scores.
Shape legend: B clips, T frames, H × W pixels, C channels, K key points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from himmel.engine import checkpoint
from himmel.engine.model import load_part
from himmel.training.optical_flow import FLOW, optical_flow
from himmel.training.questions import AXIS_OF, Question, questions_for
from himmel.world.scene import Scene
from himmel.world.vocabulary import Vocabulary

KEY_POINTS = 24
ACTOR = 6  # x, y, log height, width over height, cosine and sine of the angle, on screen
VIEW = 3  # log zoom, shift across, shift down of the camera, less their means over the clip
EMBEDDING = 256
SHIPPED = Path(__file__).parents[1] / "weights" / "oracle" / "laptop.safetensors"


@dataclass(frozen=True)
class OracleConfig:
    """What an oracle reads: its vocabulary, and the clip as it sees it (frames spread evenly, square pixels)."""

    vocabulary: Vocabulary
    seconds: float = 4.0
    frames: int = 17
    side: int = 64
    width: int = 24


@dataclass(frozen=True)
class Reading:
    """What was read off B clips.

    ``logits`` per question (B, answers); ``embedding`` (B, 256) for distances between clips; ``track``
    (B, T, 9): where a lone actor is and what the camera does, frame by frame (``ACTOR`` and ``VIEW``).
    """

    logits: dict[str, Tensor]
    embedding: Tensor
    track: Tensor


class Oracle(nn.Module):
    """Reads clips. Frames one by one through convolutions, then a short network over time."""

    def __init__(self, config: OracleConfig) -> None:
        super().__init__()
        self.config = config
        self.questions: tuple[Question, ...] = questions_for(config.vocabulary)
        self.frame = FrameReader(config.width)
        self.over_time = TimeReader(self.frame.features + FLOW + ACTOR + VIEW, 6 * config.width)
        self.heads = nn.ModuleDict({q.name: nn.Linear(EMBEDDING, len(q.answers)) for q in self.questions})
        self.drop = nn.Dropout(0.25)

    def forward(self, clips: Tensor) -> Reading:
        """Read clips (B, T, 3, H, W), 0 … 1, of about the configured length, any size and frame rate."""
        return self.read(self.observe(clips))

    def observe(self, clips: Tensor) -> Tensor:
        """All that the reader over time is told, (B, frames, C): features of the frames, and the flow between them."""
        seen = self.look(clips)
        return torch.cat([self.features(seen), optical_flow(seen[:, :, :3])], -1)

    def look(self, clips: Tensor) -> Tensor:
        """Clips as the oracle sees them, (B, frames, 6, side, side): each frame, and how it departs from the mean."""
        places = torch.linspace(0, clips.shape[1] - 1, self.config.frames).round().long()
        frames = rearrange(clips[:, places], "b t c h w -> (b t) c h w")
        if frames.shape[-2:] != (self.config.side, self.config.side):
            frames = F.interpolate(frames, size=(self.config.side,) * 2, mode="bilinear", antialias=True)
        return depart(rearrange(frames, "(b t) c h w -> b t c h w", b=len(clips)))

    def features(self, seen: Tensor) -> Tensor:
        """Features (B, T, C') of frames as ``look`` gives them; each frame by itself, so any of them will do."""
        pictures = rearrange(seen, "b t c h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
        return rearrange(self.frame(pictures), "(b t) c -> b t c", b=len(seen))

    def read(self, observed: Tensor) -> Reading:
        """The reading from what ``observe`` gives."""
        track = self.frame.track(observed[..., : self.frame.features])
        embedding = self.over_time(torch.cat([observed, track], -1))
        hidden = self.drop(F.gelu(embedding))
        logits = {name: head(hidden) for name, head in self.heads.items()}
        return Reading(logits, embedding, track)

    def truth_indices(self, truths: Sequence[Mapping[str, str]]) -> dict[str, Tensor]:
        """True answers as indices (B,), -1 where a scene does not settle a question or knows no such answer."""
        index = {q.name: {answer: i for i, answer in enumerate(q.answers)} for q in self.questions}
        return {
            q.name: torch.tensor([index[q.name].get(truth.get(q.name, ""), -1) for truth in truths])
            for q in self.questions
        }


class FrameReader(nn.Module):
    """A picture (N, 6, side, side) to features (N, C): key points (where, how large), what is there, the whole."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = KEY_POINTS * 5 + 2 * width * 2 + 3 * width * 2
        self.track = nn.Sequential(nn.Linear(self.features, 128), nn.ReLU(), nn.Linear(128, ACTOR + VIEW))
        self.fine = nn.Sequential(_conv(6, width, 5, 2), _conv(width, 2 * width, 3, 2), _conv(2 * width, 2 * width, 3))
        self.points = nn.Conv2d(2 * width, KEY_POINTS, 1)
        self.coarse = nn.Sequential(_conv(2 * width, 3 * width, 3, 2), _conv(3 * width, 3 * width, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.fine(pictures)
        where, weights = key_points(self.points(fine))
        # What the first two key points look at, the rest is geometry.
        what = torch.einsum("nkp,ncp->nkc", weights[:, :2], fine.flatten(2)).flatten(1)
        coarse = self.coarse(fine).flatten(2)
        return torch.cat([where, what, coarse.mean(2), coarse.amax(2)], 1)


class TimeReader(nn.Module):
    """Features of all frames (B, T, C) to one embedding (B, 256)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.enter = nn.Conv1d(features, width, 3, padding=1)
        self.blocks = nn.Sequential(*(TimeBlock(width, dilation) for dilation in (1, 2, 4, 1)))
        self.leave = nn.Linear(6 * width + 2 * features, EMBEDDING)

    def forward(self, features: Tensor) -> Tensor:
        features = self.norm(rearrange(features, "b t c -> b c t"))
        moved = self.blocks(self.enter(features))
        thirds = F.adaptive_avg_pool1d(moved, 3).flatten(1)
        summary = [moved.mean(2), moved.amax(2), moved[:, :, -1] - moved[:, :, 0], thirds]
        return self.leave(torch.cat([*summary, features.mean(2), features.amax(2)], 1))


class TimeBlock(nn.Module):
    """A residual convolution over time, (B, C, T) to the same."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(F.gelu(self.mix(self.norm(x))))


def depart(clips: Tensor) -> Tensor:
    """Frames (B, T, 3, h, w) in 0 … 1, centred, and how each departs from the mean of its clip: (B, T, 6, h, w)."""
    return torch.cat([clips - 0.5, 2 * (clips - clips.mean(1, keepdim=True))], 2)


def key_points(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Soft positions and extents of what maps (N, K, h, w) respond to, and the weights they come from.

    Returns (N, 5K): x, y, the spread across, down, and the peak; and softmax weights (N, K, h·w).
    (Soft-argmax of Levine et al. 2016, End-to-end training of deep visuomotor policies, with second moments.)
    """
    height, width = maps.shape[-2:]
    flat = maps.flatten(2)
    weights = flat.softmax(-1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    x, y = x.flatten().to(maps), y.flatten().to(maps)
    mean_x, mean_y = weights @ x, weights @ y
    spread_x = (weights @ (x * x) - mean_x**2).clamp(min=1e-5).sqrt()
    spread_y = (weights @ (y * y) - mean_y**2).clamp(min=1e-5).sqrt()
    return torch.cat([mean_x, mean_y, spread_x, spread_y, flat.amax(-1).tanh()], 1), weights


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


@torch.no_grad()
def answers(oracle: Oracle, reading: Reading, scene: Scene) -> dict[str, str]:
    """What one clip (B = 1) shows, by question.

    Of two actors or two steps, the scene gives who and what, so that ``relation`` and ``order`` measure
    themselves alone: the oracle only weighs who is where, and what came first.
    """
    said = {q.name: q.answers[int(reading.logits[q.name][0].argmax())] for q in oracle.questions}
    first = scene.actors[0]
    if len(scene.actors) > 1:
        pair = (first.noun, scene.actors[1].noun)
        relations = oracle.config.vocabulary.relations
        said["relation"] = max(relations, key=lambda relation: _relation_weight(oracle, reading, relation, pair))
    if len(first.motions) > 1:
        orders = (first.motions, first.motions[::-1])
        likelier = max(orders, key=lambda order: _weight(oracle, reading, first=order[0], then=order[1]))
        said["order"] = " > ".join(likelier)
    return said


def _relation_weight(oracle: Oracle, reading: Reading, relation: str, pair: tuple[str, str]) -> float:
    axis, turned = AXIS_OF[relation]
    return _weight(oracle, reading, axis=axis, former=pair[turned], latter=pair[not turned])


def _weight(oracle: Oracle, reading: Reading, **said: str) -> float:
    """Log-likelihood of these answers together."""
    known = {q.name: q.answers for q in oracle.questions}
    return sum(
        float(reading.logits[name][0].log_softmax(-1)[known[name].index(answer)]) for name, answer in said.items()
    )


def save_oracle(path: Path, oracle: Oracle, training: Mapping[str, Any]) -> None:
    """Write an oracle in half precision. Raises CannotWrite."""
    header = checkpoint.Header("oracle", checkpoint.for_configuration(oracle.config), "Apache-2.0", training)
    checkpoint.save(path, oracle.state_dict(), header, dtype=torch.float16)


def load_oracle(path: Path = SHIPPED) -> Oracle:
    """Read an oracle, ready to read clips. Raises BadCheckpoint."""
    return load_part(path, "oracle", Oracle, OracleConfig).eval()
