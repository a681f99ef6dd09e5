"""Training material on the fly: scenes drawn from a vocabulary, rendered, kept for a few uses, replaced.

Owns: which scenes are seen, in which order, how often, and who makes them meanwhile. The seeds make it repeatable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue

import torch
from torch import Tensor

from himmel.training.utilisation import part
from himmel.world.scene import Scene, sample_scene
from himmel.world.vocabulary import Vocabulary

Portion = tuple[list[Scene], Tensor]
LEAST = 8  # scenes that are rendered together, for rendering pays in batches
READY = 2  # portions that lie ready beside a training on a card
CARD_FRAMES = 64 * 49  # rendered together on a card: what that takes of its memory is a few gigabytes
PATIENCE = 0.1  # seconds between two looks at whether anybody still wants them


class Pool:
    """A pool of clips, of which each batch is drawn and a part of which each batch replaces.

    ``make`` turns scenes into a tensor with one row per scene (pixels, latents). A scene is used ``reuse``
    times on average before another takes its place: 1 where rendering is cheap (a GPU), more where it is not.

    With a ``portion``, that many scenes at a time are made beside the training, on a thread of their own: the
    same scenes in the same order, but always so many at once. Whoever asks for it must ``close`` the pool.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        make: Callable[[Sequence[Scene]], Tensor],
        size: int,
        reuse: float,
        seed: int,
        portion: int = 0,
    ) -> None:
        self.vocabulary, self.make, self.size, self.reuse = vocabulary, make, size, reuse
        self.next_seed = seed
        self.random = torch.Generator().manual_seed(seed)
        self.owed = 0.0
        self.scenes: list[Scene] = []
        self.made = torch.empty(0)
        self.oldest = 0
        self.portion = min(portion, size)
        self.ahead: Ahead | None = None

    def batch(self, count: int) -> tuple[list[Scene], Tensor]:
        """``count`` scenes and their tensors, drawn without repetition; the first call fills the pool."""
        if not self.scenes:
            self._fill()
        self._replace(count)
        rows = torch.randperm(len(self.scenes), generator=self.random)[:count]
        return [self.scenes[i] for i in rows.tolist()], self.made[sent(rows, self.made.device)]

    def close(self) -> None:
        """Let nothing more be made."""
        if self.ahead is not None:
            self.ahead.close()

    def _fill(self) -> None:
        chunks = []
        while len(self.scenes) < self.size:
            scenes, made = self._fresh(min(max(32, self.portion), self.size - len(self.scenes)))
            self.scenes += scenes
            chunks.append(made)
        self.made = torch.cat(chunks)
        if self.portion:
            self.ahead = Ahead(lambda: self._fresh(self.portion), self.made.device)

    def _replace(self, count: int) -> None:
        self.owed += count / self.reuse
        if self.ahead is not None:
            while self.owed >= self.portion:
                self._put(*self.ahead.take())
            return
        fresh = min(int(self.owed), len(self.scenes))
        if fresh >= LEAST:
            self._put(*self._fresh(fresh))

    def _put(self, scenes: list[Scene], made: Tensor) -> None:
        self.owed -= len(scenes)
        rows = [(self.oldest + i) % len(self.scenes) for i in range(len(scenes))]
        for start, stop, first in _runs(self.oldest, len(scenes), len(self.scenes)):
            self.made[start:stop] = made[first : first + stop - start]
        for row, scene in zip(rows, scenes, strict=True):
            self.scenes[row] = scene
        self.oldest = (self.oldest + len(scenes)) % len(self.scenes)

    def _fresh(self, count: int) -> Portion:
        with part("scenes"):
            scenes = [sample_scene(self.vocabulary, self.next_seed + i) for i in range(count)]
        self.next_seed += count
        return scenes, self.make(scenes)


class Ahead:
    """Portions made beside the training, in the order in which they are taken.

    On a card they are made in a queue of work of their own, and are finished when they are handed over.
    """

    def __init__(self, make: Callable[[], Portion], device: torch.device) -> None:
        self.make, self.device = make, device
        self.ready: Queue[Portion | BaseException] = Queue(READY)
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._work, name="making clips", daemon=True)
        self.thread.start()

    def take(self) -> Portion:
        """The next portion; waits for it. Raises what was raised in making it."""
        with part("waiting for clips"):
            portion = self.ready.get()
        if isinstance(portion, BaseException):
            raise portion
        if self.device.type == "cuda":
            portion[1].record_stream(torch.cuda.current_stream(self.device))
        return portion

    def close(self) -> None:
        """Stop after the portion that is being made."""
        self.closed.set()
        while self.thread.is_alive():
            try:
                self.ready.get(timeout=PATIENCE)
            except Empty:
                continue

    def _work(self) -> None:
        stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        while not self.closed.is_set():
            try:
                with torch.cuda.stream(stream):  # None changes nothing
                    portion: Portion | BaseException = self.make()
                if stream is not None:
                    stream.synchronize()
            except BaseException as error:
                portion = error
            self._hand_over(portion)
            if isinstance(portion, BaseException):
                return

    def _hand_over(self, portion: Portion | BaseException) -> None:
        while not self.closed.is_set():
            try:
                self.ready.put(portion, timeout=PATIENCE)
            except Full:
                continue
            return


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host's on a device. A card's queue of work is not waited for, as ``Tensor.to`` alone would."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def at_once(device: torch.device, frames: int) -> int:
    """How many clips of so many frames are rendered together.

    A card spends its time on starting some ten thousand small pieces of work, nearly as many for 32 scenes as for 256
    (docs/howto/train-on-a-gpu.md); a CPU's caches like fewer.
    """
    return max(32, CARD_FRAMES // frames) if device.type == "cuda" else 32


def portion_for(device: torch.device, frames: int, size: int) -> int:
    """How many scenes of a pool are made at a time beside a training on a card; 0 on CPUs, which both would share."""
    return min(at_once(device, frames), size // 4) if device.type == "cuda" else 0


def _runs(oldest: int, count: int, size: int) -> list[tuple[int, int, int]]:
    """Rows from ``oldest`` on, around the end: (start, stop, number of the first one)."""
    straight = min(count, size - oldest)
    return [(oldest, oldest + straight, 0)] + ([(0, count - straight, straight)] if count > straight else [])
