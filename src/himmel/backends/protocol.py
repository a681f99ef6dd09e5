"""What every maker of videos looks like to those who ask it for one: a request in, frames and progress out.

Owns: the protocol. Knows nothing of any one model.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np

from himmel.spec import ModelInfo, Progress, VideoRequest
from himmel.words import WordList


class Backend(Protocol):
    """One loaded model on one device."""

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself; it resolves what a request leaves open."""

    @property
    def words(self) -> WordList:
        """The words that the model has learned."""

    @property
    def device(self) -> str:
        """Where it really runs: "cpu", "cuda" or "mps", never "auto"."""

    @property
    def build(self) -> str:
        """What pixels depend on beside weights and device: the engine, its version and its numbers, for recipes."""

    def generate(
        self, request: VideoRequest, state: bytes | None = None
    ) -> Generator[Progress | np.ndarray, None, None]:
        """Make one clip.

        Yields finished frames in order, in chunks of uint8 (n, H, W, 3), RGB, at the request's (else the model's
        default) size and frame rate, ``request.resolved(self.info).frame_count`` of them in all; between them
        :class:`Progress`, whose last one has ``done == total``. The same request gives the same frames. Closing
        the generator cancels the work. With the ``state`` that a Progress of the same request offered, the frames
        until then come again without being worked out again; a state of another model is ignored.

        Raises BadRequest for values that the model cannot do, TaskNotSupported where it cannot do this kind of
        thing at all, UnreadableMedia for a picture or clip that cannot be read; all before the first yield.
        """
