"""Measures the server under load, and fails where a goal is missed: python benchmarks/load.py --only a,b --minutes 10

a  the queue itself, with 10,000 jobs of 500 accounts waiting: accepting, claiming, finishing, positions, a list page
b  500 clients that ask after their jobs once a second each, over HTTP, and the server's memory meanwhile
c  fairness: how many jobs of a flood are given out between a newcomer's job and its turn
d  what 300 slow connections do to everybody else

The clients are sockets of this process; what they cost is printed, for it comes out of the same machine. A time
is counted from the moment at which the client meant to ask, so that a late question does not look like a quick one.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import event

from himmel.studio.api_videos import listed
from himmel.studio.auth import Caller
from himmel.studio.database import Database
from himmel.studio.jobs import Job
from himmel.studio.pages import Wish
from himmel.studio.queue import Queue
from himmel.studio.server import Server
from himmel.studio.settings import Settings

JOBS, ACCOUNTS, CLIENTS, SLOW, FLOOD = 10_000, 500, 500, 300, 5_000
SAMPLES = 500
REQUEST = {"prompt": "a cat in the snow", "negative_prompt": "", "model": "fake", "asked_model": "sora-2", "n": 1}
REQUEST |= {"seconds": 4.0, "asked_seconds": "4", "size": "320x192", "seed": 1}
REQUEST |= dict.fromkeys(("steps", "guidance", "fps", "first_frame"))


@dataclass
class Table:
    """What was measured, line by line."""

    missed: bool = False

    def times(self, what: str, seconds: list[float], goal: tuple[int, float] | None = None) -> None:
        """Percentiles of times; ``goal`` is a percentile and the milliseconds that it must stay below."""
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        told = "  ".join(f"p{n} {1000 * cuts[n - 1]:7.1f}" for n in (50, 95, 99)) + " ms"
        if goal is None:
            return self.line(what, told)
        percentile, most = goal
        return self.line(what, told, f"p{percentile} < {most:g} ms", 1000 * cuts[percentile - 1] < most)

    def line(self, what: str, told: str, goal: str = "", good: bool = True) -> None:
        self.missed = self.missed or not good
        print(f"{what:<44} {told:<46} {goal:<20} {('met' if good else 'MISSED') if goal else ''}".rstrip(), flush=True)


@dataclass
class House:
    """A data folder with accounts, their keys and their waiting jobs."""

    settings: Settings
    keys: dict[str, str] = field(default_factory=dict)  # by account
    jobs: list[Job] = field(default_factory=list)

    def seed(self) -> None:
        """Make accounts and jobs through the server's own code, with a database that does not wait for the disk."""
        server = Server.opened(self.settings)
        hurried(server.database)
        for number in range(ACCOUNTS):
            key = server.keys.create(f"account {number}")
            self.keys[server.keys.caller(f"Bearer {key}").account_id] = key
        names = list(self.keys)
        for number in range(JOBS):
            self.jobs.append(server.queue.accept(names[number * 7919 % ACCOUNTS], [REQUEST], 4.0 + number % 17))
        server.database.close()

    def clip(self, size: int) -> Job:
        """A finished job whose clip has ``size`` bytes."""
        server = Server.opened(self.settings)
        digest = server.storage.put(io.BytesIO(os.urandom(size)))
        job = server.queue.claim("benchmark")
        assert job
        server.queue.finish(job.id, job.attempts, {"video": digest, "thumbnail": digest, "spritesheet": digest}, {})
        server.database.close()
        return job

    @contextmanager
    def served(self) -> Iterator[Served]:
        """``himmel serve`` on this folder with one worker."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "himmel", "serve", "--model", "fake", "--workers", "1"]
        command += ["--port", str(port), "--data-dir", str(self.settings.data_dir)]
        environment = {**os.environ, "HIMMEL_DATABASE_URL": self.settings.database_url}
        log = (self.settings.data_dir / "log.txt").open("ab")
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        served = Served(process, port)
        try:
            while not served.answers():
                time.sleep(0.1)
            yield served
        finally:
            process.terminate()
            process.wait()


def hurried(database: Database) -> None:
    """Let a database answer before its disk has: for making what is measured later, never for measuring."""
    faster = "PRAGMA synchronous=OFF" if database.is_sqlite else "SET synchronous_commit=off"
    event.listen(database.engine, "connect", lambda connection, _: connection.cursor().execute(faster))
    database.engine.dispose()


@dataclass
class Served:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    port: int

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit("the server did not start")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def memory(self) -> float:
        """Resident MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_queue(house: House, table: Table) -> None:
    house.seed()
    server = Server.opened(house.settings)
    queue, spent = server.queue, {"accept": [], "claim": [], "finish": [], "place": [], "page": []}
    names = list(house.keys)

    def timed(what: str, call: Callable[[], object]) -> object:
        began = time.perf_counter()
        found = call()
        spent[what].append(time.perf_counter() - began)
        return found

    for number in range(SAMPLES):
        timed("place", lambda job=house.jobs[number * 7 % JOBS]: server.shown(job))
    busy = names[0]
    for _ in range(100):
        queue.accept(busy, [REQUEST], 4.0)
    for _ in range(SAMPLES // 10):
        timed("page", lambda: page(server, busy))
    for number in range(SAMPLES):
        timed("accept", lambda name=names[number]: queue.accept(name, [REQUEST], 4.0))
    for _ in range(SAMPLES):
        job = timed("claim", lambda: queue.claim("worker"))
        assert isinstance(job, Job)
        timed("finish", lambda job=job: queue.finish(job.id, job.attempts, {"video": "0" * 64}, {}))
    server.database.close()
    table.times("a  accept a job, on disk", spent["accept"])
    table.times("a  claim a job, on disk", spent["claim"], (99, 20))
    table.times("a  finish a job, on disk", spent["finish"])
    table.times("a  position and waiting time of a job", spent["place"], (99, 50))
    table.times("a  a list page of 100 waiting jobs", spent["page"])


def page(server: Server, account_id: str) -> None:
    """What the route of the list does, without HTTP."""
    found = listed(server, Caller(account_id, "", "member"), Wish(None, 100, "desc"))
    assert len(found.data) == 100


@dataclass
class Crowd:
    """Clients that ask after their jobs, each once a second on a connection of its own."""

    port: int
    requests: list[bytes]
    spent: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    async def ask(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        pause = 1 / len(self.requests)
        await asyncio.gather(*(self._client(r, end, number * pause) for number, r in enumerate(self.requests)))

    async def _client(self, request: bytes, end: float, first: float) -> None:
        await asyncio.sleep(first)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        due = time.monotonic()
        while due < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(request)
            status = await read_answer(reader)
            self.spent.append(time.monotonic() - due)
            self.answers[status] += 1
            due += 1.0
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> int:
    """Read one answer whole; gives its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head[9:12])


def requests_of(house: House, count: int) -> list[bytes]:
    """What the clients ask: each after one of its own jobs."""
    step = max(1, len(house.jobs) // count)
    chosen = house.jobs[::step][:count]
    return [get(f"/v1/videos/{job.id}", house.keys[job.account_id]) for job in chosen]


def get(path: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n".encode()


def measure_polling(house: House, table: Table, minutes: float) -> None:
    house.seed()
    with house.served() as served:
        crowd = Crowd(served.port, requests_of(house, CLIENTS))
        asyncio.run(Crowd(served.port, crowd.requests).ask(60))  # so that all it remembers is there
        began, own, server = time.monotonic(), time.process_time(), served.cpu()
        memory: list[tuple[float, float]] = []
        asyncio.run(watched(crowd.ask(60 * minutes), served, memory))
        wall = time.monotonic() - began
        own, server = (time.process_time() - own) / wall, (served.cpu() - server) / wall
    table.times(f"b  {CLIENTS} clients, {len(crowd.spent)} questions", crowd.spent, (95, 300))
    failed = sum(count for status, count in crowd.answers.items() if status != 200)
    table.line("b  answers other than 200", str(failed), "none", failed == 0)
    table.line("b  processor", f"server {server:.2f} cores, clients {own:.2f} cores")
    late = memory[len(memory) // 3 :]  # buffers and threads of the first minutes stay
    slope, last = statistics.linear_regression(*zip(*late, strict=True)).slope, late[-1][1]
    told = f"{last:.0f} MiB, {slope:+.2f} MiB a minute"
    goal = "< 5 % in 10 minutes" if minutes >= 5 else ""  # less is too short to tell
    table.line("b  the server's memory", told, goal, not goal or 10 * slope < 0.05 * last)


async def watched(work: object, served: Served, memory: list[tuple[float, float]]) -> None:
    """Note the server's memory once a second while something else goes on."""
    task = asyncio.ensure_future(work)
    while not task.done():
        memory.append((time.monotonic() / 60, served.memory()))
        await asyncio.wait([task], timeout=1)
    await task


def measure_slow_connections(house: House, table: Table, seconds: float) -> None:
    house.seed()
    clip = house.clip(8_000_000)
    key = house.keys[clip.account_id]
    with house.served() as served:
        asked = requests_of(house, 50)
        alone, beside = Crowd(served.port, asked), Crowd(served.port, asked)
        asyncio.run(Crowd(served.port, asked).ask(5))  # so that it is warm
        asyncio.run(alone.ask(seconds))
        open_ones = asyncio.run(among_slow_ones(beside, seconds, served.port, key, clip.id))
    table.times(f"d  {len(asked)} clients alone", alone.spent)
    table.times(f"d  the same beside {open_ones} slow connections", beside.spent)
    p95 = [statistics.quantiles(crowd.spent, n=20)[-1] for crowd in (alone, beside)]
    table.line("d  slower by", f"{p95[1] / p95[0]:.2f} times at p95", "< 2 times", p95[1] < 2 * p95[0])
    failed = sum(count for status, count in beside.answers.items() if status != 200)
    table.line("d  answers other than 200", str(failed), "none", failed == 0)


async def among_slow_ones(crowd: Crowd, seconds: float, port: int, key: str, clip: str) -> int:
    """Ask among slow connections; gives how many of them were still open at the end."""
    kinds = (slow_head, slow_body, slow_reader)
    slow = [asyncio.ensure_future(kinds[number % 3](port, key, clip)) for number in range(SLOW)]
    await asyncio.sleep(10)  # until they are as slow as they will be: first, buffers are filled
    await crowd.ask(seconds)
    still = sum(not task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return still


async def slow_head(port: int, key: str, clip: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await trickle(writer, get(f"/v1/videos/{clip}", key), 1)


async def slow_body(port: int, key: str, _: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/videos HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
    writer.write(f"{head}content-type: application/json\r\ncontent-length: 100000\r\n\r\n".encode())
    await trickle(writer, b'{"prompt": "' + b"a" * 90_000, 100)


async def slow_reader(port: int, key: str, clip: str) -> None:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=small, limit=1024)
    writer.write(get(f"/v1/videos/{clip}/content", key))
    while await reader.read(512):
        await asyncio.sleep(1)


async def trickle(writer: asyncio.StreamWriter, content: bytes, step: int) -> None:
    """Send ``step`` bytes a second."""
    for start in range(0, len(content), step):
        writer.write(content[start : start + step])
        await writer.drain()
        await asyncio.sleep(1)


def measure_fairness(house: House, table: Table, workers: int) -> None:
    server = Server.opened(house.settings)
    hurried(server.database)
    clock = [1_000_000.0]
    queue = Queue(server.database, 1e9, FLOOD, now=lambda: clock[0])
    flood = server.keys.caller(f"Bearer {server.keys.create('flood')}").account_id
    for _ in range(FLOOD):
        queue.accept(flood, [REQUEST], 10.0)
    delays = [newcomer_waits(server, queue, clock, workers, f"newcomer {number}") for number in range(20)]
    server.database.close()
    told = f"at most {max(delays)} jobs before a newcomer, {len(delays)} newcomers"
    table.line(f"c  flood of {FLOOD}, workers: {workers}", told, f"<= {workers}", max(delays) <= workers)


def newcomer_waits(server: Server, queue: Queue, clock: list[float], workers: int, name: str) -> int:
    """How many jobs are begun between a newcomer's acceptance and its turn, with all workers busy before."""
    running = [queue.claim(f"worker {number}") for number in range(workers)]
    account_id = server.keys.caller(f"Bearer {server.keys.create(name)}").account_id
    mine = queue.accept(account_id, [REQUEST], 10.0)
    for begun in range(FLOOD):
        clock[0] += 10.0 / workers
        oldest = running.pop(0)
        assert oldest and queue.finish(oldest.id, oldest.attempts, {"video": "0" * 64}, {})
        running.append(queue.claim("worker"))
        if running[-1] and running[-1].id == mine.id:
            for job in running:
                assert job and queue.finish(job.id, job.attempts, {"video": "0" * 64}, {})
            return begun
    return FLOOD


@contextmanager
def house_for(database_url: str) -> Iterator[House]:
    """An empty data folder and an empty database, which is emptied again. Refuses one that somebody uses."""
    with tempfile.TemporaryDirectory() as name:
        house = House(Settings(data_dir=Path(name), model="fake", database_url=database_url, queued_per_account=FLOOD))
        server = Server.opened(house.settings)
        try:
            if server.keys.any_account():
                raise SystemExit("this database is in use; give an empty one")
            yield house
            if database_url:
                with server.database.write() as connection:
                    connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                    connection.exec_driver_sql("CREATE SCHEMA public")
        finally:
            server.database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="a,b,c,d", help="parts, by their letters")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long part b asks")
    parser.add_argument("--database-url", default="", help="an empty database on PostgreSQL")
    options = parser.parse_args()
    table = Table()
    parts: dict[str, Callable[[House], None]] = {
        "a": lambda house: measure_queue(house, table),
        "b": lambda house: measure_polling(house, table, options.minutes),
        "c": lambda house: measure_fairness(house, table, 1),
        "c, two workers": lambda house: measure_fairness(house, table, 2),
        "d": lambda house: measure_slow_connections(house, table, 20),
    }
    for part, measure in parts.items():
        if part[0] in options.only.split(","):
            with house_for(options.database_url) as house:
                measure(house)
    sys.exit(1 if table.missed else 0)


if __name__ == "__main__":
    main()
