"""Twenty-four prompts and what each released model makes of them: docs/gallery.md and its pictures.

    python benchmarks/gallery.py RELEASE [--model papercut]

Prompts are drawn from the world's captions by their number alone, eight in each language, all of combinations that are
held out from training; the seed is the number. Nothing is chosen and nothing is left out. Pictures of a release land in
docs/media/gallery/RELEASE; releases are named so that they sort by age, such as 2026-11-22, and the page shows the
newest beside the one before.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from rich.progress import track

from himmel.backends.native import NativeBackend
from himmel.media.animation import write_animation
from himmel.spec import Size, VideoRequest
from himmel.world.caption import caption
from himmel.world.scene import sample_scene
from himmel.world.vocabulary import LAPTOP

DOCS = Path(__file__).parent.parent / "docs"
PICTURES = DOCS / "media" / "gallery"
LANGUAGES = ("en", "de", "ja")
COUNT, SECONDS, SHOWN = 24, 3.0, Size(128, 128)
PAGE = """# Gallery

Twenty-four prompts, eight in each language, drawn by number from the captions of combinations that are held out from
training; the seed is the number. None was chosen, none is left out. Four steps of Turbo, {seconds:g} seconds, {size}.
`python benchmarks/gallery.py RELEASE` makes this page.

{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", help="what the pictures' folder is called")
    parser.add_argument("--model", default="papercut")
    asked = parser.parse_args()
    folder = PICTURES / asked.release
    folder.mkdir(parents=True, exist_ok=True)
    backend = NativeBackend(asked.model)
    for number in track(range(1, COUNT + 1), "clips"):
        wanted = VideoRequest(prompt(number), seed=number, seconds=SECONDS, size=SHOWN)
        made = (part for part in backend.generate(wanted) if isinstance(part, np.ndarray))
        write_animation(folder / f"{number:02}.webp", made, fps=backend.info.native_fps)
    releases = sorted(path.name for path in PICTURES.iterdir() if path.is_dir())[-2:]
    (DOCS / "gallery.md").write_text(page(releases), encoding="utf-8")


def prompt(number: int) -> str:
    """The prompt of this number, 1 to 24; languages take turns."""
    rng = random.Random(f"gallery {number}")
    scene = sample_scene(LAPTOP, rng.getrandbits(30), keep_held_out=True)
    return caption(scene, rng, LANGUAGES[(number - 1) % len(LANGUAGES)])


def page(releases: list[str]) -> str:
    """The page with a column for each of these releases."""
    rows = ["| | prompt | " + " | ".join(releases) + " |", "|---|---|" + "---|" * len(releases)]
    for number in range(1, COUNT + 1):
        shown = (f"![{number}](media/gallery/{release}/{number:02}.webp)" for release in releases)
        rows.append(f"| {number} | {prompt(number)} | " + " | ".join(shown) + " |")
    return PAGE.format(seconds=SECONDS, size=f"{SHOWN.width}×{SHOWN.height}", rows="\n".join(rows))


if __name__ == "__main__":
    main()
