"""Backups: everything that a server needs to go on elsewhere, in one file that can be checked.

Owns: what is in such a file, and in which order it is read. The database is copied first, in one consistent state,
then the files that it speaks of, which never change and which no sweep takes away meanwhile: so a backup of a running
server is whole. The store's id is not in it, so that a server made of it never takes the first one's
bucket for its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from himmel.errors import BadRequest
from himmel.studio.database import Database
from himmel.studio.server import Server
from himmel.studio.storage import Storage
from himmel.studio.sweeper import spoken_of, undisturbed

DATABASE = "himmel.sqlite3"
SECRET = "pepper"
MANIFEST = "manifest.json"
FORMAT = 1


def back_up(server: Server, target: Path) -> int:
    """Write a backup; gives the number of files in it. It appears under its name when it is complete.

    Files come from wherever they are stored, a bucket too; no sweep is at work meanwhile. Raises BadRequest where
    there is nothing to back up, a file is damaged, or the database is not SQLite, ApiError where the store or a file
    is not there.
    """
    settings = server.settings
    if settings.database_url:
        raise BadRequest(
            "this server's database is not SQLite; back it up with its own tools, then copy "
            f"'{server.storage.name}' and '{settings.data_dir / SECRET}'"
        )
    part = target.with_name(target.name + ".part")
    hashes: dict[str, str] = {}
    try:
        with (
            undisturbed(settings.data_dir),
            tempfile.TemporaryDirectory(dir=settings.data_dir) as scratch,
            tarfile.open(part, "w") as archive,
        ):
            copy = Path(scratch) / DATABASE
            _copy_database(settings.data_dir / DATABASE, copy)
            for name, path in {DATABASE: copy, SECRET: settings.data_dir / SECRET}.items():
                hashes[name] = _hash(path)
                archive.add(path, name)
            for digest in _digests(copy):
                name = f"files/{digest[:2]}/{digest}"
                hashes[name] = digest
                _add_file(archive, name, server.storage, digest)
            manifest = json.dumps({"format": FORMAT, "sha256": hashes}).encode()
            entry = tarfile.TarInfo(MANIFEST)
            entry.size = len(manifest)
            archive.addfile(entry, io.BytesIO(manifest))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return len(hashes)


def restore(source: Path, folder: Path) -> int:
    """Make a backup a server's folder again, which must be empty or absent; gives the number of files.

    Raises BadRequest for what is no backup, or one that was damaged; then nothing is left behind.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadRequest(f"'{folder}' is not empty; restore into a folder of its own")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        try:
            with tarfile.open(source) as archive:
                archive.extractall(scratch, filter="data")
            found = json.loads((scratch / MANIFEST).read_text(encoding="utf-8"))
            hashes = found["sha256"]
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            raise BadRequest(f"'{source}' is no backup of Himmel's: {error}") from None
        if found["format"] != FORMAT:
            raise BadRequest(f"'{source}' has backup format {found['format']}; this version reads {FORMAT}")
        for name, digest in hashes.items():
            if not (scratch / name).is_file() or _hash(scratch / name) != digest:
                raise BadRequest(f"'{source}' is damaged: '{name}' is not what it was")
        (scratch / MANIFEST).unlink()
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return len(hashes)


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def _digests(path: Path) -> list[str]:
    """The files that a copy of the database speaks of."""
    copy = Database(f"sqlite:///{path}")
    try:
        with copy.read() as connection:
            return sorted(spoken_of(connection, since=math.inf))
    finally:
        copy.close()


def _add_file(archive: tarfile.TarFile, name: str, storage: Storage, digest: str) -> None:
    """Copy a file from the store; what comes must be what its name says."""
    entry = tarfile.TarInfo(name)
    with tempfile.TemporaryFile() as content:
        for chunk in storage.chunks(digest):
            content.write(chunk)
        entry.size = content.tell()
        content.seek(0)
        if hashlib.file_digest(content, "sha256").hexdigest() != digest:
            raise BadRequest(f"the stored file '{digest}' is damaged; take it from an older backup first")
        content.seek(0)
        archive.addfile(entry, content)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
