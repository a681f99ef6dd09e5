"""What requests may say, and what answers look like.

Owns: validating the fields of a request, and turning a job into the Videos API's object with our ``himmel`` part.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from himmel.errors import ApiError, BadRequest
from himmel.spec import RANGES, Size
from himmel.studio.jobs import Job, Status
from himmel.studio.places import Place

LONGEST_PROMPT = 32_000
DEFAULT_SIZE = "720x1280"
Body = TypeVar("Body", bound=BaseModel)


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


class CreateVideo(Sampling):
    """The body of POST /v1/videos."""

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    model: str = Field(default="sora-2", min_length=1, max_length=120)
    seconds: str = "4"
    size: str = DEFAULT_SIZE
    n: int = Field(default=1, ge=1, le=1)

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the prompt is empty")
        return value

    @field_validator("seconds", mode="before")
    @classmethod
    def _some_seconds(cls, value: object) -> str:
        try:
            seconds = float(str(value))
        except ValueError:
            raise ValueError("seconds must be a number, for example '4'") from None
        low, high = RANGES["seconds"]
        if not low <= seconds <= high:
            raise ValueError(f"seconds must be between {low} and {high}")
        return str(value)

    @field_validator("size")
    @classmethod
    def _some_size(cls, value: str) -> str:
        try:
            return str(Size.parse(value))
        except BadRequest as error:
            raise ValueError(str(error)) from None


class VideoError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class Himmel(BaseModel):
    """What this server says beyond the Videos API."""

    queue_position: int | None = Field(description="How many jobs will be served before this one.")
    eta_seconds: tuple[float, float] | None = Field(description="Seconds until the clip is there, from … to.")
    settings: dict[str, Any] = Field(description="The settings that are used, the seed among them.")
    native_size: str | None = Field(description="The size that the model drew at, before scaling.")
    compute_seconds: float | None = Field(description="What the job cost.")
    parent_id: str | None = Field(description="The clip that this one was made from.")


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
    def of(cls, job: Job, place: Place | None) -> Video:
        """``place`` where the job is not over."""
        request = job.request
        return cls(
            id=job.id,
            model=request["asked_model"],
            status=job.status,
            progress=job.progress,
            created_at=int(job.created_at),
            completed_at=int(job.completed_at) if job.completed_at and job.status == Status.COMPLETED else None,
            expires_at=None,
            prompt=request["prompt"],
            seconds=request["asked_seconds"],
            size=request["size"],
            remixed_from_video_id=job.parent_id,
            error=VideoError(code=job.error_code, message=job.error_message or "") if job.error_code else None,
            himmel=Himmel(
                queue_position=place.ahead if place and job.status == Status.QUEUED else None,
                eta_seconds=place.seconds if place else None,
                settings={name: request[name] for name in ("model", "seed", "steps", "guidance", "fps")}
                | job.details.get("settings", {}),
                native_size=job.details.get("native_size"),
                compute_seconds=round(job.cost, 3) if job.status == Status.COMPLETED else None,
                parent_id=job.parent_id,
            ),
        )


class VideoList(BaseModel):
    """A page of jobs."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


def whole_list(found: list[dict[str, Any]]) -> dict[str, Any]:
    """A list that has no further pages, of objects that have an ``id``."""
    ends = {"first_id": found[0]["id"] if found else None, "last_id": found[-1]["id"] if found else None}
    return {"object": "list", "data": found, "has_more": False, **ends}


class Deleted(BaseModel):
    """The answer to a deletion."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def validated(kind: type[Body], fields: dict[str, Any]) -> Body:
    """A body of this kind; raises ApiError (400) that names the first field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or None
        raise ApiError(400, "invalid_value", f"{name}: {first['msg']}", param=name) from None
