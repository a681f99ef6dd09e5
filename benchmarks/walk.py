"""A studio in a process of its own, and walking through it by its links: one page of every kind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MOST = 60  # kinds of pages; more of them means that a kind is not seen as one


def kind(address: str) -> tuple[str, tuple[str, ...]]:
    """What pages of one kind share: the path without numbers, and the names of what is asked."""
    url = urlsplit(address)
    return re.sub(r"[a-z]+_[0-9a-f]{16,}", "*", url.path), tuple(sorted(name for name, _ in parse_qsl(url.query)))


def pages(page: Page) -> Iterator[str]:
    """The address of one page of each kind that links lead to, each once opened."""
    seen, waiting = set[tuple[str, tuple[str, ...]]](), ["/create", "/account"]
    while waiting:
        address = waiting.pop(0)
        if kind(address) in seen:
            continue
        seen.add(kind(address))
        assert len(seen) < MOST, seen
        page.goto(address)
        yield address
        links = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(a => a.getAttribute('href'))")
        waiting += [link for link in links if link.startswith("/")]


def finished(page: Page, seconds: float = 120.0) -> Locator:
    """The cards of a page, when there are some and none is being made any more."""
    from playwright.sync_api import expect

    page.locator('.card[data-status="completed"]').first.wait_for(timeout=1000 * seconds)
    expect(page.locator(".card:not([data-status=completed])")).to_have_count(0, timeout=1000 * seconds)
    return page.locator(".card")


def begun(page: Page, link: str) -> None:
    """Make the first account of a server, and stand on Create."""
    page.goto(link)
    page.fill("[name=name]", "mira")
    page.fill("[name=password]", "clouds over the sea")
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/create*")


class Studio:
    """``himmel serve`` with one worker, on a free port that it keeps."""

    def __init__(self, folder: Path, model: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.model = folder, model
        self.process: subprocess.Popen[bytes] | None = None
        self.address = f"http://localhost:{self.port}"

    def himmel(self, *arguments: object) -> list[str]:
        """A command on this studio's folder."""
        return [sys.executable, "-m", "himmel", *map(str, arguments), "--data-dir", str(self.folder)]

    def start(self) -> str | None:
        """Begin, and wait until it answers; gives the link for the first account, or None where there is one."""
        command = self.himmel("serve", "--port", self.port, "--model", self.model)
        environment = {**os.environ, "HIMMEL_LEASE_SECONDS": "3"}
        self.folder.mkdir(parents=True, exist_ok=True)
        said = self.folder / "said.log"
        with said.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, start_new_session=True, stdout=log, stderr=subprocess.STDOUT
            )
        while not (self._answers() and "himmel keys create" in said.read_text()):
            if self.process.poll() is not None:
                raise RuntimeError(said.read_text())
            time.sleep(0.1)
        if told := re.search(r"the studio: (\S+)", said.read_text()):
            self.address = told[1]
        link = re.search(r"http://\S+/setup/\S+", said.read_text())
        return link and link[0]

    def kill(self) -> None:
        """As when the power fails: the server and its worker at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
