"""``himmel generate``: a sentence in, a clip out.

Owns: the options, what they mean together with a recipe, and the course of a generation as the user sees it.
How pixels are made is the backend's, how they are written is ``media``'s.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from himmel.cli.output import clip_paths
from himmel.cli.values import DEVICES, number, one_of, range_of, whole
from himmel.errors import BadRequest
from himmel.spec import MAX_SEED, Progress, Size, VideoRequest

if TYPE_CHECKING:
    import numpy as np

    from himmel.backends.protocol import Backend
    from himmel.cli.progress import Bar
    from himmel.media.recipe import Recipe


# What may be asked for; each option's place in the course of things is in ``generate``.
Prompt = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", help="What the clip shows, in quotes; English, German or Japanese."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="File (.mp4) or folder. Default: a name made of prompt and seed.")
]
Seconds = Annotated[
    float | None,
    typer.Option(
        parser=number("seconds"),
        metavar="N",
        help=f"Length: {range_of('seconds')}. Default: {VideoRequest.seconds:g}.",
    ),
]
PictureSize = Annotated[
    Size | None, typer.Option(parser=Size.parse, metavar="WxH", help="Picture size. Default: the model's.")
]
Fps = Annotated[
    int | None,
    typer.Option(parser=whole("fps"), metavar="N", help=f"Frames a second: {range_of('fps')}. Default: the model's."),
]
Seed = Annotated[
    int | None,
    typer.Option(parser=whole("seed"), metavar="N", help=f"{range_of('seed')}. Default: drawn, and printed."),
]
Steps = Annotated[
    int | None, typer.Option(parser=whole("steps"), metavar="N", help=f"Sampling steps: {range_of('steps')}.")
]
Guidance = Annotated[
    float | None,
    typer.Option(
        parser=number("guidance"), metavar="N", help=f"How strictly to follow the prompt: {range_of('guidance')}."
    ),
]
Negative = Annotated[str | None, typer.Option(metavar="TEXT", help="What the clip shall not show.")]
ModelName = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"See 'himmel models'. Default: {VideoRequest.model}.")
]
DeviceName = Annotated[
    str | None,
    typer.Option(parser=one_of("device", DEVICES), metavar="NAME", help=f"{', '.join(DEVICES)}. Default: auto."),
]
Variations = Annotated[
    int,
    typer.Option(parser=whole("variations", (1, 1000)), metavar="N", help="So many clips, with seeds counting up."),
]
FromFile = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Follow this clip's recipe; other options change it.")
]
FirstFrame = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Picture (or clip, of which the first frame) to start from.")
]


def generate(
    prompt: Prompt = None,
    output: Output = None,
    seconds: Seconds = None,
    size: PictureSize = None,
    fps: Fps = None,
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    negative: Negative = None,
    model: ModelName = None,
    device: DeviceName = None,
    variations: Variations = 1,
    from_file: FromFile = None,
    image: FirstFrame = None,
) -> None:
    """Make a clip of a sentence."""
    from himmel.media.output_file import check_writable
    from himmel.media.recipe import read_recipe

    recipe = read_recipe(from_file) if from_file else None
    wishes = {
        "prompt": _one_sentence(prompt),
        "negative_prompt": negative,
        "model": model,
        "seconds": seconds,
        "size": size,
        "fps": fps,
        "seed": seed,
        "steps": steps,
        "guidance": guidance,
        "first_frame": str(image) if image else None,
    }
    request = _request({name: value for name, value in wishes.items() if value is not None}, recipe)
    if request.first_frame:
        _require_picture(request.first_frame, recipe, from_file)
    if request.seed + variations - 1 > MAX_SEED:
        raise BadRequest(f"seed {request.seed} is too high for {variations} variations; allowed: {range_of('seed')}")
    paths = clip_paths(output, request.prompt, range(request.seed, request.seed + variations))
    for path in paths:
        check_writable(path)
    _make(request, paths, device or (recipe.device if recipe else "auto"), recipe, from_file)


def _one_sentence(prompt: list[str] | None) -> str | None:
    if prompt and len(prompt) > 1:
        raise BadRequest(f'put the prompt in quotes: himmel generate "{" ".join(prompt)}"')
    return prompt[0] if prompt else None


def _request(wishes: dict[str, object], recipe: Recipe | None) -> VideoRequest:
    """What is wished for; a recipe fills in what the wishes leave open."""
    if recipe:
        return replace(recipe.request(), **wishes)  # type: ignore[arg-type]
    if "prompt" not in wishes:
        raise BadRequest('say what the clip should show: himmel generate "a cat on the beach", or --from FILE')
    return VideoRequest(**{"seed": random.SystemRandom().randint(0, MAX_SEED), **wishes})  # type: ignore[arg-type]


def _require_picture(first_frame: str, recipe: Recipe | None, from_file: Path | None) -> None:
    """A recipe names its first frame and its checksum; the picture itself is the user's to keep."""
    from himmel.media.recipe import picture_hash

    if not os.path.isfile(first_frame):
        hint = f"; '{from_file}' starts from it: give it with --image" if recipe else ""
        raise BadRequest(f"there is no picture '{first_frame}'{hint}")
    if recipe and recipe.first_frame_sha256 not in (None, picture_hash(Path(first_frame))):
        _warn(f"'{first_frame}' is not the picture that '{from_file}' starts from: the clip will differ")


