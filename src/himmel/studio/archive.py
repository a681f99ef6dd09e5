"""A stranger's zip or folder of files, opened with distrust.

Owns: what is refused before anything of it is read: names that lead out of it, links, secrets, bombs. Nothing is ever
unpacked under a name of the archive's: files are read, one at a time, under limits. Knows nothing of what is in them.
"""

from __future__ import annotations

import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from himmel.errors import BadRequest

MOST_FILES = 100_000
LARGEST_DIRECTORY = 32 << 20  # bytes of a zip's list of files
LARGEST_TEXT = 20 << 20  # bytes of one file of text
LARGEST = 2 << 30  # bytes of one clip
MOST_GROWTH = 50  # a file that becomes larger by more than this is a bomb: clips hardly pack at all
SMALL = 1 << 20  # bytes that a file may have whatever it grew from
CHUNK = 1 << 20
LINK, KIND = 0o120000, 0o170000  # of the Unix mode in a zip
END = b"PK\x05\x06"


@dataclass(frozen=True)
class Entry:
    """A file in an archive: its path with slashes, its size in bytes."""

    name: str
    size: int

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.name)

    @property
    def ending(self) -> str:
        return self.path.suffix.lower()


class Archive:
    """A zip or a folder. Raises BadRequest, in one line, for what cannot be trusted or read."""

    def __init__(self, source: Path | BinaryIO) -> None:
        self.folder = source if isinstance(source, Path) and source.is_dir() else None
        self.zip: zipfile.ZipFile | None = None
        if self.folder is None:
            self.zip = _opened(source)
            self.entries = _listed(self.zip)
        else:
            self.entries = _walked(self.folder)

    @contextmanager
    def opened(self, entry: Entry, most: int = LARGEST) -> Iterator[BinaryIO]:
        """A file of it, on disk, from its beginning. Raises BadRequest where it is damaged or too large."""
        if entry.size > most:
            raise BadRequest(f"'{shown(entry.name)}' has {entry.size} bytes; allowed: {most}")
        if self.folder is not None:
            with (self.folder / entry.name).open("rb") as file:
                yield file
            return
        assert self.zip is not None
        with tempfile.TemporaryFile() as copy:
            try:
                with self.zip.open(entry.name) as packed:
                    while chunk := packed.read(CHUNK):
                        copy.write(chunk)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
                raise BadRequest(f"the zip is damaged at '{shown(entry.name)}'") from None
            copy.flush()
            copy.seek(0)
            yield copy

    def text(self, entry: Entry) -> bytes:
        """All of a small file."""
        with self.opened(entry, LARGEST_TEXT) as file:
            return file.read(LARGEST_TEXT + 1)


def shown(name: str) -> str:
    """A name of a stranger's as errors tell it."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[-80:]


def _opened(source: Path | BinaryIO) -> zipfile.ZipFile:
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                _check_directory(file)
        else:
            _check_directory(source)
        return zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError):
        raise BadRequest("this is no zip and no folder, or it is damaged") from None


def _check_directory(file: BinaryIO) -> None:
    """Raise BadRequest where a zip's list of files alone would fill the memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 70_000))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0:
        raise zipfile.BadZipFile
    length = struct.unpack_from("<L", tail, at + 12)[0]
    if length == 0xFFFFFFFF:  # a large one tells it elsewhere
        length = struct.unpack_from("<Q", tail, tail.rindex(b"PK\x06\x06") + 40)[0]
    if length > LARGEST_DIRECTORY:
        raise BadRequest("the zip holds too many files")
    file.seek(0)


def _listed(archive: zipfile.ZipFile) -> list[Entry]:
    """The files of a zip, in its order."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_FILES:
        raise BadRequest(f"the zip holds {len(infos)} files; allowed: {MOST_FILES}")
    seen: set[str] = set()
    for info in infos:
        _check_name(info.orig_filename)
        if info.filename in seen:
            raise BadRequest(f"the zip holds '{shown(info.filename)}' twice")
        seen.add(info.filename)
        if (info.external_attr >> 16) & KIND == LINK:
            raise BadRequest(f"the zip holds a link, '{shown(info.filename)}'; allowed: plain files")
        if info.flag_bits & 1:
            raise BadRequest("the zip is encrypted; give one without a password")
        if info.file_size > max(SMALL, MOST_GROWTH * info.compress_size):
            raise BadRequest(f"'{shown(info.filename)}' would become far larger than the zip says; it is refused")
    total = archive.fp.seek(0, 2) if archive.fp else 0
    if sum(info.compress_size for info in infos) > total:  # the same bytes, said to be many files
        raise BadRequest("the files of this zip lie over one another; it is refused")
    return [Entry(info.filename, info.file_size) for info in infos]


def _check_name(name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise BadRequest(f"the zip holds '{shown(name)}', which leads out of it; it is refused")


def _walked(folder: Path) -> list[Entry]:
    """The plain files of a folder and of those in it; links are not followed."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and folder.resolve() in path.resolve().parents:
            found.append(Entry(path.relative_to(folder).as_posix(), path.stat().st_size))
        if len(found) > MOST_FILES:
            raise BadRequest(f"the folder holds more than {MOST_FILES} files")
    return found
