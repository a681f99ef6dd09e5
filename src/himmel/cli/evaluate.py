"""``himmel evaluate``: measuring a model.

Owns: this command's options.
"""

from __future__ import annotations


def evaluate() -> None:
    """Measure how well a model shows what the prompts say."""
    raise NotImplementedError
