"""How well each way of making a video does its task, read by the oracle and against the truth that we rendered.

    python benchmarks/tasks.py [--model papercut] [--clips 24] [--only extend,loop] [--turbo]

Real clips of held-out scenes are what is given: half of one, its two ends, a frame of it. "Seam" is the largest step at
a join by the mean step of the clip, "worst" by the largest step elsewhere (1: no join can be seen); "drawn" is the PSNR
of a given frame as the model itself drew it, before the given one takes its place, and beside it what it draws there
when it is not told. Prints a table.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from himmel.backends import making
from himmel.backends.native import NativeBackend
from himmel.cast import mentioned
from himmel.cli.values import STRENGTHS
from himmel.directions import directed
from himmel.media.video_io import write_video
from himmel.spec import Character, Clip, Gap, Picture, Remix, VideoRequest
from himmel.training.oracle import answers, load_oracle
from himmel.training.questions import truth
from himmel.words import SOMEBODY
from himmel.world.archives import cache_folder
from himmel.world.caption import caption
from himmel.world.portrait import naming, portrait
from himmel.world.render import Renderer
from himmel.world.scene import Scene, sample_scene
from himmel.world.sprites import atlas_for
from himmel.world.vocabulary import VOCABULARIES

SECONDS, FPS = 4.0, 12
QUESTIONS = ("noun", "setting", "motion")
Frames = np.ndarray  # uint8 (T, H, W, 3)


@dataclass
class Bench:
    """The model, the world, and the figures so far: by task and column, one number a clip."""

    backend: NativeBackend
    turbo: bool
    folder: Path
    figures: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def __post_init__(self) -> None:
        info = self.backend.info
        self.oracle = load_oracle()
        self.vocabulary = replace(VOCABULARIES["laptop"], p_several=0, p_counted=0, p_two_steps=0, p_camera=0)
        atlas = atlas_for(self.vocabulary, cache_folder())
        self.renderer = Renderer(atlas, info.native_size.height, info.native_size.width, info.native_fps)

    def scene(self, number: int) -> Scene:
        return sample_scene(self.vocabulary, 3 * 10**9 + number, keep_held_out=True)

    def real(self, scene: Scene) -> Frames:
        pixels = self.renderer.render([scene], 1 + round(SECONDS * FPS))[0]
        return (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()

    def made(self, prompt: str, seed: int, **wishes: object) -> Frames:
        info = self.backend.info
        wanted = VideoRequest(prompt, size=info.native_size, fps=FPS, seed=seed, turbo=self.turbo, **wishes)
        return np.concatenate([p for p in self.backend.generate(wanted) if isinstance(p, np.ndarray)])

    def drawn(self, prompt: str, seed: int, **wishes: object) -> Frames:
        """The same without given frames taking their places."""
        whole = making.joined
        making.joined = lambda frames, given, loop_at=None: frames
        try:
            return self.made(prompt, seed, **wishes)
        finally:
            making.joined = whole

    def clip(self, name: str, frames: Frames) -> str:
        path = self.folder / f"{name}.mp4"
        write_video(path, [frames], size=self.backend.info.native_size, fps=FPS, lossless=True)
        return str(path)

    def picture(self, frame: np.ndarray) -> str:
        path = self.folder / "picture.png"
        Image.fromarray(frame).save(path)
        return str(path)

    def read(self, task: str, frames: Frames, scene: Scene, questions: tuple[str, ...] = QUESTIONS) -> None:
        """Whether the oracle reads the scene's truth off a clip."""
        with torch.inference_mode():
            reading = self.oracle(torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() / 255)
        found, true = answers(self.oracle, reading, scene), truth(scene)
        for question in questions:
            self.note(task, question, 100 * (found[question] == true[question]))

    def note(self, task: str, what: str, figure: float) -> None:
        self.figures[task][what].append(float(figure))

    def seam(self, task: str, frames: Frames, joins: list[int]) -> None:
        """The largest step onto one of the frames ``joins``, by the mean step, and by the largest elsewhere."""
        steps = np.abs(np.diff(frames.astype(float), axis=0)).mean((1, 2, 3))
        joint = np.isin(np.arange(1, len(frames)), joins)
        self.note(task, "seam", steps[joint].max() / max(steps.mean(), 1e-6))
        self.note(task, "worst", steps[joint].max() / max(steps[~joint].max(), 1e-6))


