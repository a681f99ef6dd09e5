"""Where to compute.

Owns: which devices this machine has, and which one is best.
"""

from __future__ import annotations

import torch

from himmel.errors import DeviceUnavailable


def choose_device(name: str) -> torch.device:
    """The device of this name ("cpu", "cuda", "mps"), or the best one for "auto". Raises DeviceUnavailable."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if name == "auto":
        return torch.device(there[0])
    if name not in there:
        raise DeviceUnavailable(name, there)
    return torch.device(name)
