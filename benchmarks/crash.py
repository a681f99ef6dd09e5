"""Kills a server and its workers at random moments, and counts what was lost: python benchmarks/crash.py --runs 200

Every run starts a server with two workers on the fake backend in a folder of its own, submits jobs, lets a disaster
happen at a moment that its seed settles, starts the server again where it died, and waits.

Victims (SIGKILL): the server, a worker, or both. Moments: while jobs are submitted, while a clip is being stored, while
a webhook is being delivered. Or a worker is paused (SIGSTOP) in the middle of a job until another has done it, and goes
on (SIGCONT) with a clip that must be refused.

A job counts as accepted when its 201 was read. Lost is one that does not end. Published twice is one that two results
were accepted for: its clip changed after it was first seen, or two events were made of it. Untold is one whose end was
not delivered to the webhook.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

from himmel.studio import server as studio
from himmel.studio.outbound import Outbound
from himmel.studio.settings import Settings

VICTIMS = ("server", "worker", "both")
MOMENTS = ("submitting", "storing", "delivering", "paused")
JOBS = 12
PATIENCE = 60.0  # seconds after a disaster, in which everything must have ended
LEASE = 2.0


class Ear(ThreadingHTTPServer):
    """What webhooks are delivered to; ``told`` has the events of every job by their numbers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hearing)
        self.told: dict[str, set[str]] = defaultdict(set)
        self.speaking = threading.Event()  # while an event is here and its answer is not yet given
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Hearing(BaseHTTPRequestHandler):
    """One delivery, answered slowly enough for a disaster to come between."""

    server: Ear

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.speaking.set()
        time.sleep(0.05)
        self.server.told[event["data"]["id"]].add(event["id"])
        with suppress(OSError):
            self.send_response(200)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class House:
    """One server's folder, the process that serves it, and the ear that hears its webhooks."""

    folder: Path
    port: int
    ear: Ear = field(default_factory=Ear)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=10))

    def start(self) -> None:
        if not self.processes:
            opened = studio.Server.opened(Settings(data_dir=self.folder))
            self.client.headers["authorization"] = f"Bearer {opened.keys.create('anna')}"
            opened.database.close()
        serve = [sys.executable, __file__, "serve", "--model", "fake", "--workers", "2"]
        serve += ["--port", str(self.port), "--data-dir", str(self.folder)]
        environment = {**os.environ, "HIMMEL_LEASE_SECONDS": str(LEASE)}
        log = (self.folder / "log.txt").open("ab")
        process = subprocess.Popen(serve, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        until(self._answers)
        if len(self.processes) == 1:
            endpoint = {"name": "ear", "url": self.ear.url, "event_types": ["video.completed", "video.failed"]}
            self.ask("POST", "/webhook_endpoints", json=endpoint).raise_for_status()

    def _answers(self) -> bool:
        with suppress(httpx2.HTTPError):
            return self.ask("GET", "/models").status_code == 200
        return False

    def ask(self, method: str, path: str, **values: object) -> httpx2.Response:
        return self.client.request(method, f"http://127.0.0.1:{self.port}/v1{path}", **values)

    def submit(self, number: int, **more: object) -> str | None:
        """The job's number, where it was accepted."""
        body = {"prompt": f"cat {number}", "seconds": "2", "size": "128x96", "seed": number} | more
        with suppress(httpx2.HTTPError):  # never answered, so never promised
            answer = self.ask("POST", "/videos", json=body)
            return answer.json()["id"] if answer.status_code == 201 else None
        return None

    def row(self, query: str, *values: object) -> tuple[object, ...] | None:
        """One row of the database, read beside the server."""
        with closing(sqlite3.connect(self.folder / "himmel.sqlite3", timeout=10)) as connection:
            return connection.execute(query, values).fetchone()

    def workers(self) -> list[int]:
        group = self.processes[-1].pid
        found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False)
        return [pid for pid in map(int, found.stdout.split()) if pid != group]

    def kill(self, victim: str, rng: random.Random) -> None:
        """SIGKILL, which nobody can prepare for. Workers that outlive their server bring it their last clip."""
        workers = self.workers() if victim != "server" else []
        if workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
        if victim != "worker":
            self.processes[-1].kill()
            self.processes[-1].wait()
            self.start()

    def stop(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.ear.shutdown()
        self.ear.server_close()
        self.client.close()


def until(true: Callable[[], object], seconds: float = PATIENCE, pause: float = 0.05) -> bool:
    """Wait for something; False where it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def run(seed: int) -> Counter[str]:
    """One run; counts what was accepted, lost, published twice and untold, and what happened."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        house = House(Path(name), port)
        try:
            house.start()
            moment = rng.choice(MOMENTS)
            return paused_worker(house) if moment == "paused" else killed(house, rng, moment)
        finally:
            house.stop()


def killed(house: House, rng: random.Random, moment: str) -> Counter[str]:
    victim, number_of_disaster = rng.choice(VICTIMS), rng.randrange(JOBS)
    accepted: list[str | None] = []
    for number in range(JOBS):
        accepted.append(house.submit(number))
        if number == number_of_disaster and moment == "submitting":
            time.sleep(rng.uniform(0, 0.4))
            house.kill(victim, rng)
    if moment == "storing":
        for _ in range(rng.randrange(3)):  # not always the first clip
            until(lambda: storing(house), 5, 0.0005)
            until(lambda: not storing(house), 5, 0.0005)
        until(lambda: storing(house), 5, 0.0005)
        house.kill(victim, rng)
    if moment == "delivering":
        house.ear.speaking.clear()
        house.ear.speaking.wait(10)
        time.sleep(rng.uniform(0, 0.06))
        house.kill(victim, rng)
    return settled(house, [job for job in accepted if job]) + Counter({f"{victim} killed, {moment}": 1})


def storing(house: House) -> bool:
    """Whether a file is on its way into the store."""
    return any((house.folder / "files" / "tmp").iterdir())


def paused_worker(house: House) -> Counter[str]:
    """A worker is stopped within a job, another does it, and the first goes on with its clip."""
    until(lambda: len(house.workers()) == 2)
    jobs = [job for number in range(4) if (job := house.submit(number, seconds="20", size="320x240"))]
    sleeper, job = stopped_within_a_job(house)
    until(lambda: house.row("select 1 from jobs where id = ? and status = 'completed'", job))
    row = "select worker, attempts, results from jobs where id = ?"
    before = house.row(row, job)
    os.kill(sleeper, signal.SIGCONT)
    number = 100

    def back_at_work() -> bool:  # it has brought its clip, and asks for others
        nonlocal number
        number += 1
        if new := house.submit(number):
            jobs.append(new)
        time.sleep(0.2)
        return bool(house.row("select 1 from jobs where worker like ? and id != ?", f"%-{sleeper}", job))

    awake = until(back_at_work)
    taken_over = before is not None and before[1] == 2 and not str(before[0]).endswith(f"-{sleeper}")
    counts = settled(house, jobs)
    refused = awake and taken_over and house.row(row, job) == before and len(house.ear.told[job]) == 1
    return counts + Counter({"late clip refused" if refused else "late clip NOT refused": 1, "worker paused": 1})


def stopped_within_a_job(house: House) -> tuple[int, str]:
    """Stop a worker; its process and the job that it is at. One that was just done goes on, and another try is made."""
    for _ in range(1000):
        row = house.row("select worker, id from jobs where status = 'in_progress' order by progress limit 1")
        if row is None:
            time.sleep(0.01)
            continue
        worker, job = int(str(row[0]).rpartition("-")[2]), str(row[1])
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.1)  # what it had sent before is done
        if house.row("select 1 from jobs where id = ? and status = 'in_progress'", job):
            return worker, job
        os.kill(worker, signal.SIGCONT)
    raise RuntimeError("no worker was ever found at work")


