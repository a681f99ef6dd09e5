"""Damaged uploads by the thousand, and what became of them: python benchmarks/fuzz.py --count 10000

Sound pictures and clips are mutated (bytes, lengths, pieces cut out, doubled, swapped, cut short), each by a number of
its own. Most go to limited children that take one upload after another: the code and the limits are those of a child
that the server asks, but for the CPU, which is bounded for every single upload. A child that dies is contained,
counted, and another takes its place. Every twentieth goes over HTTP to a running server, where any answer of 5xx but
"busy" is a failure. Then come the bombs, each in a child of its own, with its time and the most memory that it had.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx2
from bombs import bombs, clip, huge_webp, long_mp4, picture

from himmel.errors import BadRequest
from himmel.media.probe import Limits, TooLarge, confine, load_for, read_clip, read_picture
from himmel.studio.intake import Intake
from himmel.studio.settings import Settings

ONE_IN = 20  # goes over HTTP
HANGS = 30.0  # seconds, after which a child counts as hanging
NAMES = {"picture": "a.png", "clip": "a.mp4"}
INTAKE = Intake(Settings())
LIMITS = {"picture": INTAKE.picture_limits, "clip": INTAKE.clip_limits}


def seeds() -> list[tuple[str, bytes]]:
    """Sound uploads: kind and bytes."""
    small = [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("PNG", {"mode": "P"}), ("PNG", {"mode": "LA"})]
    small += [("JPEG", {"progressive": True}), ("JPEG", {"mode": "CMYK"}), ("WEBP", {"lossless": True})]
    found = [("picture", picture(kind, 96, **options)) for kind, options in small]
    return [*found, ("picture", huge_webp(64, 64)), ("clip", clip(4)), ("clip", clip(30, 32)), ("clip", long_mp4(20))]


def mutated(content: bytes, rng: random.Random, other: bytes) -> bytes:
    """Another form of an upload, by one to six changes."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at, length = rng.randrange(len(changed) or 1), rng.choice((1, 2, 4, 16, 200))
        match rng.randrange(8):
            case 0 if changed:  # a bit
                changed[at] ^= 1 << rng.randrange(8)
            case 1:  # bytes
                changed[at : at + length] = rng.randbytes(length)
            case 2:  # a length or a count
                value = rng.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.randrange(1 << 32)))
                changed[at : at + 4] = struct.pack(rng.choice("<>") + "I", value)
            case 3:  # a piece is gone
                del changed[at : at + length]
            case 4:  # a piece comes again
                changed[at:at] = changed[at : at + length] * rng.choice((1, 10, 1000))
            case 5:  # cut short
                del changed[at:]
            case 6:  # another upload's end
                changed[at:] = other[rng.randrange(len(other)) :]
            case 7:  # a piece of a head, where most lengths are
                start = rng.randrange(min(200, len(changed) or 1))
                changed[start : start + 2] = rng.randbytes(2)
    return bytes(changed)


def uploads(count: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """Number, kind and bytes of each."""
    sound = seeds()
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        kind, content = rng.choice(sound)
        yield number, kind, mutated(content, rng, rng.choice(sound)[1])


def child(kind: str) -> None:
    """Answer one upload after another on standard input; this is what runs in the limited process."""
    load_for(kind)
    limits = LIMITS[kind]
    confine(replace(limits, cpu=1 << 20))
    given, told = sys.stdin.buffer, sys.stdout.buffer
    while head := given.read(4):
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent + limits.cpu, 1 << 20))
        source = io.BytesIO(given.read(struct.unpack(">I", head)[0]))
        told.write((_became(kind, source, limits) + "\n").encode())
        told.flush()


def _became(kind: str, source: io.BytesIO, limits: Limits) -> str:
    try:
        read_clip(source, limits) if kind == "clip" else read_picture(source, limits)
    except TooLarge:
        return "too large"
    except BadRequest:
        return "refused"
    return "accepted"


