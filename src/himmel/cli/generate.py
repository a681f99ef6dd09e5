"""``himmel generate``: a sentence in, a clip out; or a recipe in, the same clip again.

Owns: its options, what they mean together with a recipe, and pictures on the clip's way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from himmel.cli.clips import one_sentence
from himmel.cli.follow import changed, followed
from himmel.cli.making import chosen, make, request_of
from himmel.cli.options import Seconds, Settings, with_settings
from himmel.cli.values import moment
from himmel.errors import BadRequest
from himmel.spec import RANGES, Gap, Part, Picture, VideoRequest

EXAMPLE = 'generate "a cat on the beach"'
SHORTEST = RANGES["seconds"][0]

Sentence = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", help="What the clip shows, in quotes; English, German or Japanese."),
]
FromFile = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Follow this clip's recipe; other options change it.")
]
FirstFrame = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Picture (or clip, of which the first frame) to start from.")
]
LastFrame = Annotated[Path | None, typer.Option(metavar="FILE", help="Picture that the clip ends with.")]
Keyframes = Annotated[
    list[str] | None,
    typer.Option("--keyframe", metavar="T=FILE", help="Picture that the clip shows at second T; may be given again."),
]
Loop = Annotated[bool, typer.Option("--loop", help="The end goes over into the beginning.")]


@with_settings
def generate(
    settings: Settings,
    prompt: Sentence = None,
    seconds: Seconds = None,
    image: FirstFrame = None,
    last_image: LastFrame = None,
    keyframe: Keyframes = None,
    loop: Loop = False,
    from_file: FromFile = None,
) -> None:
    """Make a clip of a sentence."""
    sentence = one_sentence(prompt, EXAMPLE)
    wishes = {"prompt": sentence, "seconds": seconds, "loop": loop or None}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    pictures = Pictures(image, last_image, tuple(map(moment, keyframe or ())))
    if from_file:
        origin = followed(from_file, first_frame_given=image is not None)
        requests = changed(origin, {**chosen(settings), **wishes})
        if pictures.any:
            requests = [pictures.put_into(_only(requests, from_file))]
        make(requests, settings, requests[0].prompt, origin)
        return
    if not sentence:
        raise BadRequest(f"say what the clip should show: himmel {EXAMPLE}, or --from FILE")
    make([pictures.put_into(request_of(settings, **wishes))], settings, sentence)


@dataclass(frozen=True)
class Pictures:
    """The pictures that a clip shows on its way."""

    first: Path | None
    last: Path | None
    keyframes: tuple[tuple[float, Path], ...]

    @property
    def any(self) -> bool:
        return bool(self.first or self.last or self.keyframes)

    def put_into(self, request: VideoRequest) -> VideoRequest:
        """The request with them. Raises BadRequest for missing ones, and for those that have no place."""
        from himmel.media.material import look

        for path in (self.first, self.last, *(path for _, path in self.keyframes)):
            if path:
                look(path)
        if request.timeline and self.any:
            raise BadRequest("the recipe has a timeline of its own; allowed with it: no --image, no --keyframe")
        if self.last and request.loop:
            raise BadRequest("a loop ends where it begins; allowed: one of --loop and --last-image")
        if self.last or self.keyframes:
            return replace(request, first_frame=None, timeline=self._timeline(request.seconds))
        return replace(request, first_frame=str(self.first)) if self.first else request

    def _timeline(self, seconds: float) -> tuple[Part, ...]:
        placed = sorted(self.keyframes, key=lambda pair: pair[0])
        if self.first:
            placed.insert(0, (0.0, self.first))
        if self.last:
            placed.append((seconds, self.last))
        parts: list[Part] = []
        now = 0.0
        for number, (time, path) in enumerate(placed):
            if time > seconds:
                raise BadRequest(f"keyframe '{path}' at {time:g} s is beyond the end; allowed: 0 to {seconds:g} s")
            if time - now >= SHORTEST:
                parts.append(Gap(time - now))
            elif number or time > 0:
                raise BadRequest(
                    f"'{path}' at {time:g} s is too near to what is before it; allowed: {SHORTEST:g} s away"
                )
            parts.append(Picture(str(path)))
            now = time
        if 0 < seconds - now < SHORTEST:
            raise BadRequest(f"a keyframe at {now:g} s is too near to the end at {seconds:g} s; put it at the end")
        return (*parts, Gap(seconds - now)) if now < seconds else tuple(parts)


def _only(requests: list[VideoRequest], file: Path) -> VideoRequest:
    if len(requests) > 1:
        raise BadRequest(f"'{file}' is of several shots; allowed with its recipe: no --image, no --keyframe")
    return requests[0]
