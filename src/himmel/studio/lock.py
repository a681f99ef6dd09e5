"""Locks that all processes of this machine share: the server, its threads, and commands beside it.

Owns: how they are taken. A lock is a file; the kernel lets go of it when its holder dies. Knows nothing of what is
locked.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, alone: bool, wait: bool = True) -> Iterator[None]:
    """Hold a lock, ``alone`` or with others that do not want it alone, until the block ends.

    Raises BlockingIOError where it is taken and ``wait`` is off, OSError where the file cannot be made.
    """
    path.parent.mkdir(exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
