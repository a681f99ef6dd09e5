"""Archives: fetching, checksums, reading. A tiny archive is packed here; nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from himmel.errors import FetchFailed, MissingAsset
from himmel.world import archives
from himmel.world.archives import Archive, fetch, read_files


@pytest.fixture
def packed(tmp_path: Path) -> Archive:
    """An archive with two files, in place in the cache ``tmp_path``."""
    folder = tmp_path / "archives"
    folder.mkdir()
    path = folder / "owner-shapes-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in (("package/a.txt", b"first"), ("package/b.txt", b"second")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return Archive("@owner/shapes", "1.0.0", hashlib.sha256(path.read_bytes()).hexdigest())


def test_reads_only_what_is_wanted(packed: Archive, tmp_path: Path) -> None:
    assert read_files(packed, tmp_path, {"package/b.txt", "package/none.txt"}) == {"package/b.txt": b"second"}


def test_wheels_are_read_and_fetched_from_their_own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made.whl"
    with zipfile.ZipFile(made, "w") as wheel:
        wheel.writestr("shapes/a.png", b"first")
        wheel.writestr("shapes/b.png", b"second")
    pinned = hashlib.sha256(made.read_bytes()).hexdigest()
    shapes = Archive("shapes", "1.0.0", pinned, registry="PyPI")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/asked; cp {made} {shapes.file_name}\n")
    python.chmod(0o755)
    monkeypatch.setattr(archives, "ARCHIVES", {"shapes": shapes})
    monkeypatch.setattr(sys, "executable", str(python))
    fetch(tmp_path)
    assert (tmp_path / "asked").read_text().startswith("-m pip download shapes==1.0.0 --no-deps")
    assert read_files(shapes, tmp_path, {"shapes/b.png", "shapes/none.png"}) == {"shapes/b.png": b"second"}


def test_a_changed_archive_is_refused(packed: Archive, tmp_path: Path) -> None:
    path = tmp_path / "archives" / packed.file_name
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(FetchFailed, match="pinned"):
        read_files(packed, tmp_path, {"package/a.txt"})


def test_an_absent_archive_names_the_remedy(packed: Archive, tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match="himmel world fetch"):
        read_files(packed, tmp_path / "elsewhere", {"package/a.txt"})


def test_what_is_in_place_is_not_fetched_again(
    packed: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ARCHIVES", {"shapes": packed})
    monkeypatch.setattr(archives, "_pack", lambda archive, folder: pytest.fail("fetched again"))
    lines: list[str] = []
    fetch(tmp_path, lines.append)
    assert lines == ["@owner/shapes 1.0.0 is in place"]


def test_without_npm_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives.shutil, "which", lambda name: None)
    with pytest.raises(FetchFailed, match="npm"):
        fetch(tmp_path)


def test_a_download_with_a_wrong_checksum_stays_out_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Archive("shapes", "1.0.0", "0" * 64)
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho other > shapes-1.0.0.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setattr(archives, "ARCHIVES", {"shapes": wanted})
    monkeypatch.setattr(archives.shutil, "which", lambda name: str(npm))
    with pytest.raises(FetchFailed, match="pinned"):
        fetch(tmp_path / "cache")
    assert list((tmp_path / "cache" / "archives").iterdir()) == []


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIMMEL_CACHE", "/somewhere/else")
    assert archives.cache_folder() == Path("/somewhere/else")


def test_every_pin_is_a_whole_checksum() -> None:
    for archive in archives.ARCHIVES.values():
        assert len(archive.sha256) == 64 and int(archive.sha256, 16)