def psnr(one: Frames, other: Frames) -> float:
    error = np.square(one.astype(float) - other).mean() / 255**2
    return min(60.0, -10 * float(np.log10(max(error, 1e-12))))


def from_text(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    bench.read("text", bench.made(said, number), scene)


def camera_commands(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """One of the moves in brackets, behind a caption that says nothing of the camera."""
    move = [move for move in bench.vocabulary.cameras if move != "static"][number % (len(bench.vocabulary.cameras) - 1)]
    filmed = replace(scene, camera=move)
    asked = directed(f"{said} [{move.replace('_', ' ')}]", bench.backend.words, bench.backend.info.name)
    bench.read("camera in brackets", bench.made(asked.prompt, number), filmed, (*QUESTIONS, "camera"))


def from_a_picture(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """The first frame is given."""
    parts = (Picture(bench.picture(real[0])), Gap(SECONDS + 1 / FPS))
    bench.read("image", bench.made(said, number, timeline=parts, seconds=SECONDS + 1 / FPS), scene)


def two_prompts(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """Four seconds under one prompt, then four under another, in which the same actor does something else."""
    (actor,) = scene.actors
    others = [motion for motion in bench.vocabulary.motions if motion != actor.motions[0]]
    later = replace(scene, actors=(replace(actor, motions=(others[number % len(others)],)),))
    parts = (Gap(SECONDS, said), Gap(SECONDS, caption(later, random.Random(number))))
    frames = bench.made(said, number, timeline=parts, seconds=2 * SECONDS)
    bench.read("storyboard, first prompt", frames[:48], scene)
    bench.read("storyboard, second prompt", frames[48:], later)


def to_a_picture(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """The last frame, and one in the middle, are given."""
    untold = bench.made(said, number, seconds=SECONDS + 1 / FPS)
    for task, at in (("last image", 48), ("keyframe", 24)):
        given = Picture(bench.picture(real[at]))
        parts = (
            (Gap(at / FPS), given, Gap(SECONDS + 1 / FPS - at / FPS)) if at < 48 else (Gap(SECONDS + 1 / FPS), given)
        )
        told = bench.drawn(said, number, timeline=parts, seconds=SECONDS + 1 / FPS)
        bench.note(task, "drawn", psnr(told[at], real[at]))
        bench.note(task, "not told", psnr(untold[at], real[at]))
        whole = bench.made(said, number, timeline=parts, seconds=SECONDS + 1 / FPS)
        bench.seam(task, whole, [at, at + 1] if at < 48 else [at])
        bench.read(task, whole, scene)


def extend(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """Two seconds are given, two are made after, or before them."""
    head = Clip(bench.clip("head", real[:25]), 0, 25 / FPS)
    after = bench.made(said, number, timeline=(head, Gap(2.0)), seconds=25 / FPS + 2)
    bench.seam("extend", after, [25])
    bench.read("extend", after, scene)
    tail = Clip(bench.clip("tail", real[24:]), 0, 25 / FPS)
    before = bench.made(said, number, timeline=(Gap(2.0), tail), seconds=25 / FPS + 2)
    bench.seam("extend before", before, [24])
    bench.read("extend before", before, scene)


def blend(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """Both ends of one clip are given: what was between them is known. Beside it, fading from one to the other."""
    head, tail = Clip(bench.clip("head", real[:19]), 0, 19 / FPS), Clip(bench.clip("tail", real[30:]), 0, 19 / FPS)
    whole = bench.made(said, number, timeline=(head, Gap(11 / FPS), tail), seconds=49 / FPS)
    share = np.linspace(0, 1, 13)[1:-1, None, None, None]
    fade = real[18] * (1 - share) + real[30] * share
    bench.seam("blend", whole, [19, 30])
    bench.note("blend", "truth", psnr(whole[19:30], real[19:30]))
    bench.note("blend", "fading", psnr(fade, real[19:30]))
    bench.read("blend", whole, scene)


def loop(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """The step from the last frame to the first, of a clip made as a loop and of one that is not."""
    for task, looped in (("loop", True), ("no loop", False)):
        frames = bench.made(said, number, loop=looped, seconds=SECONDS)
        bench.seam(task, np.concatenate([frames, frames[:1]]), [len(frames)])
        bench.read(task, frames, scene)
    closed = bench.made(said, number, timeline=(Clip(bench.clip("whole", real), 0, 49 / FPS), Gap(1.0)), loop=True,
                        seconds=49 / FPS + 1)  # fmt: skip
    bench.seam("loop of a clip", np.concatenate([closed, closed[:1]]), [49, len(closed)])


def another_actor(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """Another noun in the same place: in the whole picture part-way from noise, or only within a box around it."""
    (actor,) = scene.actors
    nouns = [noun for noun in bench.vocabulary.nouns if noun != actor.noun]
    other = replace(scene, actors=(replace(actor, noun=nouns[number % len(nouns)]),))
    prompt, path = caption(other, random.Random(number)), bench.clip("source", real)
    for name, strength in STRENGTHS.items():
        frames = bench.made(prompt, number, remix=Remix(path, strength), seconds=49 / FPS)
        bench.note(f"remix, {name}", "kept", psnr(frames, real))
        bench.read(f"remix, {name}", frames, other)
    moved = np.abs(real.astype(int) - np.median(real, 0)).max((0, 3)) > 24
    rows, columns = np.nonzero(moved)
    if len(rows):
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        mask = ",".join(str(int(side)) for side in box)
        frames = bench.made(prompt, number, remix=Remix(path, 1.0, mask), seconds=49 / FPS)
        outside = np.ones(real.shape[1:3], bool)
        outside[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = False
        bench.note(
            "edit", "unmasked changed", 100 * np.mean(frames[:, outside] != real[:, outside]) if outside.any() else 0
        )
        bench.read("edit", frames, other)
        frames = bench.made(prompt, number, remix=Remix(path, STRENGTHS["strong"], mask), seconds=49 / FPS)
        bench.read("edit, as strong as by default", frames, other)


def somebody(bench: Bench, number: int, scene: Scene, said: str, real: Frames) -> None:
    """A picture of the actor elsewhere is given, and words that only name it; beside it the words alone."""
    (actor,), colours = scene.actors, (None, *bench.vocabulary.colours)
    shown = replace(scene, actors=(replace(actor, colour=colours[number % len(colours)]),))
    settings = bench.vocabulary.settings
    alone = bench.renderer.render([portrait(shown, settings[number % len(settings)])], 1)[0, 0]
    path = bench.picture((alone * 255).round().byte().permute(1, 2, 0).numpy())
    prompt = naming(shown, random.Random(number), ())
    for task, cast in (
        ("character", (Character(SOMEBODY.lower(), path), Character(SOMEBODY, path))),
        ("not shown", ()),
    ):
        called = tuple(each for each in cast if each.name in mentioned(prompt, cast))
        frames = bench.made(prompt, number, seconds=SECONDS + 1 / FPS, characters=called)
        bench.read(task, frames, shown, (*QUESTIONS, "colour"))


TASKS: dict[str, Callable[[Bench, int, Scene, str, Frames], None]] = {
    "text": from_text,
    "camera": camera_commands,
    "image": from_a_picture,
    "storyboard": two_prompts,
    "picture": to_a_picture,
    "extend": extend,
    "blend": blend,
    "loop": loop,
    "remix": another_actor,
    "character": somebody,
}


def rows(figures: dict[str, dict[str, list[float]]]) -> Iterator[tuple[str, ...]]:
    for task, columns in figures.items():
        asked = [f"{np.mean(columns[q]):.0f} %" if q in columns else "" for q in QUESTIONS]
        others = [f"{name} {np.mean(values):.2f}" for name, values in columns.items() if name not in QUESTIONS]
        yield task, str(max(len(v) for v in columns.values())), *asked, ", ".join(others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="papercut")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--only", default=",".join(TASKS), help=", ".join(TASKS))
    parser.add_argument("--turbo", action="store_true", help="the few-step student")
    asked = parser.parse_args()
    names = asked.only.split(",")
    if unknown := [name for name in names if name not in TASKS]:
        parser.error(f"there is no task '{unknown[0]}'; there are {', '.join(TASKS)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(NativeBackend(asked.model), asked.turbo, Path(folder))
        for number in track(range(asked.clips), "clips"):
            scene = bench.scene(number)
            said, real = caption(scene, random.Random(number)), bench.real(scene)
            for name in names:
                TASKS[name](bench, number, scene, said, real)
            bench.read("real", real, scene)
    table = Table("task", "clips", *QUESTIONS, "figures", title=f"{asked.model}, {asked.clips} held-out scenes")
    for row in rows(bench.figures):
        table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
