"""Files by what is in them: results and uploads, each under the SHA-256 of its bytes.

Owns: the folder of files. A file appears whole or not at all, and is never changed; the same bytes are kept once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from himmel.errors import ApiError

CHUNK = 1 << 20


class Storage:
    """Files in a folder; ``reserve`` bytes of its disk stay free for everything else."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self.folder, self.reserve = folder, reserve
        (folder / "tmp").mkdir(parents=True, exist_ok=True)

    def check_space(self) -> None:
        """Raise ApiError (507) where the disk is too full for another clip."""
        if shutil.disk_usage(self.folder).free < self.reserve:
            raise _full()

    def put(self, source: BinaryIO) -> str:
        """Keep what a file-like object holds, on disk when this returns; gives its digest. Raises ApiError."""
        digest = hashlib.sha256()
        part = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder / "tmp", delete=False) as target:
                part = Path(target.name)
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            name = digest.hexdigest()
            path = self.path(name)
            path.parent.mkdir(exist_ok=True)
            part.replace(path)
            _sync(path.parent)
        except OSError:
            if part:
                part.unlink(missing_ok=True)
            raise _full() from None
        return name

    def path(self, digest: str) -> Path:
        """Where a file lies, whether it is there or not."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError(f"'{digest}' is no digest")
        return self.folder / digest[:2] / digest


def _full() -> ApiError:
    return ApiError(
        507, "storage_full", "the server's disk is full; nothing was lost, try again later", retry_after=120
    )


def _sync(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
