"""Room on the disk: what is free, what stays free, and what accepted jobs will still need.

Owns: whether another job may be accepted. Every job that is not over yet counts the bytes that its result will
probably have, by what was stored lately; so a clip that was accepted can also be kept. A bucket has no end, so with
one only the data folder's disk counts.
"""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from himmel.spec import Size
from himmel.studio.database import Database
from himmel.studio.jobs import FINAL, Job
from himmel.studio.storage import Storage, full
from himmel.studio.tables import jobs

LEAST = 200_000  # bytes of any result
LEAST_RATE = 1.0  # bytes for a second of one pixel; clips of papercut have 0.7 to 0.8
COUNT_SECONDS = 2.0  # how long a count of what is needed is good, with the jobs of these seconds added


class Space:
    """The room of one server; ``reserve`` bytes stay free on the disks of data folder and files."""

    def __init__(self, database: Database, storage: Storage, reserve: int) -> None:
        self.database, self.storage, self.reserve = database, storage, reserve
        self.rate = LEAST_RATE
        self._lock = threading.Lock()
        self._needed, self._counted_at = 0.0, float("-inf")

    def free(self) -> dict[Path, int]:
        """Free bytes by folder. Raises ApiError (503) where the folder of files is not there."""
        folders = [self.storage.data_dir]
        if self.storage.folder:
            self.storage.check()
            folders.append(self.storage.folder)
        return {folder: shutil.disk_usage(folder).free for folder in folders}

    def check(self, more: float = 0.0) -> None:
        """Raise ApiError (507) where ``more`` bytes of an upload would take what shall stay free."""
        free = self.free()
        if free[self.storage.data_dir] < self.reserve:
            raise full()
        if self.storage.folder and free[self.storage.folder] < self.reserve + self.needed() + more:
            raise full()

    def check_jobs(self, request: dict[str, Any], count: int) -> None:
        """Raise ApiError (507) where the results of so many more jobs would have no room."""
        self.check(self._need(count, count * _seconds(request), request["size"]))

    def take(self, request: dict[str, Any], count: int) -> None:
        """So many jobs were accepted: their results count from now on."""
        with self._lock:
            self._needed += self._need(count, count * _seconds(request), request["size"])

    def needed(self) -> float:
        """Bytes that the results of all accepted jobs will have."""
        with self._lock:
            if time.monotonic() - self._counted_at > COUNT_SECONDS:
                self._needed, self._counted_at = self._count(), time.monotonic()
            return self._needed

    def learn(self, job: Job, stored: int) -> None:
        """Remember how many bytes the result of a job has: more is believed at once, less bit by bit."""
        found = stored / (_seconds(job.request) * _pixels(job.request["size"]))
        self.rate = max(found, LEAST_RATE, 0.9 * self.rate + 0.1 * found)

    def _count(self) -> float:
        size = jobs.c.request["size"].as_string()
        made, kept = (func.sum(jobs.c.request[name].as_float()) for name in ("seconds", "kept_seconds"))
        with self.database.read() as connection:
            open_jobs = (
                select(func.count(), made + func.coalesce(kept, 0.0), size)
                .where(jobs.c.status.not_in(FINAL))
                .group_by(size)
            )
            return sum((self._need(*row) for row in connection.execute(open_jobs)), 0.0)

    def _need(self, count: int, seconds: float, size: str) -> float:
        return count * LEAST + self.rate * seconds * _pixels(size)


def _seconds(request: dict[str, Any]) -> float:
    """How long the finished clip is: what is made, and what is kept of the clip that it goes on from."""
    return float(request["seconds"]) + float(request.get("kept_seconds") or 0)


def _pixels(size: str) -> int:
    found = Size.parse(size)
    return found.width * found.height
