"""``himmel storyboard``: a file of cards in, one clip of all its shots out.

Owns: its options, what a shot is as a request, and the cache of finished shots. What a file may say is
``himmel.storyboard_file``'s.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from himmel.cli.clips import given_clip, tell
from himmel.cli.making import Telling, chosen, frames_of, opened, places, recipe_of, report, with_characters, write
from himmel.cli.options import Settings, with_settings
from himmel.errors import BadRequest, BadStoryboard, TaskNotSupported
from himmel.spec import Clip, Gap, Part, Picture, VideoRequest
from himmel.storyboard import Shot, ShotSettings, Storyboard, shot_key, shots

if TYPE_CHECKING:
    import numpy as np

    from himmel.backends.protocol import Backend
    from himmel.cli.progress import Bar

KEPT_DAYS = 30  # since a shot was last used


@dataclass(frozen=True)
class Ready:
    """A shot as a resolved request, and where its finished clip is kept."""

    shot: Shot
    request: VideoRequest
    kept: Path


@with_settings
def storyboard(
    settings: Settings,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Cards on a timeline (.yaml).")],
) -> None:
    """Make a clip of several shots. Shots that did not change since last time are not made again."""
    from himmel.storyboard_file import read_storyboard

    board = _overridden(read_storyboard(file, lambda path: given_clip(path).seconds), settings)
    paths = places(settings, file.stem, board.settings.seed)
    started = time.monotonic()
    backend = opened(board.settings.model, settings.device or "auto")
    told = Telling(backend, settings.preset)
    asked = [_told(shot, told, board.path) for shot in shots(board)]
    _forget_old()
    for number, path in enumerate(paths):
        ready = [_ready(shot, board.path, backend, number) for shot in asked]
        recipe = recipe_of([each.request for each in ready], backend)
        write(path, partial(_frames, ready, board.path, backend), recipe, settings)
        report(path, recipe, started)
        started = time.monotonic()


def _overridden(board: Storyboard, settings: Settings) -> Storyboard:
    """The storyboard with what the command line says instead; a seed of a card's own stays."""
    return replace(board, settings=replace(board.settings, **chosen(settings)))


def _told(shot: Shot, told: Telling, path: Path) -> Shot:
    stretches = tuple(replace(stretch, prompt=told.prompt(stretch.prompt)) for stretch in shot.stretches)
    return replace(shot, stretches=stretches)


def _ready(shot: Shot, path: Path, backend: Backend, variation: int) -> Ready:
    """What can be refused of a shot is refused here, before any is made. Raises BadStoryboard with its line."""
    with _line_of(shot, path):
        request = with_characters(request_of_shot(shot)).resolved(backend.info)
        request = replace(request, seed=request.seed + variation)
        settings = {name: getattr(request, name) for name in ("size", "fps", "seed", "steps", "guidance", "turbo")}
        settled = replace(shot, settings=replace(shot.settings, **settings))
        maker = {"weights": backend.info.weight_hash, "build": backend.build, "device": backend.device}
        kept = shots_folder() / f"{shot_key(settled, maker, request.characters)}.mp4"
        if not kept.is_file():
            with closing(backend.generate(request)) as events:
                next(events)  # a backend refuses before its first word
    return Ready(shot, request, kept)


def request_of_shot(shot: Shot) -> VideoRequest:
    """A shot as a request: given pictures and clips in their places, what is told in the gaps between them.

    A picture that has a length is a clip in which nothing moves. Raises BadRequest.
    """
    parts: list[Part] = []
    now = 0.0
    for known in shot.known:
        parts += _gaps(shot, now, known.start)
        if known.end > known.start:
            parts.append(Clip(str(known.file), known.source_start, known.source_start + known.end - known.start))
        else:
            parts.append(Picture(str(known.file)))
        now = known.end
    parts += _gaps(shot, now, shot.seconds)
    of_all: ShotSettings = shot.settings
    return VideoRequest(
        prompt=shot.stretches[0].prompt,
        negative_prompt=of_all.negative_prompt,
        model=of_all.model,
        seconds=sum(part.seconds for part in parts),
        size=of_all.size,
        fps=of_all.fps,
        seed=of_all.seed,
        steps=of_all.steps,
        guidance=of_all.guidance,
        turbo=of_all.turbo,
        timeline=tuple(parts),
    )


def _gaps(shot: Shot, start: float, end: float) -> list[Part]:
    """What is to be made from ``start`` to ``end`` of a shot: a gap for everything that is told meanwhile."""
    told = [stretch for stretch in shot.stretches if stretch.start < end and stretch.end > start]
    times = [start, *(stretch.start for stretch in told[1:]), end]
    return [
        Gap(round(until - since, 6), stretch.prompt)
        for stretch, (since, until) in zip(told, pairwise(times), strict=False)
    ]


def _frames(ready: list[Ready], path: Path, backend: Backend, bar: Bar) -> Generator[np.ndarray]:
    """The frames of all shots as they are made; each is in the cache when it is complete, or was there before."""
    from himmel.media.video_io import iterate_frames, kept_video

    for each in ready:
        place = f"shot {each.shot.number} of {len(ready)} (line {each.shot.line})"
        if each.kept.is_file():
            tell(f"{place}: kept from last time")
            os.utime(each.kept)
            for frame in iterate_frames(each.kept):
                yield frame[None]
        else:
            tell(f"{place}: made")
            request = each.request
            assert request.size and request.fps
            each.kept.parent.mkdir(parents=True, exist_ok=True)
            with _line_of(each.shot, path), closing(frames_of([request], backend, bar)) as made:
                yield from kept_video(each.kept, made, size=request.size, fps=request.fps)


def shots_folder() -> Path:
    """Where finished shots are kept."""
    from himmel.world.archives import cache_folder

    return cache_folder() / "shots"


def _forget_old() -> None:
    """Delete the shots that nobody used for long."""
    oldest = time.time() - KEPT_DAYS * 86400
    for kept in shots_folder().glob("*.mp4"):
        if kept.stat().st_mtime < oldest:
            kept.unlink(missing_ok=True)


@contextmanager
def _line_of(shot: Shot, path: Path) -> Iterator[None]:
    """Refusals of a shot name its line."""
    try:
        yield
    except BadStoryboard:
        raise
    except (BadRequest, TaskNotSupported) as error:
        raise BadStoryboard(path, shot.line, str(error)) from None
