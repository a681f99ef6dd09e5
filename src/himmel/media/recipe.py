"""The recipe that every clip carries: all that it takes to make the same frames again.

Owns: the recipe's fields, its JSON, and where in an MP4 it stands. Knows nothing of models, and no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from himmel.cast import called
from himmel.errors import BadRecipe, BadRequest, NoRecipe, UnreadableMedia
from himmel.media.mask import is_box
from himmel.media.video_io import read_metadata
from himmel.spec import Character, Clip, Gap, ModelInfo, Part, Picture, Remix, Size, VideoRequest

FORMAT = 3  # raised whenever a field is added, removed or means something else
# What the clips of earlier formats could not be; those of format 1 have the picture's checksum elsewhere.
ABSENT_IN_2: dict[str, Any] = {"characters": []}
ABSENT_IN_1: dict[str, Any] = {
    **ABSENT_IN_2, "turbo": False, "loop": False, "timeline": [], "remix": None, "shots": [], "files": {},
}  # fmt: skip
PARTS: dict[type[Part], tuple[str, ...]] = {
    Picture: ("path",),
    Clip: ("path", "start", "stop"),
    Gap: ("seconds", "prompt"),
}


@dataclass(frozen=True)
class Recipe:
    """What a clip was made of. ``build`` is the backend's; another one may round differently.

    Of a clip of several shots, one after the other, the settings are those of all, and ``shots`` has what each has of
    its own; prompt and seed are then the first one's.
    """

    prompt: str
    negative_prompt: str
    seed: int
    model: str
    weight_hash: str
    himmel_version: str
    build: str
    device: str
    seconds: float
    size: str  # of the file, WIDTHxHEIGHT in pixels
    fps: int  # of the file
    native_size: str  # what the model itself made, before scaling
    native_fps: int
    steps: int
    guidance: float
    turbo: bool
    first_frame: str | None = None  # the picture's path as it was given
    loop: bool = False
    timeline: list[dict[str, Any]] = field(default_factory=list)  # the fields of the request's parts
    remix: dict[str, Any] | None = None
    shots: list[dict[str, Any]] = field(default_factory=list)  # prompt, seed, seconds, timeline of each
    characters: list[dict[str, Any]] = field(default_factory=list)  # name and path of each
    files: dict[str, str] = field(default_factory=dict)  # of every given file the SHA-256, by its path

    @classmethod
    def of(cls, request: VideoRequest, model: ModelInfo, *, device: str, himmel_version: str, build: str) -> Recipe:
        """The recipe of a request to this model. Reads all given files, for their checksums.

        ``device`` is the one that the model really runs on, never "auto". Raises UnreadableMedia.
        """
        settled = request.resolved(model)
        assert settled.size and settled.fps and settled.steps  # resolved() leaves none of them open
        assert settled.guidance is not None and settled.turbo is not None
        return cls(
            prompt=settled.prompt,
            negative_prompt=settled.negative_prompt,
            seed=settled.seed,
            model=model.name,
            weight_hash=model.weight_hash,
            himmel_version=himmel_version,
            build=build,
            device=device,
            seconds=settled.seconds,
            size=str(settled.size),
            fps=settled.fps,
            native_size=str(model.native_size),
            native_fps=model.native_fps,
            steps=settled.steps,
            guidance=settled.guidance,
            turbo=bool(settled.turbo),
            first_frame=settled.first_frame,
            loop=settled.loop,
            timeline=[asdict(part) for part in settled.timeline],
            remix=asdict(settled.remix) if settled.remix else None,
            characters=[asdict(character) for character in settled.characters],
            files={path: file_hash(Path(path)) for path in given_files(settled)},
        )

    def with_shots(self, requests: Sequence[VideoRequest]) -> Recipe:
        """This recipe, of the first of these shots, for all of them one after the other. Raises UnreadableMedia."""
        files = {path: file_hash(Path(path)) for request in requests for path in given_files(request)}
        everybody = dict.fromkeys(character for request in requests for character in request.characters)
        shots = [
            {
                "prompt": request.prompt,
                "seed": request.seed,
                "seconds": request.seconds,
                "timeline": [asdict(part) for part in request.timeline],
            }
            for request in requests
        ]
        total = sum(request.seconds for request in requests)
        characters = [asdict(character) for character in everybody]
        return replace(
            self, seconds=total, first_frame=None, timeline=[], shots=shots, characters=characters, files=files
        )

    def request(self) -> VideoRequest:
        """The request that leads to the same clip, of one without shots. Raises BadRequest for impossible values."""
        return VideoRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            model=self.model,
            seconds=self.seconds,
            size=Size.parse(self.size),
            fps=self.fps,
            seed=self.seed,
            steps=self.steps,
            guidance=self.guidance,
            turbo=self.turbo,
            first_frame=self.first_frame,
            timeline=tuple(map(_part, self.timeline)),
            loop=self.loop,
            remix=_made(Remix, self.remix) if self.remix else None,
            characters=tuple(_made(Character, each) for each in self.characters),
        )

    def requests(self) -> tuple[VideoRequest, ...]:
        """The requests whose clips, one after the other, are this one. Raises BadRequest for impossible values."""
        if not self.shots:
            return (self.request(),)
        of_all = replace(self, shots=[], timeline=[], seconds=VideoRequest.seconds).request()
        return tuple(_shot(of_all, shot) for shot in self.shots)

    def to_json(self) -> str:
        """One line of JSON, the same for the same recipe."""
        return json.dumps({"himmel_recipe": FORMAT, **asdict(self)}, ensure_ascii=False)


def given_files(request: VideoRequest) -> Iterable[str]:
    """The paths of all files that a request names, each once."""
    paths = [part.path for part in request.timeline if not isinstance(part, Gap)]
    if request.first_frame:
        paths.append(request.first_frame)
    if request.remix:
        paths.append(request.remix.path)
        if request.remix.mask and not is_box(request.remix.mask):
            paths.append(request.remix.mask)
    paths += [character.path for character in request.characters]
    return dict.fromkeys(paths)


def _shot(of_all: VideoRequest, values: dict[str, Any]) -> VideoRequest:
    """The request of one shot: what is told of all, what it has of its own, and of the characters those it calls."""
    if set(values) != {"prompt", "seed", "seconds", "timeline"} or not isinstance(values["timeline"], list):
        raise BadRequest(f"a recipe's shot is not understood: {', '.join(values)}")
    shot = replace(of_all, **{**values, "timeline": tuple(map(_part, values["timeline"]))})
    return replace(shot, characters=called(shot, of_all.characters))


def _part(values: dict[str, Any]) -> Part:
    """The part of a timeline that has these fields."""
    for kind, names in PARTS.items():
        if set(values) == set(names):
            return _made(kind, values)
    raise BadRequest(f"a recipe's timeline has a part of unknown kind: {', '.join(values)}")


def _made(kind: Any, values: dict[str, Any]) -> Any:
    """A dataclass of what a recipe has of it; whatever the JSON says, it is of the right types, or BadRequest."""
    for each in fields(kind):
        if each.name in values and not _fits(values[each.name], str(each.type)):
            raise BadRequest(f"a recipe's {kind.__name__.lower()} has a value of the wrong kind: {each.name}")
    try:
        return kind(**values)
    except TypeError:
        raise BadRequest(f"a recipe's {kind.__name__.lower()} is not understood: {', '.join(values)}") from None


def read_recipe(path: Path) -> Recipe:
    """The recipe of a clip. Raises NoRecipe where it has none, BadRecipe, UnreadableMedia."""
    text = read_metadata(path)
    if text is None:
        raise NoRecipe(path)
    return recipe_from_json(text, path)


def recipe_from_json(text: str, path: Path) -> Recipe:
    """The inverse of :meth:`Recipe.to_json`. ``path`` is what errors name.

    Raises NoRecipe for text that is not ours, BadRecipe for another format, unknown or missing keys, wrong types.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise NoRecipe(path) from error
    if not isinstance(values, dict) or "himmel_recipe" not in values:
        raise NoRecipe(path)
    written = values.pop("himmel_recipe")
    if written == 1:
        checksum = values.pop("first_frame_sha256", None)
        values = {**ABSENT_IN_1, "files": {values.get("first_frame"): checksum} if checksum else {}, **values}
    elif written == 2:
        values = {**ABSENT_IN_2, **values}
    elif written != FORMAT:
        raise BadRecipe(path, f"its recipe has format {written!r}, this version reads format 1 to {FORMAT}")
    known = {field.name: str(field.type) for field in fields(Recipe)}
    if unknown := sorted(values.keys() - known.keys()):
        raise BadRecipe(path, f"its recipe has unknown settings: {', '.join(unknown)}")
    if missing := sorted(known.keys() - values.keys()):
        raise BadRecipe(path, f"its recipe lacks settings: {', '.join(missing)}")
    if wrong := sorted(name for name, kind in known.items() if not _fits(values[name], kind)):
        raise BadRecipe(path, f"its recipe has values of the wrong kind: {', '.join(wrong)}")
    return Recipe(**values)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex. Raises UnreadableMedia."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableMedia(path, error.strerror or str(error)) from error


def _fits(value: object, kind: str) -> bool:
    """Whether a JSON value is what a field with this annotation takes."""
    match kind:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case "str | None":
            return value is None or isinstance(value, str)
        case "dict[str, str]":
            return isinstance(value, dict) and all(isinstance(told, str) for pair in value.items() for told in pair)
        case "dict[str, Any] | None":
            return value is None or isinstance(value, dict)
        case "list[dict[str, Any]]":
            return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
        case _:
            raise ValueError(f"no JSON is known to be {kind}")
