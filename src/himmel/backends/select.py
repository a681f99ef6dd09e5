"""Which backend makes the video: one visible ``match``.

Owns: the names of models and who serves them. Imports a backend only when it is chosen, so that listing and
refusing cost nothing.
"""

from __future__ import annotations

from himmel.backends.protocol import Backend
from himmel.errors import UnknownModel
from himmel.spec import ModelInfo
from himmel.words import WordList


def open_backend(model: str, device: str = "auto") -> Backend:
    """Load a model by name ("fake" draws a test card).

    ``device`` is "auto", "cpu", "cuda" or "mps". Raises UnknownModel, DeviceUnavailable, BadCheckpoint.
    """
    match model:
        case "fake":
            from himmel.backends.fake import FakeBackend

            return FakeBackend()
        case name if name in (known := _names()):
            from himmel.backends.native import NativeBackend

            return NativeBackend(name, device)
        case _:
            raise UnknownModel(model, [*known, "fake"])


def words_of(model: str) -> WordList:
    """The words that a model knows, without loading it. Raises UnknownModel, BadCheckpoint."""
    match model:
        case "fake":
            from himmel.backends.fake import WORDS

            return WORDS
        case name if name in (known := _names()):
            from himmel.backends import native

            return native.words_of(name)
        case _:
            raise UnknownModel(model, [*known, "fake"])


def installed_models() -> list[ModelInfo]:
    """The trained models on this machine; not the fake one. Raises BadCheckpoint for damaged weights."""
    from himmel.backends.native import available

    return available()


def _names() -> list[str]:
    from himmel.backends.native import names

    return names()
