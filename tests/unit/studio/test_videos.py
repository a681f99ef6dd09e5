"""How much one request may ask for."""

import pytest

from himmel.errors import ApiError
from himmel.studio.remakes import edit_video
from himmel.studio.schemas import CreateVideo
from himmel.studio.server import Server
from himmel.studio.settings import Settings
from himmel.studio.videos import check_extent, create_video


def body(**more):
    return CreateVideo(prompt="a cat", **more)


@pytest.mark.parametrize(
    "asked",
    [
        {"seconds": "600", "size": "640x360"},
        {"seconds": "120", "size": "1920x1080"},
        {"seconds": "20", "size": "1280x720", "n": 10},
        {"seconds": "20", "size": "1792x1024", "fps": 120},
        {"seconds": "12", "size": "4096x4096"},
    ],
)
def test_what_people_want_is_allowed_unless_told(asked):
    check_extent(Settings(), body(**asked))


@pytest.mark.parametrize(
    ("asked", "param", "told"),
    [
        ({"seconds": "601", "size": "64x48"}, "seconds", "may last 600 seconds"),
        ({"seconds": "600", "size": "4096x4096"}, "size", "20000 megapixels together.* 49.7 seconds"),
        ({"seconds": "600", "size": "1280x720", "fps": 120}, "size", " 180.8 seconds"),
        ({"seconds": "60", "size": "1920x1080", "n": 10}, "size", " 40.2 seconds"),
    ],
)
def test_more_is_refused_with_what_is_allowed(asked, param, told):
    with pytest.raises(ApiError, match=told) as refused:
        check_extent(Settings(), body(**asked))
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "invalid_value", param)


def test_the_operator_says_how_much():
    with pytest.raises(ApiError, match="may last 3 seconds"):
        check_extent(Settings(job_seconds=3), body())
    with pytest.raises(ApiError, match="1 megapixels"):
        check_extent(Settings(job_megapixels=1), body(size="256x144", seconds="2"))
    check_extent(Settings(job_seconds=3600, job_megapixels=1e9), body(size="4096x4096", seconds="3600"))


def test_nothing_is_reserved_for_what_is_refused(tmp_path):
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", reserve_bytes=0))
    caller = server.keys.caller(f"Bearer {server.keys.create('anna')}")
    create_video(server, caller, {"prompt": "a cat", "seconds": "1", "size": "64x48"})
    before = server.space.needed()
    huge = {"prompt": "a cat", "seconds": "3600", "size": "4096x4096"}
    with pytest.raises(ApiError) as refused:
        create_video(server, caller, huge)
    assert (refused.value.status, server.space.needed()) == (400, before)
    with pytest.raises(ApiError):
        edit_video(server, caller, huge | {"video": {"id": "video_0"}})
    server.database.close()