def settled(house: House, accepted: list[str]) -> Counter[str]:
    """Wait until all jobs have ended and were told of; counts what did not."""
    first_seen: dict[str, bytes] = {}

    def all_done() -> bool:
        for job in accepted:
            if job not in first_seen and house.ask("GET", f"/videos/{job}").json()["status"] == "completed":
                first_seen[job] = house.ask("GET", f"/videos/{job}/content").content
        return len(first_seen) == len(accepted)

    until(all_done, pause=0.1)
    until(lambda: all(house.ear.told[job] for job in accepted), seconds=15)
    time.sleep(0.5)
    changed = {job for job, clip in first_seen.items() if house.ask("GET", f"/videos/{job}/content").content != clip}
    twice = changed | {job for job in accepted if len(house.ear.told[job]) > 1}
    untold = [job for job in accepted if not house.ear.told[job]]
    lost = len(accepted) - len(first_seen)
    return Counter({"accepted": len(accepted), "lost": lost, "twice": len(twice), "untold": len(untold)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=2, help="runs side by side, each in a folder of its own")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    started = time.monotonic()
    with ProcessPoolExecutor(options.at_once) as runners:
        seeds = range(options.seed, options.seed + options.runs)
        for done, (seed, found) in enumerate(zip(seeds, runners.map(run, seeds), strict=True), 1):
            total += found
            if bad(found):
                print(f"seed {seed}: {dict(found)}", flush=True)
            print(f"\r{done} of {options.runs} runs", end="", file=sys.stderr)
    print(f"\n{options.runs} runs in {time.monotonic() - started:.0f} s")
    for what in ("accepted", "lost", "twice", "untold", *sorted(set(total) - {"accepted", "lost", "twice", "untold"})):
        print(f"{total[what]:6}  {what}")
    sys.exit(1 if bad(total) else 0)


def bad(found: Counter[str]) -> bool:
    return any(found[what] for what in ("lost", "twice", "untold", "late clip NOT refused"))


def serve() -> None:
    """``himmel serve``, which for once may speak to this machine."""
    from himmel.cli.app import main as himmel

    studio.Outbound = lambda: Outbound(allowed=lambda _: True, schemes=("http",))
    himmel()


if __name__ == "__main__":
    serve() if sys.argv[1:2] == ["serve"] else main()
