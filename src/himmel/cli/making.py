"""The course of making clips as the user sees it: names, model, brackets and looks, file or stream, one line each.

Owns: what happens between a request and its finished file. What the request says is the commands'; how pixels are made
is the backend's, how they are written is ``media``'s.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from himmel.cli.clips import tell
from himmel.cli.options import Settings
from himmel.cli.output import clip_paths
from himmel.cli.values import range_of
from himmel.errors import BadRequest, Interrupted
from himmel.spec import MAX_SEED, Gap, Progress, VideoRequest

if TYPE_CHECKING:
    import numpy as np

    from himmel.backends.protocol import Backend
    from himmel.cli.progress import Bar
    from himmel.media.recipe import Recipe

STDOUT = Path("-")


@dataclass(frozen=True)
class Origin:
    """The recipe that is followed, and the clip that carries it."""

    file: Path
    recipe: Recipe


def request_of(settings: Settings, **own: Any) -> VideoRequest:
    """The request that the shared settings and a command's own values make; a seed is drawn where none is given."""
    return VideoRequest(**{"seed": random.SystemRandom().randint(0, MAX_SEED), **chosen(settings), **own})


def chosen(settings: Settings) -> dict[str, Any]:
    """What the settings say of the request itself, as its fields; what is left open is left out."""
    values = {
        "negative_prompt": settings.negative,
        "model": settings.model,
        "size": settings.size,
        "fps": settings.fps,
        "seed": settings.seed,
        "steps": settings.steps,
        "guidance": settings.guidance,
        "turbo": None if settings.full is None else not settings.full,
    }
    return {name: value for name, value in values.items() if value is not None}


def make(requests: Iterable[VideoRequest], settings: Settings, name: str, origin: Origin | None = None) -> None:
    """Make a clip, which is the clips of the requests one after the other, once for every variation.

    ``name`` is what a file is called where the settings say nothing. Prints a line for each.
    """
    asked = tuple(requests)
    paths = places(settings, name, asked[0].seed)
    started = time.monotonic()
    backend = opened(asked[0].model, settings.device or (origin.recipe.device if origin else "auto"))
    told = Telling(backend, settings.preset)
    asked = tuple(told.request(request) for request in asked)
    for number, path in enumerate(paths):
        settled = [replace(request, seed=request.seed + number).resolved(backend.info) for request in asked]
        recipe = recipe_of(settled, backend)
        write(path, partial(frames_of, settled, backend), recipe, settings)
        if origin and number == 0:
            _name_differences(origin, recipe)
        report(path, recipe, started)
        started = time.monotonic()


def places(settings: Settings, name: str, seed: int) -> list[Path]:
    """Where the clips go; checked before the work. Raises BadRequest, CannotWrite."""
    from himmel.media.output_file import check_writable

    count = settings.variations
    if seed + count - 1 > MAX_SEED:
        raise BadRequest(f"seed {seed} is too high for {count} variations; allowed: {range_of('seed')}")
    if settings.lossless and streams(settings):
        raise BadRequest("a stream is not lossless; allowed: one of --stream and --lossless")
    if settings.output == STDOUT:
        if count > 1:
            raise BadRequest("standard output takes one clip; allowed with '-o -': --variations 1")
        return [STDOUT]
    paths = clip_paths(settings.output, name, range(seed, seed + count))
    for path in paths:
        check_writable(path)
    return paths


def streams(settings: Settings) -> bool:
    """Whether the clip is written so that it plays while it grows."""
    return settings.stream or settings.output == STDOUT


def opened(model: str, device: str) -> Backend:
    """The model, loaded, with a bar meanwhile."""
    from himmel.backends.select import open_backend
    from himmel.cli.progress import progress_bar

    with progress_bar():
        return open_backend(model, device)


