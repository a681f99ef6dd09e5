"""Files by what is in them: results and uploads, each under the SHA-256 of its bytes.

Owns: the store, a folder or a bucket that speaks S3, and how bytes get into it and out of it. A file appears whole
or not at all, is kept once and never changed, and is kept when ``put`` returns.

A store carries a marker with an id that the data folder remembers too. Where the marker is not there, this is not our
store, for example the empty folder under a volume that is not mounted: then nothing is read, written or deleted.

Knows nothing of what the files are for; which of them may go is ``sweeper``'s to say.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from himmel.errors import ApiError, BadRequest
from himmel.studio.lock import locked

log = logging.getLogger("himmel.studio")
CHUNK = 1 << 20
PART = 5 << 20  # bytes of an upload that are sent at a time, the least that S3 takes; each has TRANSFER_SECONDS
ASK_SECONDS, TRANSFER_SECONDS = 2, 10  # that a bucket has for one request without, and with, much to carry
MARKER = ".himmel-files"
SCRATCH = "tmp/"
GRACE = 3600.0  # seconds that bytes stay although nothing speaks of them: what will may not be committed yet
MARKER_SEEN = 60.0  # seconds that a bucket's marker need not be looked at again; a folder's is looked at every time
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Entry:
    """Something in the store; ``digest`` is None for what is no file of ours. Size in bytes, time since 1970."""

    name: str
    digest: str | None
    size: int
    modified: float


class Storage:
    """The store of one server: the folder "files" in the data folder, or ``url`` ("s3://bucket/prefix").

    Its methods raise ApiError: 503 where the store cannot be used, 507 where it is full.
    """

    def __init__(self, data_dir: Path, url: str = "") -> None:
        self.data_dir = data_dir
        self.folder = None if url else data_dir / "files"
        self.quick: S3Store | LocalStore
        self.bulk: S3Store | LocalStore
        if url:
            bucket, self.prefix = _parsed(url)
            self.quick, self.bulk = _bucket(bucket, ASK_SECONDS), _bucket(bucket, TRANSFER_SECONDS)
        else:
            self.prefix = "files/"
            self.quick = self.bulk = LocalStore(data_dir)
        self.name = url or str(self.folder)
        self._marker_good_until = 0.0

    @property
    def is_marked(self) -> bool:
        """Whether the store was used before, so that it can be told from another one."""
        return (self.data_dir / "storage-id").exists()

    def check(self, *, anew: bool = False) -> None:
        """Raise ApiError (503) unless the store is there and is ours; the very first time it is made ours.

        ``anew`` looks at a bucket too that was looked at a moment ago.
        """
        if time.monotonic() < self._marker_good_until and not anew:
            return
        with self._asking():
            known = self._id()
            found = self._marker()
            if found != known:
                why = "not there: is the volume mounted?" if found is None else "another server's"
                raise FileNotFoundError(f"the marker '{MARKER}' of '{self.name}' is {why}")
        if self.folder is None:
            self._marker_good_until = time.monotonic() + MARKER_SEEN

    def put(self, source: BinaryIO) -> str:
        """Keep what a file-like object that can seek holds from here on; gives its digest."""
        start = source.tell()
        hashed = hashlib.sha256()
        while chunk := source.read(CHUNK):
            hashed.update(chunk)
        digest, size = hashed.hexdigest(), source.tell() - start
        source.seek(start)
        self.check()
        # A sweeper that is about to delete these very bytes waits, and then finds them young; see remove_unused.
        with self._asking(), self._held(digest, alone=False):
            if self.folder is None:
                self._upload(digest, size, source)
            else:
                self._write(self.folder, digest, size, source)
        return digest

    def renew(self, digest: str) -> None:
        """Make bytes young that nothing speaks of yet, as ``put`` does. Raises ApiError (500) where they were lost."""
        with tempfile.TemporaryFile() as copy:
            copy.writelines(self.chunks(digest))
            copy.seek(0)
            self.put(copy)

    def size(self, digest: str) -> int:
        """How many bytes a file has. Raises ApiError (500) where it was lost."""
        name = self._name(digest)
        self.check()
        with self._asking():
            try:
                return int(obstore.head(self.quick, name)["size"])
            except FileNotFoundError:
                raise _lost(digest) from None

    def chunks(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes ``start`` … ``end`` (the end by default) of a file, a chunk at a time."""
        end = self.size(digest) if end is None else end
        name = self._name(digest)
        for at in range(start, end, CHUNK):
            with self._asking():
                try:
                    chunk = bytes(obstore.get_range(self.bulk, name, start=at, end=min(end, at + CHUNK)))
                except FileNotFoundError:
                    raise _lost(digest) from None
            yield chunk

    def read(self, digest: str) -> bytes:
        """All bytes of a small file."""
        return b"".join(self.chunks(digest))

    def lines(self, digest: str, longest: int, start: int = 0) -> Iterator[bytes]:
        """The lines of a file from byte ``start`` on, without their ends; those of over ``longest`` bytes in pieces."""
        rest = b""
        for chunk in self.chunks(digest, start):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > longest:
                yield rest
                rest = b""
        yield rest

    def entries(self) -> Iterator[Entry]:
        """Everything that lies in the store, the marker left out."""
        self.check()
        with self._asking():
            for page in obstore.list(self.bulk, self.prefix or None, chunk_size=1000):
                for meta in page:
                    name = meta["path"].removeprefix(self.prefix)
                    if name != MARKER:
                        yield Entry(name, _digest_of(name), meta["size"], meta["last_modified"].timestamp())

    def remove_unused(self, digest: str, now: float) -> bool:
        """Delete a file that nothing speaks of, unless it is young; says whether it was deleted.

        Whoever is about to speak of bytes has ``put`` them a short while before, which makes them young: nothing
        happens between our look at their age and the deletion, because ``put`` waits for it.
        """
        self.check()
        with self._asking(), self._held(digest, alone=True):
            try:
                if now - obstore.head(self.quick, self._name(digest))["last_modified"].timestamp() < GRACE:
                    return False
                obstore.delete(self.quick, self._name(digest))
            except FileNotFoundError:
                return False
            return True

    def remove_scratch(self, name: str) -> None:
        """Delete what an upload that was cut off has left behind."""
        assert name.startswith(SCRATCH)
        with self._asking(), suppress(FileNotFoundError):
            obstore.delete(self.quick, self.prefix + name)

    def probe(self) -> None:
        """Raise ApiError unless a file could be kept now; of a bucket only the marker is read."""
        self.check()
        if self.folder:
            with self._asking(), tempfile.NamedTemporaryFile(dir=self.folder / SCRATCH) as file:
                file.write(b"x" * 4096)
                file.flush()

    def _write(self, folder: Path, digest: str, size: int, source: BinaryIO) -> None:
        path = folder / digest[:2] / digest
        if path.is_file() and path.stat().st_size == size:
            os.utime(path)  # young again: no sweeper takes it
        else:
            part = None
            try:
                with tempfile.NamedTemporaryFile(dir=folder / SCRATCH, delete=False) as target:
                    part = Path(target.name)
                    while chunk := source.read(CHUNK):
                        target.write(chunk)
                    target.flush()
                    os.fsync(target.fileno())
                path.parent.mkdir(exist_ok=True)
                part.replace(path)
            except BaseException:
                if part:
                    part.unlink(missing_ok=True)
                raise
        _sync(path.parent)  # also where another put has written it and may not have come so far
        _sync(folder)

    def _upload(self, digest: str, size: int, source: BinaryIO) -> None:
        name = self._name(digest)
        try:
            known = obstore.head(self.quick, name)
            if known["size"] == size and time.time() - known["last_modified"].timestamp() < GRACE / 2:
                return
        except FileNotFoundError:
            pass
        # Old bytes are sent again: that is what makes them young in a bucket.
        # One part after another: each has the whole line, so that even half a megabyte a second is in time. Where the
        # bucket falls silent the part ends after its seconds, and after as many again what undoes the upload.
        obstore.put(self.bulk, name, source, chunk_size=PART, max_concurrency=1)

    def _name(self, digest: str) -> str:
        if not _digest_of(f"{digest[:2]}/{digest}"):
            raise ValueError(f"'{digest}' is no digest")
        return f"{self.prefix}{digest[:2]}/{digest}"

    def _held(self, digest: str, *, alone: bool) -> AbstractContextManager[None]:
        return locked(self.data_dir / "locks" / digest[0], alone=alone)

    def _marker(self) -> str | None:
        try:
            return bytes(obstore.get(self.quick, self.prefix + MARKER).bytes()).decode()
        except FileNotFoundError:
            return None

    def _id(self) -> str:
        """The store's id as the data folder remembers it; where it knows none, the store is marked first."""
        known, wanted = self.data_dir / "storage-id", self.data_dir / "storage-id.new"
        if not known.exists():
            with locked(self.data_dir / "locks" / "marker", alone=True):
                if not known.exists():
                    # The id that is wanted comes first, so that being cut off leads to the same mark next time.
                    if not wanted.exists() or not wanted.read_text():
                        with wanted.open("w") as file:
                            file.write(secrets.token_hex(16))
                            file.flush()
                            os.fsync(file.fileno())
                    self._mark(wanted.read_text())
                    wanted.replace(known)
                    _sync(self.data_dir)
        return known.read_text()

    def _mark(self, new: str) -> None:
        if self.folder:
            (self.folder / SCRATCH).mkdir(parents=True, exist_ok=True)
        found = self._marker()
        if found is None:
            obstore.put(self.quick, self.prefix + MARKER, new.encode())
            if self.folder:
                _sync(self.folder)
        elif found != new:
            raise FileExistsError(
                f"'{self.name}' is another server's store; if that server is gone for good and this one takes its "
                f"place, write '{found}' into '{self.data_dir / 'storage-id'}'"
            )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """What goes wrong with the store becomes an answer; the reason is for the operator alone."""
        try:
            yield
        except (BaseError, OSError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise full() from error
            self._marker_good_until = 0.0
            log.warning("the store cannot be used: %s", reason(error))
            raise ApiError(
                503,
                "storage_unavailable",
                "the server's store of files cannot be reached; nothing was lost, try again later",
                retry_after=10,
            ) from error


def full() -> ApiError:
    """The answer where there is no room."""
    return ApiError(
        507, "storage_full", "the server's disk is full; nothing was lost, try again later", retry_after=120
    )


def reason(error: BaseException) -> str:
    """The first line of what a store says is wrong."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _lost(digest: str) -> ApiError:
    log.error("the file %s is not in the store although it should be; restore it from a backup", digest)
    return ApiError(500, "file_lost", "this file is missing in the server's store; tell whoever runs the server")


def _digest_of(name: str) -> str | None:
    found = re.fullmatch(r"([0-9a-f]{2})/(\1[0-9a-f]{62})", name)
    return found[2] if found else None


def _parsed(url: str) -> tuple[str, str]:
    """Bucket and prefix; the prefix is empty or ends with a slash. Raises BadRequest."""
    found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([\w./-]*))?", url)
    if not found:
        raise BadRequest(f"setting 'storage_url' is '{url}'; allowed: empty, or s3://bucket/prefix")
    prefix = (found[2] or "").strip("/")
    return found[1], f"{prefix}/" if prefix else ""


def _bucket(bucket: str, timeout: int) -> S3Store:
    """A bucket, with who we are and where it is from the AWS_* variables.

    ``timeout`` in seconds is for one request and its repetition together: one that was silent is not repeated.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    options: Any = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": "2s",
        "timeout": f"{timeout}s",
    }
    pauses: Any = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2}
    again: Any = {"max_retries": 1, "retry_timeout": timedelta(seconds=timeout), "backoff": pauses}
    return S3Store(bucket, client_options=options, retry_config=again)


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
