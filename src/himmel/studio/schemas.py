"""What requests may say, and what answers look like.

Owns: validating the fields of a request, and turning a job into the Videos API's object with our ``himmel`` part.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, field_validator
from sqlalchemy import Row

from himmel.errors import ApiError, BadRequest
from himmel.media.mask import BOX
from himmel.spec import RANGES, STRENGTH, Size
from himmel.studio.jobs import Job, Status
from himmel.studio.places import Place

LONGEST_PROMPT = 32_000
DEFAULT_SIZE = "720x1280"
MOST_CHARACTERS = 2
MOST_AT_ONCE = 10
LONGEST_BOX = 80  # characters
Body = TypeVar("Body", bound=BaseModel)


def _some_seconds(value: object) -> str:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", str(value), re.ASCII):
        raise ValueError("seconds must be a number, for example '4'")
    seconds = float(str(value))
    low, high = RANGES["seconds"]
    if not low <= seconds <= high:
        raise ValueError(f"seconds must be between {low} and {high}")
    return str(value)


_low, _high = RANGES["seconds"]
Seconds = Annotated[
    str,
    BeforeValidator(_some_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?$"},
                {"type": "number", "minimum": _low, "maximum": _high},
            ]
        }
    ),
]


class CharacterId(BaseModel):
    """Which character a clip shall show."""

    id: str = Field(max_length=80)


def _within(name: str) -> Any:
    low, high = RANGES[name]
    return Field(default=None, ge=low, le=high)


class Sampling(BaseModel):
    """Our extensions to every request that makes a clip."""

    model_config = ConfigDict(extra="ignore", str_max_length=21_000_000)

    seed: int | None = _within("seed")
    steps: int | None = _within("steps")
    guidance: float | None = _within("guidance")
    fps: int | None = _within("fps")
    negative_prompt: str = Field(default="", max_length=LONGEST_PROMPT)
    turbo: bool | None = Field(default=None, description="Whether the model's few-step student makes the clip.")
    n: int = Field(default=1, ge=1, le=MOST_AT_ONCE, description="Clips of this prompt, with seeds that follow on.")
    priority: int = Field(default=0, ge=-9, le=9, description="Before or after other clips of the same account.")


class Prompted(Sampling):
    """What all bodies that make a clip have."""

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the prompt is empty")
        return value


class CreateVideo(Prompted):
    """The body of POST /v1/videos; a first frame comes as ``input_reference``."""

    model: str = Field(default="sora-2", min_length=1, max_length=120)
    seconds: Seconds = "4"
    size: str = Field(default=DEFAULT_SIZE, description="WIDTHxHEIGHT, even numbers from 16 to 4096.")
    characters: list[CharacterId] = Field(default=[], max_length=MOST_CHARACTERS)

    @field_validator("size")
    @classmethod
    def _some_size(cls, value: str) -> str:
        try:
            return str(Size.parse(value))
        except BadRequest as error:
            raise ValueError(str(error)) from None


def _strength(default: float) -> Any:
    low, high = STRENGTH
    return Field(default=default, ge=low, le=high, description="How much may become different: little to everything.")


class RemixVideo(Prompted):
    """The body of POST /v1/videos/{video_id}/remix."""

    strength: float = _strength(0.7)


class EditVideo(Prompted):
    """The body of POST /v1/videos/edits, beside the ``video``; a file needs a ``model`` too."""

    model: str | None = Field(default=None, min_length=1, max_length=120)
    strength: float = _strength(0.6)
    mask: str | None = Field(
        default=None,
        max_length=LONGEST_BOX,
        pattern=f"^{BOX.pattern}$",
        description="What may change: a box, left,top,width,height in pixels or percent of the clip.",
    )


class ExtendVideo(Prompted):
    """The body of POST /v1/videos/extensions, beside the ``video``; ``seconds`` are added to it."""

    model: str | None = Field(default=None, min_length=1, max_length=120)
    seconds: Seconds


class NewCharacter(BaseModel):
    """The body of POST /v1/videos/characters, beside the ``video``."""

    name: str = Field(min_length=1, max_length=80)


class VideoError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class Used(BaseModel):
    """The settings of a clip; None where the model's own is meant and no worker has told it yet."""

    model: str
    seed: int
    steps: int | None
    guidance: float | None
    fps: int | None
    turbo: bool | None


