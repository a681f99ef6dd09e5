"""Clips without their prompts, for a person to name by eye.

    python benchmarks/blind.py make FOLDER [--clips 40] [--model papercut] [--full]
    python benchmarks/blind.py score FOLDER

``make`` writes sheets of six frames a clip, a number beside each, and ``answers.json``, which nobody looks into before
``guesses.csv`` stands beside it: a line a clip, "number,noun,setting,motion" by their keys, blank where nothing can be
told. ``score`` counts, with 95 % intervals. The scenes are held-out ones of one actor.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track
from rich.table import Table

from himmel.backends.native import NativeBackend
from himmel.spec import MAX_SEED, VideoRequest
from himmel.training.metrics import Proportion
from himmel.world.caption import caption
from himmel.world.scene import sample_scene
from himmel.world.vocabulary import LAPTOP

QUESTIONS = ("noun", "setting", "motion")
SIDE, FRAMES, ROWS = 128, 6, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    making, scoring = actions.add_parser("make"), actions.add_parser("score")
    for action in (making, scoring):
        action.add_argument("folder", type=Path)
    making.add_argument("--clips", type=int, default=40)
    making.add_argument("--model", default="papercut")
    making.add_argument("--full", action="store_true")
    asked = parser.parse_args()
    if asked.action == "make":
        make(asked.folder, asked.clips, NativeBackend(asked.model), turbo=not asked.full)
    else:
        Console().print(score(asked.folder))


def make(folder: Path, count: int, backend: NativeBackend, turbo: bool) -> None:
    """Sheets and answers; the dice are the system's, so that nobody knows the clips from another time."""
    folder.mkdir(parents=True)
    chance = random.SystemRandom()
    single = replace(LAPTOP, p_several=0, p_counted=0, p_two_steps=0)
    strips, answers = [], []
    for _ in track(range(count), "clips"):
        scene = sample_scene(single, chance.getrandbits(30), keep_held_out=True)
        wanted = VideoRequest(
            caption(scene, random.Random(scene.seed)),
            size=backend.info.native_size,
            seed=scene.seed % (MAX_SEED + 1),
            turbo=turbo,
        )
        frames = np.concatenate([part for part in backend.generate(wanted) if isinstance(part, np.ndarray)])
        strips.append(frames[np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)])
        (actor,) = scene.actors
        answers.append({"noun": actor.noun, "setting": scene.setting, "motion": actor.motions[0]})
    for first in range(0, count, ROWS):
        sheet(strips[first : first + ROWS], first + 1).save(folder / f"sheet-{first // ROWS + 1}.png")
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")


def sheet(strips: list[np.ndarray], first: int) -> Image.Image:
    """Rows of frames, each with its number."""
    picture = Image.new("RGB", (SIDE * FRAMES + 32, SIDE * len(strips)), "white")
    for row, strip in enumerate(strips):
        for column, frame in enumerate(strip):
            shown = Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            picture.paste(shown, (32 + column * SIDE, row * SIDE))
        ImageDraw.Draw(picture).text((4, row * SIDE + SIDE // 2), str(first + row), fill="black")
    return picture


def score(folder: Path) -> Table:
    """How many of the guesses are right; what was left blank is wrong."""
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    with (folder / "guesses.csv").open(encoding="utf-8") as file:
        guesses = {int(row[0]): dict(zip(QUESTIONS, row[1:], strict=True)) for row in csv.reader(file)}
    table = Table("question", "named by eye", "95 % interval", title=f"{len(answers)} clips")
    for question in QUESTIONS:
        right = [guesses.get(n, {}).get(question) == answer[question] for n, answer in enumerate(answers, 1)]
        found = Proportion(sum(right), len(right))
        low, high = found.interval
        table.add_row(question, f"{found.value:.0%}", f"{low:.0%} to {high:.0%}")
    return table


if __name__ == "__main__":
    main()
