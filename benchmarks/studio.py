"""How fast the studio's pages come and move with a library of many clips, in Debian's chromium.

Largest paint of fresh browsers, scripts as they come over the wire, tasks over 50 ms while the library is scrolled.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sqlite3
import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Response, sync_playwright
from walk import Studio, begun, finished

PROMPTS = ("a cat on the beach", "a red car in the city", "a balloon in the forest", "a penguin in the snow")
PAINT = """() => new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
    .observe({type: 'largest-contentful-paint', buffered: true}))"""
WATCH = """() => { window.tasks = []; new PerformanceObserver(list => window.tasks.push(
    ...list.getEntries().map(one => one.duration))).observe({type: 'longtask', buffered: false}) }"""


def furnish(page: Page, database: Path, clips: int) -> None:
    """Some clips made by the model, the others rows that speak of the same files."""
    for prompt in PROMPTS:
        page.goto("/create")
        page.fill("#prompt", prompt)
        page.select_option("[name=seconds]", "2")
        page.get_by_role("button", name="Make", exact=True).click()
        page.wait_for_url("**/create?from=*")
    finished(page)
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM jobs")]
        copies = [_copied(rows[n % len(rows)], n) for n in range(clips - len(rows))]
        names = ", ".join(copies[0])
        places = ", ".join("?" for _ in copies[0])
        connection.executemany(f"INSERT INTO jobs ({names}) VALUES ({places})", [tuple(c.values()) for c in copies])


def _copied(row: dict[str, Any], number: int) -> dict[str, Any]:
    request = json.loads(row["request"])
    words = {"prompt": f"{request['prompt']}, take {number}"}
    own = {"id": f"video_{number:032x}", "number": 10**6 + number, "request": json.dumps(request | words)}
    return row | own | {"idempotency_key": None, "group_id": None, "created_at": row["created_at"] + number}


def paints(browser: Browser, state: Any, address: str, path: str, times: int) -> tuple[list[float], int]:
    """Largest paints in seconds, each in a browser that has seen nothing; and bytes of scripts, compressed."""
    found, size = [], 0
    for _ in range(times):
        context = browser.new_context(base_url=address, storage_state=state, viewport={"width": 1280, "height": 800})
        page, scripts = context.new_page(), list[Response]()
        page.on("response", lambda answer, all=scripts: answer.url.endswith(".js") and all.append(answer))
        page.goto(path, wait_until="networkidle")
        found.append(page.evaluate(PAINT) / 1000)
        size = sum(len(gzip.compress(script.body())) for script in scripts)
        context.close()
    return found, size


def scrolled(page: Page, path: str) -> tuple[list[float], int]:
    """Lengths of long tasks, in ms, while the page is scrolled from top to bottom; and how many clips it shows."""
    page.goto(path, wait_until="networkidle")
    page.evaluate(WATCH)
    page.mouse.move(640, 400)
    for _ in range(60):
        page.mouse.wheel(0, 240)
        page.wait_for_timeout(30)
    return page.evaluate("window.tasks"), page.locator(".card").count()


def main() -> None:
    """Ask the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5, help="fresh browsers for each page")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as data, sync_playwright() as run:
        studio = Studio(Path(data) / "data", "fake")
        link = studio.start() or ""
        try:
            browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            context = browser.new_context(base_url=studio.address, viewport={"width": 1280, "height": 800})
            page = context.new_page()
            begun(page, link)
            furnish(page, studio.folder / "himmel.sqlite3", asked.clips)
            for path in ("/create", "/library"):
                found, size = paints(browser, context.storage_state(), studio.address, path, asked.times)
                told = f"{statistics.median(found):.2f} s, slowest {max(found):.2f} s"
                print(f"{path}: largest paint {told}; scripts {size / 1024:.1f} KiB compressed")
            tasks, cards = scrolled(page, "/library")
            print(f"/library scrolled past {cards} clips: {len(tasks)} tasks over 50 ms {[round(t) for t in tasks]}")
        finally:
            studio.kill()


if __name__ == "__main__":
    main()
