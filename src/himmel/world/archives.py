"""The archives that the art comes in: which, whose, by which pin, and how a file is read out of one.

Owns: the pinned list of packages, fetching them through each registry's ordinary client, their checksums.
Knows nothing of nouns, pictures or licences of single assets (``nouns``, ``sprites``, ``credits``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from himmel.errors import FetchFailed, MissingAsset


@dataclass(frozen=True)
class Archive:
    """One package at one version; ``sha256`` is of the archive as its ``registry``, npm or PyPI, serves it."""

    package: str
    version: str
    sha256: str
    registry: str = "npm"

    @property
    def file_name(self) -> str:
        """The name under which ``npm pack`` or ``pip download`` leaves it."""
        if self.registry == "PyPI":
            return f"{self.package}-{self.version}-py3-none-any.whl"
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


ARCHIVES: dict[str, Archive] = {
    "3d": Archive(
        "@lobehub/fluent-emoji-3d", "1.1.0", "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"
    ),
    "flat": Archive(
        "@iconify-json/fluent-emoji-flat", "1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"
    ),
    "line_art": Archive(
        "@iconify-json/fluent-emoji-high-contrast",
        "1.2.6",
        "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0",
    ),
    "cartoon": Archive(
        "@iconify-json/noto", "1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"
    ),
    "sticker": Archive(
        "@iconify-json/twemoji", "1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"
    ),
    "panoramas": Archive("@pmndrs/assets", "1.7.0", "152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc"),
    "walk_cycles": Archive(
        "arcade", "3.3.3", "25f4e0e5b8bcbe7a7d087c0a23b19e9f423b0c70ec00945c8712c9a3e541ebd2", registry="PyPI"
    ),
}


def cache_folder() -> Path:
    """Where fetched art lies: the folder that HIMMEL_CACHE names, else ``~/.cache/himmel``."""
    return Path(os.environ.get("HIMMEL_CACHE") or Path.home() / ".cache" / "himmel")


def fetch(cache: Path, progress: Callable[[str], None] = lambda line: None) -> None:
    """Bring every archive that the cache lacks, and check all of them.

    ``progress`` receives one line per archive. Raises FetchFailed where npm or pip is missing, where a download
    fails, or where a checksum is not the pinned one; a wrong download is not left in the cache.
    """
    folder = cache / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    for archive in ARCHIVES.values():
        path = folder / archive.file_name
        if not path.exists():
            progress(f"fetching {archive.package} {archive.version}")
            _pack(archive, folder)
        _verify(archive, path)
        progress(f"{archive.package} {archive.version} is in place")


def read_files(archive: Archive, cache: Path, wanted: set[str]) -> dict[str, bytes]:
    """The bytes of the wanted files, by path in the archive; paths that it does not hold are left out.

    Raises MissingAsset where the archive was never fetched, FetchFailed where it is not the pinned one.
    """
    path = cache / "archives" / archive.file_name
    if not path.exists():
        raise MissingAsset(f"{archive.package} {archive.version}")
    _verify(archive, path)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wanted & set(wheel.namelist())}
    found: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            handle = tar.extractfile(member) if member.isfile() and member.name in wanted else None
            if handle:
                found[member.name] = handle.read()
    return found


def _pack(archive: Archive, folder: Path) -> None:
    """Download one archive beside its place and move it there only when its checksum is right."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command, said = _pip(archive, scratch) if archive.registry == "PyPI" else _npm(archive, scratch)
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        fresh = Path(scratch) / archive.file_name
        if done.returncode or not fresh.exists():
            why = (done.stderr or done.stdout).strip().splitlines()
            raise FetchFailed(f"'{said}' failed: {why[-1] if why else 'no message'}; try again when online")
        _verify(archive, fresh)
        fresh.replace(folder / archive.file_name)


def _npm(archive: Archive, scratch: str) -> tuple[list[str], str]:
    """The command that downloads a package from npm, and how it is spoken of."""
    npm = shutil.which("npm")
    if npm is None:
        raise FetchFailed("npm is needed to fetch the art of the training world; install Node.js and try again")
    name = f"{archive.package}@{archive.version}"
    return [npm, "pack", name, "--pack-destination", scratch, "--ignore-scripts", "--silent"], f"npm pack {name}"


def _pip(archive: Archive, scratch: str) -> tuple[list[str], str]:
    """As ``_npm``, from PyPI: the wheel alone; nothing is installed and nothing of it is run."""
    name = f"{archive.package}=={archive.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet", "--dest", scratch]
    return [sys.executable, "-m", "pip", "download", name, *options], f"pip download {name}"


def _verify(archive: Archive, path: Path) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != archive.sha256:
        raise FetchFailed(
            f"'{path}' has SHA-256 {found[:16]}… where {archive.sha256[:16]}… is pinned; delete it and fetch again"
        )
