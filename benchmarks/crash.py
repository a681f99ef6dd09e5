"""Kills a server and its workers at random moments, and counts what was lost: python benchmarks/crash.py --runs 200

Every run starts a server with two workers on the fake backend in a folder of its own, submits jobs, kills (SIGKILL)
the server, a worker, or both at a moment that its seed settles, starts the server again, and waits. A job counts
as accepted when its 201 was read. Lost is one that does not end; published twice, one that two results were
accepted for, which shows as a completed job whose clip changed after it was first seen.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

VICTIMS = ("server", "worker", "both")
JOBS = 12
PATIENCE = 60.0  # seconds after a new start, in which everything must have ended


@dataclass
class House:
    """One server's folder, and the process that serves it."""

    folder: Path
    port: int
    key: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=10))

    def himmel(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "himmel", *arguments, "--data-dir", str(self.folder)]

    def start(self) -> None:
        if not self.key:
            made = subprocess.run(self.himmel("keys", "create", "anna"), capture_output=True, text=True, check=True)
            self.key = made.stdout.split()[-1]
        serve = self.himmel("serve", "--model", "fake", "--workers", "2", "--port", str(self.port))
        environment = {**os.environ, "HIMMEL_LEASE_SECONDS": "2"}
        log = (self.folder / "log.txt").open("ab")
        process = subprocess.Popen(serve, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        while not self._answers():
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.client.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx2.HTTPError:
            return False

    def ask(self, method: str, path: str, **values: object) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        return self.client.request(method, f"http://127.0.0.1:{self.port}/v1/videos{path}", headers=headers, **values)

    def workers(self) -> list[int]:
        group = self.processes[-1].pid
        found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False)
        return [pid for pid in map(int, found.stdout.split()) if pid != group]

    def kill(self, victim: str, rng: random.Random) -> None:
        """SIGKILL, which nobody can prepare for. Workers that outlive their server bring it their last clip."""
        workers = self.workers()
        if victim in ("worker", "both") and workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
        if victim in ("server", "both"):
            self.processes[-1].kill()
            self.processes[-1].wait()
            self.start()

    def stop(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run(seed: int) -> Counter[str]:
    """One run; counts accepted, lost, and twice."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        house = House(Path(name), port)
        try:
            house.start()
            return _rounds(house, rng)
        finally:
            house.stop()


def _rounds(house: House, rng: random.Random) -> Counter[str]:
    victim, moment = rng.choice(VICTIMS), rng.randrange(JOBS)
    accepted: list[str] = []
    for number in range(JOBS):
        body = {"prompt": f"cat {number}", "seconds": "2", "size": "128x96", "seed": number}
        try:
            answer = house.ask("POST", "", json=body)
            if answer.status_code == 201:
                accepted.append(answer.json()["id"])
        except httpx2.HTTPError:
            pass  # never answered, so never promised
        if number == moment:
            time.sleep(rng.uniform(0, 0.4))
            house.kill(victim, rng)
    first_seen: dict[str, bytes] = {}
    deadline = time.monotonic() + PATIENCE
    while len(first_seen) < len(accepted) and time.monotonic() < deadline:
        for job in accepted:
            if job not in first_seen and house.ask("GET", f"/{job}").json()["status"] == "completed":
                first_seen[job] = house.ask("GET", f"/{job}/content").content
        time.sleep(0.1)
    time.sleep(0.5)
    changed = [job for job, clip in first_seen.items() if house.ask("GET", f"/{job}/content").content != clip]
    lost = len(accepted) - len(first_seen)
    return Counter({"accepted": len(accepted), "lost": lost, "twice": len(changed), f"{victim} killed": 1})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    started = time.monotonic()
    for number in range(options.runs):
        found = run(options.seed + number)
        total += found
        if found["lost"] or found["twice"]:
            print(f"seed {options.seed + number}: {dict(found)}")
        print(f"\r{number + 1} of {options.runs} runs", end="", file=sys.stderr)
    print(f"\n{options.runs} runs in {time.monotonic() - started:.0f} s: {dict(total)}")
    sys.exit(1 if total["lost"] or total["twice"] else 0)


if __name__ == "__main__":
    main()
