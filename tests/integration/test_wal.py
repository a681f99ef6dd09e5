"""The write-ahead log torn off at any place: what was acknowledged by then is there, and nothing half-made is."""

import json
import os
import shutil
import signal
import subprocess
import sys
from bisect import bisect_right
from pathlib import Path

import pytest

from himmel.studio.auth import Keys
from himmel.studio.database import Database
from himmel.studio.queue import Queue
from himmel.studio.tables import metadata, webhook_endpoints

NAME = "himmel.sqlite3"
HEADER, FRAME_HEADER = 32, 24  # bytes; see "WAL file format" in SQLite's documentation
WITHIN = (1, FRAME_HEADER, FRAME_HEADER + 700)  # bytes of a frame that are there, and the others not


def state(database):
    """Every row of every table."""
    with database.read() as connection:
        rows = {table.name: sorted(map(str, connection.execute(table.select()))) for table in metadata.sorted_tables}
    return json.loads(json.dumps(rows))


def live_and_be_killed(folder):
    """Run a queue's life; after every step tell the size of the log and the state. Then die without a word."""
    database = Database(f"sqlite:///{folder / NAME}")
    database.migrate()
    keys = Keys(database, folder)
    anna, boris = (keys.caller(f"Bearer {keys.create(name)}").account_id for name in ("anna", "boris"))
    with database.write() as connection:
        values = {"id": "we_1", "account_id": anna, "name": "n", "url": "https://example.org", "secret": "whsec_"}
        values |= {"event_types": ["video.completed", "video.failed"], "created_at": 0.0, "updated_at": 0.0}
        connection.execute(webhook_endpoints.insert().values(**values))
    queue = Queue(database, lease_seconds=30, most_queued=100)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    made, held = [], []

    def accept(who, **more):
        made.append(queue.accept(who, [{"prompt": "a cat" * 500}], 10.0, **more))

    def claim():
        held.append(queue.claim("worker"))

    def told(tell, *values):
        assert tell(held[-1].id, held[-1].attempts, *values)

    # One transaction each: what is torn off is a step or nothing.
    steps = [lambda: None]
    steps += [lambda who=who: accept(who) for who in (anna, boris, anna, anna)]
    steps += [lambda: accept(boris, once=("key", "digest"), priority=3)]
    steps += [claim, lambda: told(queue.beat, 40)]
    steps += [claim, lambda: told(queue.finish, {"video": "0" * 64}, {"steps": 4})]
    steps += [claim, lambda: told(queue.fail, "code", "why")]
    steps += [lambda: queue.cancel(made[0].id, anna), lambda: queue.cancel(made[2].id, anna, delete=True)]
    for step in steps:
        step()
        size = (folder / f"{NAME}-wal").stat().st_size
        print(json.dumps({"size": size, "state": state(database)}), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder that a killed process left behind, and what it had told."""
    folder = tmp_path_factory.mktemp("killed")
    child = subprocess.run([sys.executable, __file__, folder], capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    return folder, [json.loads(line) for line in child.stdout.splitlines()]


def test_the_log_may_end_anywhere(killed, tmp_path):
    folder, told = killed
    log = (folder / f"{NAME}-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    frames, left = divmod(len(log) - HEADER, FRAME_HEADER + page)
    assert left == 0 and frames > 3 * len(told)
    sizes = [entry["size"] for entry in told]
    assert sizes[-1] == len(log) and len({*sizes}) > 8
    for number in range(frames + 1):
        for more in (0, *WITHIN) if number < frames else (0,):
            end = HEADER + number * (FRAME_HEADER + page) + more
            shutil.copy(folder / NAME, tmp_path / NAME)
            (tmp_path / f"{NAME}-wal").write_bytes(log[:end])
            database = Database(f"sqlite:///{tmp_path / NAME}")
            database.migrate()
            with database.read() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            acknowledged = told[max(0, bisect_right(sizes, end) - 1)]
            assert state(database) == acknowledged["state"], f"{number} frames and {more} bytes"
            database.close()
            for left_over in tmp_path.glob(f"{NAME}*"):
                left_over.unlink()


if __name__ == "__main__":
    live_and_be_killed(Path(sys.argv[1]))
