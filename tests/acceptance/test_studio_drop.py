"""Pictures and clips brought to Create without scripts: first frame, last frame, something to remix."""

import io
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image

from himmel.media.video_io import write_video
from himmel.spec import Size

SMALL = {"prompt": "a cat", "seconds": "1", "size": "64x48", "turbo": "false"}


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Twelve frames of a second, from black to white, in somebody's own MP4."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    frames = np.repeat(np.linspace(0, 255, 12).astype(np.uint8), 48 * 64 * 3).reshape(12, 48, 64, 3)
    write_video(path, [frames], size=Size(64, 48), fps=12)
    return path.read_bytes()


def send(browser, path, files, **fields):
    sent = {name: (None, value) for name, value in ({"word": browser.word()} | fields).items()}
    return browser.wire.post(path, files={**sent, **files})


def number_of(answer):
    assert answer.status_code == 303, problem(answer)
    return re.search(r"video_[0-9a-f]{32}", answer.headers["location"])[0]


def problem(answer):
    found = re.search(r'role="alert">([^<]*)<', answer.text)
    return unescape(found[1]) if found else answer.text


def test_a_clip_that_is_brought_is_in_the_library_once_and_can_be_remixed_and_extended(running, browser, film):
    anna = browser("brings-a-clip")
    answer = send(anna, "/create/clip", {"material": ("my_first film.mp4", film)}, prompt="")
    number = number_of(answer)
    assert answer.headers["location"] == f"/clips/{number}#from-here"
    assert number_of(send(anna, "/create/clip", {"material": ("my_first film.mp4", film)})) == number
    assert "my first film" in anna.get("/library").text
    assert anna.get(f"/clips/{number}/video.mp4").content == film
    page = anna.done(number)
    assert "<dt>Model</dt><dd>upload" in page and 'id="from-here"' in page
    for act, fields, seconds in (("remix", {"strength": "mild"}, "1"), ("extend", {"seconds": "2"}, "3")):
        made = number_of(anna.post(f"/clips/{number}/{act}", {"prompt": "a dog"} | fields))
        assert re.search(r"<dt>Length</dt><dd[^>]*>([\d.]+) s", anna.done(made))[1] == seconds
    cut = number_of(anna.post(f"/clips/{number}/loop", {"prompt": "a dog", "seconds": "1"}))
    assert "this cut" in anna.done(cut)
    assert browser("boris").get(f"/clips/{number}").status_code == 404


def test_a_clip_as_a_frame_leads_on_by_its_end_and_up_to_its_beginning(running, browser, film):
    anna = browser("frames-of-clips")
    given = number_of(send(anna, "/create/clip", {"material": ("film.mp4", film)}))
    begun = number_of(send(anna, "/create", {"input_reference": ("film.mp4", film)}, **SMALL))
    anna.done(begun)
    with running.server.database.read() as connection:
        row = connection.exec_driver_sql(f"select request, parent_id from jobs where id = '{begun}'").one()
    assert row.parent_id == given
    kept = running.server.storage.read(re.search(r'"first_frame": "(\w+)"', row.request)[1])
    assert np.asarray(Image.open(io.BytesIO(kept))).mean() > 245  # white: its last frame
    ended = number_of(send(anna, "/create", {"last_frame": ("film.mp4", film)}, **SMALL))
    assert "this cut" in anna.done(ended)
    assert len(set(re.findall(r"/clips/(video_[0-9a-f]{32})\"", anna.get("/library").text))) == 3


@pytest.mark.parametrize(
    ("path", "files", "told"),
    [
        ("/create/clip", {}, "choose a clip first: an MP4 file"),
        ("/create/clip", {"material": ("a.mp4", b"no clip")}, "this is not an MP4 clip that can be used"),
        ("/create", {"input_reference": ("a.mp4", b"no clip")}, "this is not an MP4 clip that can be used"),
        ("/create", {"last_frame": ("a.txt", b"words")}, "this is not a JPEG, PNG or WebP picture"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_and_nothing_typed_is_lost(browser, path, files, told):
    answer = send(browser("wrong"), path, files, **SMALL | {"prompt": "mine <i>"})
    assert answer.status_code == 400 and told in problem(answer) and "\n" not in problem(answer)
    assert "mine &lt;i&gt;</textarea>" in answer.text


def test_a_script_is_told_where_to_go_on_and_why_not(running, browser, film):
    anna = browser("scripted")
    anna.wire.headers["accept"] = "text/html"
    word = anna.word()
    anna.wire.headers["accept"] = "application/json"
    sent = {"word": (None, word), "material": ("film.mp4", film)}
    assert re.fullmatch(r"/clips/video_\w+#from-here", anna.wire.post("/create/clip", files=sent).json()["go"])
    sent["material"] = ("a.mp4", b"no")
    answer = anna.wire.post("/create/clip", files=sent)
    assert answer.status_code == 400 and "not an MP4 clip" in answer.json()["error"]["message"]
    form = {"word": (None, word), **{name: (None, value) for name, value in SMALL.items()}}
    assert anna.wire.post("/create", files=form).json()["go"].startswith("/create?from=video_")
    form["seconds"] = (None, "7000")
    assert anna.wire.post("/create", files=form).json()["error"]["message"].startswith("seconds")
