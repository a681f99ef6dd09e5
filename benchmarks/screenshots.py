"""Pictures of every page of the studio, with clips of the default model: `make screenshots`.

Starts a server of its own, makes its first account, a few clips, a remix and a storyboard, and walks through all pages
in three widths and two themes. Needs playwright, Debian's chromium, a font with Japanese letters (fonts-noto-cjk), and
some minutes. With --docs those that the documentation shows come into docs/media too.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from PIL import Image
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
BOARD = ("a fox walking to the right in the forest", "the fox jumping", "the fox in the snow at night")
WIDTHS = {390: 844, 1280: 800, 1920: 1080}
MEDIA = Path(__file__).parents[1] / "docs/media"
TYPED = "a quokka jumping in the snow, the camera zooms in"  # with a word that the model does not know
SHOWN = {  # by the documentation, as a window shows them
    "create-1280-dark": "studio-create",
    "storyboard-1280-dark": "studio-storyboard",
    "clip-1280-dark": "studio-clip",
    "library-1280-light": "studio-library",
    "create-390-dark": "studio-phone",
}


def furnished(page: Page) -> dict[str, str]:
    """What makes an account's pages worth looking at; pages that links lead to late or never, by name."""
    for prompt in track(PROMPTS, "making clips"):
        page.goto("/create")
        page.fill("#prompt", prompt)
        page.get_by_role("button", name="Make", exact=True).click()
        page.wait_for_url("**/create?from=*")
        finished(page)
    page.locator(".card-link").first.click()
    page.wait_for_url("**/clips/*")
    first = page.url
    page.get_by_role("button", name="Remix").click()
    page.wait_for_url(lambda url: "/clips/" in url and url != first)
    page.locator("himmel-player").wait_for(timeout=120_000)
    found = {"clip": page.url, "storyboard": board(page)}
    page.goto(found["clip"])
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Make a link").click()
    return found | {"shared": page.input_value("#link"), "not-found": "/clips/none", "sign-in": "/sign-in"}


def board(page: Page) -> str:
    """A storyboard that was made, with a picture and a cut; where it can be changed."""
    page.goto("/storyboard")
    for number, text in enumerate(BOARD):
        if number:
            page.get_by_role("button", name="Add words").click()
        page.locator("[data-shots] textarea").nth(number).fill(text)
        page.locator("[name='cards[][seconds]']").nth(number).fill(("4", "2", "3")[number])
    page.locator(".seg-body").last.click()
    page.locator(".shot.chosen [name='cards[][cut]']").check(force=True)
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.locator("himmel-player").wait_for(timeout=240_000)
    return page.url.replace("/clips/", "/storyboard?from=")


def opened(page: Page, clip: str, folder: Path) -> None:
    """What pops up: lists, the sheet of keys, what is asked of a file that is dropped."""
    for path, name in (("/create", "Presets"), (clip, "Download"), (clip, "Share"), ("/library", "Move")):
        page.goto(path)
        if name == "Move":
            page.keyboard.press("a")
        page.locator("summary").get_by_text(name, exact=True).click()
        pictures(page, f"pop-{name.lower()}", folder)
    page.goto("/create")
    page.keyboard.press("?")
    pictures(page, "keys", folder)
    page.goto("/create")
    page.eval_on_selector("[data-drop]", "sheet => { sheet.dataset.kind = 'picture'; sheet.showModal(); }")
    pictures(page, "drop", folder)


def asked(page: Page, folder: Path) -> None:
    """Codes of an app, and an invitation as who opens it sees it."""
    page.goto("/account/factors")
    page.get_by_role("button", name="Set up an app").click()
    page.wait_for_url("**/codes")
    pictures(page, "codes", folder)
    page.goto("/operator/accounts")
    page.fill("form[action$=invite] [name=name]", "lena")
    page.get_by_role("button", name="Make the link").click()
    page.goto(page.locator(".key").inner_text().strip())
    pictures(page, "invitation", folder)


def busy(page: Page, folder: Path) -> None:
    """The queue with a clip that is made, those that wait, and one that was stopped; in the end all of them are."""
    page.goto("/create")
    page.fill("#prompt", PROMPTS[0])
    page.select_option("[name=seconds]", "20")
    page.check("[name=n][value='4']", force=True)
    page.get_by_role("button", name="Make", exact=True).click()
    page.wait_for_url("**/create?from=*")
    page.goto("/queue")
    page.locator('[data-status="in_progress"]').first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Cancel").last.click()
    page.wait_for_load_state()
    pictures(page, "queue-busy", folder)
    while page.get_by_role("button", name="Cancel").count():
        page.get_by_role("button", name="Cancel").last.click()
        page.wait_for_load_state()


def main() -> None:
    """Ask the command line, and do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("screenshots"), help="where the pictures go")
    parser.add_argument("--model", default="papercut", help="what the clips are made with")
    parser.add_argument("--docs", action="store_true", help="bring those in docs/media up to date")
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
    for taken, name in SHOWN.items() if asked.docs else ():
        keep(asked.folder / f"{taken}.png", MEDIA / f"{name}.webp")


def photograph(address: str, link: str, folder: Path) -> None:
    """All pages in all widths and themes."""
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(base_url=address, reduced_motion="reduce", bypass_csp=True).new_page()
        page.goto(link)
        pictures(page, "setup", folder)
        begun(page, link)
        pictures(page, "create-begun", folder)
        found = furnished(page)
        opened(page, found["clip"], folder)
        asked(page, folder)
        for path in pages(page):
            if path == "/create":
                page.fill("#prompt", TYPED)
                page.locator(".unknown").wait_for()
            pictures(page, re.sub(r"_[0-9a-f]{16,}", "", path.strip("/")).replace("/", "-").replace("?", "-"), folder)
        busy(page, folder)
        for name, path in found.items():
            if name in ("shared", "sign-in"):
                page.context.clear_cookies()
            page.goto(path)
            page.wait_for_timeout(1000)  # what scripts ask the server for comes a moment later
            pictures(page, name, folder)


def pictures(page: Page, name: str, folder: Path) -> None:
    """What is to be seen, in all widths and themes."""
    page.add_style_tag(content=".card { content-visibility: visible !important; }")  # pictures are higher than windows
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(150)
            picture = folder / f"{name}-{width}-{theme}.png"
            page.screenshot(path=picture, full_page=picture.stem not in SHOWN)
            print(picture)


def keep(picture: Path, small: Path) -> None:
    """A picture of the documentation."""
    Image.open(picture).convert("RGB").save(small, quality=82, method=6)


if __name__ == "__main__":
    main()
