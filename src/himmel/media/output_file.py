"""Files that are either complete or not there.

Owns: temporary files beside their target, the rename at the end, and naming what a disk refuses.
Knows nothing of what is in the files.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from himmel.errors import CannotWrite


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty file to write into; when the block ends well, it is renamed to ``path``, else it is removed.

    It lies beside its target, because a rename is atomic only within one file system. Raises CannotWrite
    where it cannot be made or renamed; failures of writing into it are the block's own (:func:`disk_errors`).
    """
    part = _beside(path)
    with disk_errors(path):
        _refuse_hopeless(path)
        part.touch(exist_ok=False)
    try:
        yield part
        with disk_errors(path):
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out before long work whether a file can be written at ``path``.

    Raises CannotWrite where not. Leaves nothing behind, and does not touch a file that is there already.
    """
    with disk_errors(path):
        _refuse_hopeless(path)
        probe = path if not path.exists() else _beside(path)  # a name can be impossible in itself
        probe.touch(exist_ok=False)
        probe.unlink()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Failures of the disk inside the block become CannotWrite of ``path``."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error


def _refuse_hopeless(path: Path) -> None:
    if path.is_dir():
        raise CannotWrite(path, "it is a folder")
    if not path.parent.is_dir():
        raise CannotWrite(path, f"the folder '{path.parent}' does not exist")
    if path.exists() and not os.access(path, os.W_OK):
        raise CannotWrite(path, "it is write-protected")


def _beside(path: Path) -> Path:
    return path.parent / f".himmel-{secrets.token_hex(6)}.part"