class Himmel(BaseModel):
    """What this server says beyond the Videos API."""

    queue_position: int | None = Field(description="How many jobs will be served before this one.")
    eta_seconds: tuple[float, float] | None = Field(description="Seconds until the clip is there, from … to.")
    settings: Used = Field(description="The settings that are used, the seed among them.")
    seed: int
    native_size: str | None = Field(description="The size that the model drew at, before scaling.")
    task: Literal["create", "edit", "extend", "remix", "timeline"]
    strength: float | None = Field(description="How much of the clip that it was made from might become different.")
    mask: str | None = Field(description="The box of that clip that might change.")
    compute_seconds: float | None = Field(description="What the job cost.")
    parent_id: str | None = Field(description="The clip that this one was made from.")
    refusal_rule: str | None = Field(description="The rule by which the request was refused before any work.")
    siblings: list[str] = Field(description="All clips of one request with 'n', this one among them.")


class Video(BaseModel):
    """A job as clients of the Videos API know it."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Status
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    prompt: str | None
    seconds: str
    size: str
    remixed_from_video_id: str | None
    error: VideoError | None
    himmel: Himmel

    @classmethod
    def of(cls, job: Job, place: Place | None, siblings: list[str], retention_seconds: float) -> Video:
        """``place`` where the job is not over; ``siblings`` where the request asked for several;
        ``retention_seconds`` is 0 where clips are kept for ever.
        """
        request = job.request
        completed_at = job.completed_at if job.status == Status.COMPLETED else None
        return cls(
            id=job.id,
            model=request["asked_model"],
            status=job.status,
            progress=job.progress,
            created_at=int(job.created_at),
            completed_at=int(completed_at) if completed_at else None,
            expires_at=int(completed_at + retention_seconds) if completed_at and retention_seconds else None,
            prompt=request["prompt"],
            seconds=request["asked_seconds"],
            size=request["size"],
            remixed_from_video_id=job.parent_id if request.get("task") == "remix" else None,
            error=VideoError(code=job.error_code, message=job.error_message or "") if job.error_code else None,
            himmel=Himmel(
                queue_position=place.ahead if place and job.status == Status.QUEUED else None,
                eta_seconds=place.seconds if place else None,
                settings=Used(
                    **{name: request.get(name) for name in Used.model_fields} | job.details.get("settings", {})
                ),
                seed=request["seed"],
                native_size=job.details.get("native_size"),
                task=request.get("task", "create"),
                strength=request.get("strength"),
                mask=request.get("mask"),
                compute_seconds=round(job.cost, 3) if job.status == Status.COMPLETED else None,
                parent_id=job.parent_id,
                refusal_rule=job.details.get("refusal_rule"),
                siblings=siblings,
            ),
        )


class Deleted(BaseModel):
    """The answer to a deletion; ``object`` says of what."""

    id: str
    object: Literal["video.deleted", "file", "webhook_endpoint.deleted"]
    deleted: Literal[True] = True


class Character(BaseModel):
    """Somebody who shall be in clips."""

    id: str
    name: str
    created_at: int

    @classmethod
    def of(cls, row: Row[Any]) -> Character:
        return cls(id=row.id, name=row.name, created_at=int(row.created_at))


def validated(kind: type[Body], fields: dict[str, Any]) -> Body:
    """A body of this kind; raises ApiError (400) that names the first field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or None
        raise ApiError(400, "invalid_value", f"{name}: {first['msg']}", param=name) from None
