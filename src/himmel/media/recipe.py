"""The recipe that every clip carries: all that it takes to make the same frames again.

Owns: the recipe's fields, its JSON, and where in an MP4 it stands. Knows nothing of models, and no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from himmel.errors import BadRecipe, NoRecipe, UnreadableMedia
from himmel.media.video_io import read_metadata
from himmel.spec import ModelInfo, Size, VideoRequest

FORMAT = 1  # raised whenever a field is added, removed or means something else


@dataclass(frozen=True)
class Recipe:
    """What a clip was made of. ``build`` is the version of torch; another one may round differently."""

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
    first_frame_sha256: str | None = None

    @classmethod
    def of(cls, request: VideoRequest, model: ModelInfo, *, device: str, himmel_version: str, build: str) -> Recipe:
        """The recipe of a request to this model. Reads the first frame's file, where there is one.

        ``device`` is the one that the model really runs on, never "auto". Raises UnreadableMedia.
        """
        settled = request.resolved(model)
        assert settled.size and settled.fps and settled.steps  # resolved() leaves none of them open
        assert settled.guidance is not None
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
            turbo=settled.turbo,
            first_frame=settled.first_frame,
            first_frame_sha256=picture_hash(Path(settled.first_frame)) if settled.first_frame else None,
        )

    def request(self) -> VideoRequest:
        """The request that leads to the same clip. Raises BadRequest where a value is impossible."""
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
        )

    def to_json(self) -> str:
        """One line of JSON, the same for the same recipe."""
        return json.dumps({"himmel_recipe": FORMAT, **asdict(self)}, ensure_ascii=False)


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
    if written != FORMAT:
        raise BadRecipe(path, f"its recipe has format {written!r}, this version reads format {FORMAT}")
    known = {field.name: str(field.type) for field in fields(Recipe)}
    if unknown := sorted(values.keys() - known.keys()):
        raise BadRecipe(path, f"its recipe has unknown settings: {', '.join(unknown)}")
    if missing := sorted(known.keys() - values.keys()):
        raise BadRecipe(path, f"its recipe lacks settings: {', '.join(missing)}")
    if wrong := sorted(name for name, kind in known.items() if not _fits(values[name], kind)):
        raise BadRecipe(path, f"its recipe has values of the wrong kind: {', '.join(wrong)}")
    return Recipe(**values)


def picture_hash(path: Path) -> str:
    """SHA-256 of a picture's file, in hex. Raises UnreadableMedia."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnreadableMedia(path, error.strerror or str(error)) from error


def build_of_torch() -> str:
    """The version of torch, without importing it: another one may round differently."""
    try:
        return f"torch {version('torch')}"
    except PackageNotFoundError:
        return "no torch"


def _fits(value: object, kind: str) -> bool:
    """Whether a JSON value is what a field with this annotation takes."""
    match kind:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case _:
            return value is None or isinstance(value, str)