def _make(
    request: VideoRequest, paths: list[Path], device: str, original: Recipe | None, from_file: Path | None
) -> None:
    """Load the model, then one clip per path, with seeds counting up."""
    from himmel.backends.select import open_backend
    from himmel.cli.progress import progress_bar

    started = time.monotonic()
    with progress_bar():
        backend = open_backend(request.model, device)
    for prompt in (request.prompt, request.negative_prompt):
        _name_unknown_words(prompt, backend)
    for index, path in enumerate(paths):
        with progress_bar() as bar:
            recipe = _write(replace(request, seed=request.seed + index), path, backend, bar)
        if original and index == 0:
            _name_differences(original, recipe, from_file)
        taken = time.monotonic() - started
        typer.echo(f"{path}  seed {recipe.seed}  model {recipe.model} {recipe.weight_hash}  {taken:.1f} s")
        started = time.monotonic()


def _write(request: VideoRequest, path: Path, backend: Backend, bar: Bar) -> Recipe:
    """One clip from the request to the complete file."""
    from himmel.media.recipe import Recipe, build_of_torch
    from himmel.media.video_io import write_video

    settled = request.resolved(backend.info)
    assert settled.size and settled.fps
    recipe = Recipe.of(
        settled, backend.info, device=backend.device, himmel_version=version("himmel"), build=build_of_torch()
    )
    with closing(backend.generate(settled)) as events:
        write_video(path, _frames(events, bar), size=settled.size, fps=settled.fps, metadata=recipe.to_json())
    return recipe


def _frames(events: Iterator[Progress | np.ndarray], bar: Bar) -> Iterator[np.ndarray]:
    for event in events:
        if isinstance(event, Progress):
            bar.show(event)
        else:
            yield event


def _name_unknown_words(prompt: str, backend: Backend) -> None:
    for word in backend.words.unknown(prompt):
        _warn(word.line(backend.info.name))


def _name_differences(original: Recipe, recipe: Recipe, from_file: Path | None) -> None:
    """Whatever the user did not choose and that still makes other pixels than the clip had."""
    for name in ("weight_hash", "build", "device"):
        was, now = getattr(original, name), getattr(recipe, name)
        if was != now:
            _warn(f"the frames may differ from '{from_file}': its {name.replace('_', ' ')} was {was}, here it is {now}")


def _warn(text: str) -> None:
    typer.echo(text, err=True)