class Child:
    """A limited process that is given uploads, and started again when it dies."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.start()

    def start(self) -> None:
        command = [sys.executable, __file__, "--child", self.kind]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **pipes)

    def ask(self, content: bytes) -> str:
        with suppress(BrokenPipeError), selectors.DefaultSelector() as ready:
            self.process.stdin.write(struct.pack(">I", len(content)) + content)
            self.process.stdin.flush()
            ready.register(self.process.stdout, selectors.EVENT_READ)
            if not ready.select(HANGS):
                self.process.kill()
                self.process.wait()
                self.start()
                return "child hung"
            if line := self.process.stdout.readline():
                return line.decode().strip()
        status = self.process.wait()
        self.start()
        return f"child died ({status})"

    def stop(self) -> int:
        """The most memory that the last process had, in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        self.process.stdin.close()
        self.process.wait()
        return int(text.split("VmHWM:")[1].split()[0]) >> 10


@contextmanager
def served() -> Iterator[httpx2.Client]:
    """A running server without workers, and a client with a key."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        himmel = [sys.executable, "-m", "himmel"]
        made = [*himmel, "keys", "create", "anna", "--data-dir", folder]
        key = subprocess.run(made, capture_output=True, text=True, check=True).stdout.split()[-1]
        serve = [*himmel, "serve", "--model", "fake", "--workers", "0", "--port", str(port), "--data-dir", folder]
        environment = {**os.environ, "HIMMEL_QUEUED_PER_ACCOUNT": "1000000"}
        process = subprocess.Popen(serve, env=environment, stdout=subprocess.DEVNULL)
        headers = {"authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            try:
                while not _answers(client):
                    time.sleep(0.05)
                yield client
                assert process.poll() is None, "the server died"
            finally:
                process.terminate()
                process.wait()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx2.HTTPError:
        return False


def sent(client: httpx2.Client, kind: str, content: bytes) -> int:
    """The status that an upload is answered with."""
    field, path = ("video", "/v1/videos/edits") if kind == "clip" else ("input_reference", "/v1/videos")
    fields = {"prompt": "a cat", "model": "sora-2"}
    return client.post(path, data=fields, files={field: (NAMES[kind], content)}).status_code


def blown(kind: str, content: bytes) -> tuple[str, float, float]:
    """What a child of its own says to a bomb, its seconds by the clock, and the most memory it had in MiB."""
    limits = json.dumps(vars(LIMITS[kind]))
    code = (
        "import sys; status = open('/proc/self/status'); from himmel.media.probe import *\n"
        f"main({kind!r}, Limits(**{limits.replace('null', 'None')}))\n"
        "print(status.read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    with tempfile.TemporaryFile() as source:
        source.write(content)
        source.flush()
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code], stdin=source, capture_output=True, check=False)
    memory = int(done.stderr) / 1024 if done.returncode == 0 else float("nan")
    told = json.loads(done.stdout.partition(b"\n")[0] or b'{"error": "died"}')
    return told.get("error", "accepted"), time.monotonic() - began, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", choices=("picture", "clip"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child)
    began, failed = time.monotonic(), 0
    became: Counter[tuple[str, str]] = Counter()
    children = {kind: Child(kind) for kind in LIMITS}
    with served() as client:
        for number, kind, content in uploads(options.count, options.seed):
            if number % ONE_IN:
                found, way = children[kind].ask(content), "child"
            else:
                found, way = str(status := sent(client, kind, content)), "HTTP"
                failed += status >= 500 and status != 503
            became[f"{kind}, {way}", found] += 1
            if "child" in found:
                print(f"{options.seed}/{number}: {found}")
    print(f"{options.count} mutated uploads in {time.monotonic() - began:.0f} s, seed {options.seed}")
    for (what, found), count in sorted(became.items()):
        print(f"  {what:15} {found:20} {count:6}")
    for kind, one in children.items():
        print(f"  {kind}: at most {one.stop()} MiB in the last child")
    for name, kind, content in bombs():
        found, seconds, memory = blown(kind, content)
        failed += seconds > 10 or "died" in found
        print(f"  {name:42} {len(content):9} bytes {seconds:6.2f} s {memory:6.0f} MiB  {found}")
    print(f"failures: {failed}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
