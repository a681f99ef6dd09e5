"""Backups: everything that a server needs to go on elsewhere, in one file that can be checked.

Owns: what is in such a file, and in which order it is read. The database is copied first, in one consistent state,
then the files that it speaks of, which never change: so a backup of a running server is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from himmel.errors import BadRequest
from himmel.studio.settings import Settings

DATABASE = "himmel.sqlite3"
SECRET = "pepper"
MANIFEST = "manifest.json"
FORMAT = 1


def back_up(settings: Settings, target: Path) -> int:
    """Write a backup; gives the number of files in it. It appears under its name when it is complete.

    Raises BadRequest where there is nothing to back up, or where the database is not SQLite.
    """
    if settings.database_url:
        raise BadRequest("this server's database is not SQLite; back it up with its own tools, and the folder 'files'")
    if not (settings.data_dir / DATABASE).exists():
        raise BadRequest(f"'{settings.data_dir}' holds no server")
    part = target.with_name(target.name + ".part")
    hashes: dict[str, str] = {}
    try:
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as scratch, tarfile.open(part, "w") as archive:
            copy = Path(scratch) / DATABASE
            _copy_database(settings.data_dir / DATABASE, copy)
            names = {DATABASE: copy, SECRET: settings.data_dir / SECRET}
            names |= {f"files/{d[:2]}/{d}": settings.data_dir / "files" / d[:2] / d for d in _digests(copy)}
            for name, path in names.items():
                hashes[name] = _hash(path)
                archive.add(path, name)
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


def _digests(database: Path) -> list[str]:
    """The files that the jobs in a database speak of."""
    found: set[str] = set()
    with closing(sqlite3.connect(database)) as connection:
        for request, results in connection.execute("select request, results from jobs where deleted_at is null"):
            found |= set(json.loads(results).values())
            if first_frame := json.loads(request).get("first_frame"):
                found.add(first_frame)
        found |= {digest for (digest,) in connection.execute("select digest from files where deleted_at is null")}
    return sorted(found)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
