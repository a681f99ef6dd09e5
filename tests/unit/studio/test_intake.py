"""How the server asks what an upload is: whatever becomes of the child is an answer."""

import dataclasses
import io
import subprocess
import tempfile
from functools import partial

import pytest
from bombs import clip, picture
from PIL import Image

from himmel.errors import ApiError
from himmel.studio.intake import Intake
from himmel.studio.settings import Settings


@pytest.fixture
def intake():
    return Intake(Settings())


def upload(content):
    file = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115 (as the form parser gives it)
    file.write(content)
    file.seek(0)
    return file


def test_a_picture_comes_back_clean(intake):
    with intake.picture(upload(picture("JPEG")), "input_reference") as clean:
        assert Image.open(io.BytesIO(clean.read())).format == "PNG"


def test_a_clip_is_told(intake):
    found = intake.clip(upload(clip()), "video")
    assert dataclasses.astuple(found) == (64, 64, 12, 1.0)


def test_what_is_wrong_is_said_with_the_field(intake):
    for ask, status, code, content in (
        (intake.picture, 400, "invalid_image", b"hello"),
        (intake.picture, 413, "image_too_large", picture("PNG", 5001)),
        (intake.clip, 400, "invalid_video", picture("PNG")),
    ):
        with pytest.raises(ApiError) as refused:
            ask(upload(content), "field")
        assert (refused.value.status, refused.value.code, refused.value.param) == (status, code, "field")


@pytest.mark.parametrize("limits", [{"memory": 1 << 20}, {"cpu": 0}])
def test_a_child_that_dies_is_an_answer(intake, limits):
    intake.picture_limits = dataclasses.replace(intake.picture_limits, **limits)
    with pytest.raises(ApiError, match="takes too|does not end well"):
        intake.picture(upload(picture("PNG", 2000)), "field")


def test_a_child_that_hangs_is_killed(intake, monkeypatch):
    real = subprocess.run

    def hanging(command, **options):
        assert options["timeout"] > 0
        return real(["sleep", "1000"], **options | {"timeout": 0.1})

    monkeypatch.setattr(subprocess, "run", hanging)
    with pytest.raises(ApiError, match="does not end"):
        intake.picture(upload(picture("PNG")), "field")


def test_the_child_is_told_no_secrets(intake, monkeypatch):
    monkeypatch.setenv("HIMMEL_DATABASE_URL", "postgresql://user:secret@host/himmel")
    real, seen = subprocess.run, []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: seen.append(options) or real(command, **options))
    intake.picture(upload(picture("PNG")), "field").close()
    assert "secret" not in str(seen[0]["env"])


def test_a_disk_without_room_for_the_answer_is_not_the_uploads_fault(intake, monkeypatch):
    asked = ((intake.picture, upload(picture("PNG"))), (intake.clip, upload(clip())))
    for _, file in asked:
        file.rollover()  # the upload has room, the answer has none
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(open, "/dev/full", "r+b", buffering=0))
    for ask, file in asked:
        with pytest.raises(ApiError) as refused:
            ask(file, "field")
        assert (refused.value.status, refused.value.code) == (507, "storage_full")
        assert refused.value.retry_after
