"""Clips in words: where they stand, why they failed and what to do, and the shape of their pictures."""

import pytest

from himmel.studio.cards import Card, _advice, _line
from himmel.studio.jobs import Status
from himmel.studio.schemas import Himmel, Video, VideoError


def video(status, error=None, **told):
    himmel = Himmel.model_construct(**({"eta_seconds": (10.0, 40.0), "queue_position": 0} | told))
    error = VideoError(code=error, message="it broke") if error else None
    return Video.model_construct(id="video_a", status=status, progress=37, error=error, himmel=himmel, size="64x48")


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (video(Status.QUEUED), "Next in line · ready in 10 to 40 s"),
        (video(Status.QUEUED, queue_position=3, eta_seconds=(60.0, 240.0)), "3 before it · ready in 60 s to 4 min"),
        (video(Status.IN_PROGRESS), "37 % · 10 to 40 s left"),
        (video(Status.COMPLETED), "Done"),
        (video(Status.FAILED, "worker_lost"), "Failed: it broke"),
        (video(Status.FAILED, "cancelled"), "Cancelled"),
    ],
)
def test_how_a_clip_is_getting_on(shown, line):
    assert _line(shown, "en") == line


def test_why_it_failed_is_said_in_the_language_of_the_page_where_that_is_known():
    failed = video(Status.FAILED, "worker_fault")
    failed.error.message = "the worker made a mistake; it was noted"
    assert _line(failed, "de").startswith("Gescheitert: Der Rechner")
    assert Card(failed, "", "", False, 1).why == failed.error.message
    assert Card(video(Status.FAILED, "cancelled"), "", "", False, 1).why == ""


@pytest.mark.parametrize("code", ["cancelled", "worker_lost", "task_not_supported", "generation_failed"])
def test_every_failure_says_what_to_do(code):
    assert len(_advice(video(Status.FAILED, code), "en")) > 30
    assert _advice(video(Status.COMPLETED), "en") == ""


@pytest.mark.parametrize(
    ("size", "shape"),
    [("1280x720", "wide"), ("256x256", "square"), ("720x1280", "tall"), ("640x480", "classic"), ("64x4096", "tall")],
)
def test_shapes(size, shape):
    shown = video(Status.COMPLETED).model_copy(update={"size": size})
    assert Card(shown, "", "", False, 12).shape == shape


@pytest.mark.parametrize(("frames", "grid"), [(1, (1, 1)), (10, (10, 1)), (24, (10, 3)), (50, (10, 5))])
def test_the_grid_of_a_sheet(frames, grid):
    card = Card(video(Status.COMPLETED), "", "", False, frames)
    assert (card.columns, card.rows) == grid