class Telling:
    """Prompts as a model learned to read them: brackets and a look become its words, and strange words are named."""

    def __init__(self, backend: Backend, preset: str | None) -> None:
        from himmel.looks import all_looks, look_named

        self.backend = backend
        self.look = look_named(preset, all_looks()) if preset else None
        self.told: set[str] = set()

    def request(self, request: VideoRequest) -> VideoRequest:
        """The request with all its prompts so; one that nothing is made of stays as it is."""
        self._name_unknown_words(request.negative_prompt)
        timeline = tuple(
            replace(part, prompt=self.prompt(part.prompt)) if isinstance(part, Gap) and part.prompt else part
            for part in request.timeline
        )
        kept = timeline and all(not isinstance(part, Gap) or part.prompt for part in timeline)
        prompt = request.prompt if kept else self.prompt(request.prompt)
        return with_characters(replace(request, prompt=prompt, timeline=timeline))

    def prompt(self, prompt: str) -> str:
        """One prompt so; each remark is made once."""
        from himmel.directions import directed
        from himmel.looks import with_look

        words, name = self.backend.words, self.backend.info.name
        read = directed(prompt, words, name)
        self._name_unknown_words(read.prompt)
        self._say(read.notes)
        if self.look:
            read = with_look(read.prompt, self.look, words, name)
            self._say(read.notes)
        return read.prompt

    def _name_unknown_words(self, prompt: str) -> None:
        from himmel.cast import kept_characters, without_names

        words = self.backend.words.unknown(without_names(prompt, kept_characters()))
        self._say(word.line(self.backend.info.name) for word in words)

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self.told:
                self.told.add(line)
                tell(line)


def with_characters(request: VideoRequest) -> VideoRequest:
    """The request with everybody who is kept and whom its prompts call by name, beside those it has already."""
    from himmel.cast import called, kept_characters

    names = {character.name for character in request.characters}
    others = (character for character in kept_characters() if character.name not in names)
    return replace(request, characters=(*request.characters, *called(request, others)))


def recipe_of(settled: list[VideoRequest], backend: Backend) -> Recipe:
    """What the clip carries."""
    from himmel.media.recipe import Recipe

    recipe = Recipe.of(
        settled[0], backend.info, device=backend.device, himmel_version=version("himmel"), build=backend.build
    )
    return recipe.with_shots(settled) if len(settled) > 1 else recipe


def frames_of(settled: list[VideoRequest], backend: Backend, bar: Bar) -> Generator[np.ndarray]:
    """The frames of all requests, one after the other."""
    for request in settled:
        with closing(backend.generate(request)) as events:
            for event in events:
                if isinstance(event, Progress):
                    bar.show(event)
                else:
                    yield event


def write(path: Path, frames: Callable[[Bar], Generator[np.ndarray]], recipe: Recipe, settings: Settings) -> None:
    """One clip to the complete file, or as a stream. Raises Interrupted for a stream that Ctrl-C ends."""
    from himmel.cli.progress import progress_bar
    from himmel.media.video_io import stream_video, write_video
    from himmel.spec import Size

    size, text = Size.parse(recipe.size), recipe.to_json()
    with progress_bar() as bar, closing(frames(bar)) as made:
        if not streams(settings):
            write_video(path, made, size=size, fps=recipe.fps, metadata=text, lossless=settings.lossless)
            return
        try:
            target = sys.stdout.buffer if path == STDOUT else path
            stream_video(target, made, size=size, fps=recipe.fps, metadata=text)
        except KeyboardInterrupt:
            raise Interrupted(path) from None


def report(path: Path, recipe: Recipe, started: float) -> None:
    """The one line about a finished clip; on standard error where standard output is the clip itself."""
    taken = time.monotonic() - started
    kind = "turbo " if recipe.turbo else ""
    line = f"{path}  seed {recipe.seed}  model {recipe.model} {kind}{recipe.weight_hash}  {taken:.1f} s"
    typer.echo(line, err=path == STDOUT)


def _name_differences(origin: Origin, recipe: Recipe) -> None:
    """Whatever the user did not choose and that still makes other pixels than the clip had."""
    for name in ("weight_hash", "build", "device"):
        was, now = getattr(origin.recipe, name), getattr(recipe, name)
        if was != now:
            what = name.replace("_", " ")
            tell(f"the frames may differ from '{origin.file}': its {what} was {was}, here it is {now}")
