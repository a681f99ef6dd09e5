"""Training material on the fly: scenes drawn from a vocabulary, rendered, kept for a few uses, replaced.

Owns: which scenes are seen, in which order, how often. The seeds make it repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import Vocabulary


class Pool:
    """A pool of clips, of which each batch is drawn and a part of which each batch replaces.

    ``make`` turns scenes into a tensor with one row per scene (pixels, latents). A scene is used ``reuse``
    times on average before another takes its place: 1 where rendering is cheap (a GPU), more where it is not.
    """

    def __init__(
        self, vocabulary: Vocabulary, make: Callable[[Sequence[Scene]], Tensor], size: int, reuse: float, seed: int
    ) -> None:
        self.vocabulary, self.make, self.reuse = vocabulary, make, reuse
        self.next_seed = seed
        self.random = torch.Generator().manual_seed(seed)
        self.owed = 0.0
        self.scenes: list[Scene] = []
        chunks = []
        while len(self.scenes) < size:
            scenes, made = self._fresh(min(32, size - len(self.scenes)))
            self.scenes += scenes
            chunks.append(made)
        self.made = torch.cat(chunks)
        self.oldest = 0

    def batch(self, count: int) -> tuple[list[Scene], Tensor]:
        """``count`` scenes and their tensors, drawn without repetition."""
        self._replace(count)
        rows = torch.randperm(len(self.scenes), generator=self.random)[:count]
        return [self.scenes[i] for i in rows.tolist()], self.made[rows]

    def _replace(self, count: int) -> None:
        self.owed += count / self.reuse
        fresh = min(int(self.owed), len(self.scenes))
        if fresh < 8:  # rendering pays in batches
            return
        self.owed -= fresh
        rows = [(self.oldest + i) % len(self.scenes) for i in range(fresh)]
        scenes, made = self._fresh(fresh)
        self.made[rows] = made
        for row, scene in zip(rows, scenes, strict=True):
            self.scenes[row] = scene
        self.oldest = (self.oldest + fresh) % len(self.scenes)

    def _fresh(self, count: int) -> tuple[list[Scene], Tensor]:
        scenes = [sample_scene(self.vocabulary, self.next_seed + i) for i in range(count)]
        self.next_seed += count
        return scenes, self.make(scenes)
