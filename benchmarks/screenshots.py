"""Pictures of every page of the studio, with clips of the default model: `make screenshots`.

Starts a server of its own, makes its first account, a few clips, a remix and a storyboard, and walks through all pages
in three widths and two themes. Needs playwright, Debian's chromium, and a minute or two.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.progress import track
from walk import Studio, begun, finished, pages

PROMPTS = (
    "a red balloon rising in the city at night",
    "a penguin jumping in the snow",
    "a green dinosaur walking to the left in the forest",
    "a sailboat on the sea at sunset",
    "ein Elefant am Strand",
    "a hot air balloon in the mountains, zoom in",
    "a rocket flying up in space",
    "雪の中のペンギン",
)
WIDTHS = {390: 844, 1280: 800, 1920: 1080}


def furnished(page: Page, link: str) -> None:
    """An account, and what makes its pages worth looking at."""
    begun(page, link)
    for prompt in track(PROMPTS, "making clips"):
        page.goto("/create")
        page.fill("#prompt", prompt)
        page.get_by_role("button", name="Make", exact=True).click()
        page.wait_for_url("**/create?from=*")
        finished(page)
    page.locator(".card-link").first.click()
    page.get_by_role("button", name="Remix").click()
    page.locator("himmel-player").wait_for(timeout=120_000)


def main() -> None:
    """Ask the command line, and do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("screenshots"), help="where the pictures go")
    parser.add_argument("--model", default="papercut", help="what the clips are made with")
    asked = parser.parse_args()
    shutil.rmtree(asked.folder, ignore_errors=True)
    asked.folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as data:
        studio = Studio(Path(data) / "data", asked.model)
        link = studio.start() or ""
        try:
            photograph(studio.address, link, asked.folder)
        finally:
            studio.kill()


def photograph(address: str, link: str, folder: Path) -> None:
    """All pages in all widths and themes."""
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(base_url=address, reduced_motion="reduce").new_page()
        furnished(page, link)
        for path in pages(page):
            for width, height in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": height})
                for theme in ("dark", "light"):
                    page.emulate_media(color_scheme=theme)
                    page.wait_for_timeout(150)
                    name = re.sub(r"_[0-9a-f]{16,}", "", path.strip("/")).replace("/", "-").replace("?", "-")
                    picture = folder / f"{name}-{width}-{theme}.png"
                    page.screenshot(path=picture, full_page=True)
                    print(picture)


if __name__ == "__main__":
    main()
