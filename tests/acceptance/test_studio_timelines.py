"""Clips put together in the studio, over HTTP and without scripts: cuts, loops, blends, frames, storyboards."""

import io
import re
import time
import zipfile
from html import unescape

import httpx2
import pytest
from PIL import Image

from himmel.studio import web_clip, web_storyboard
from himmel.studio.jobs import find
from himmel.studio.storage import GRACE

SMALL = {"prompt": "a cat", "seconds": "1", "size": "64x48", "turbo": "false"}


class Browser:
    """A browser without scripts that is signed in."""

    def __init__(self, running, name):
        headers = {"accept": "text/html", "sec-fetch-site": "same-origin"}
        self.wire = httpx2.Client(base_url=running.address, headers=headers, timeout=60)
        assert self.wire.post("/sign-in", data={"key": running.server.keys.create(name)}).status_code == 303
        self.word = unescape(re.search(r'name="word" value="([^"]+)"', self.get("/account").text)[1])

    def get(self, path):
        return self.wire.get(path)

    def post(self, path, *pairs, **files):
        """A form with fields in this order, among them those of several cards."""
        sent = [("word", (None, self.word)), *((name, (None, value)) for name, value in pairs), *files.items()]
        return self.wire.post(path, files=sent)

    def board(self, *cards, **others):
        """A storyboard of (kind, fields) cards; a field that is bytes is a picture."""
        pairs = [("word", (None, self.word)), *((name, (None, value)) for name, value in others.items())]
        for kind, fields in cards:
            pairs.append(("cards[][kind]", (None, kind)))
            for name, value in fields.items():
                file = ("a.png", value) if isinstance(value, bytes) else (None, value)
                pairs.append((f"cards[][{name}]", file))
        return self.wire.post("/storyboard", files=pairs)


def number_of(answer):
    assert answer.status_code == 303, problem(answer)
    return re.search(r"video_[0-9a-f]{32}", answer.headers["location"])[0]


def problem(answer):
    """What is said beside the form, or on the page."""
    return unescape(re.search(r'role="alert">([^<]*)<|<p[^>]*>([^<]+)</p>', answer.text)[0])


def done(browser, number):
    """The page of a clip, when it is finished."""
    for _ in range(600):
        if "<himmel-player" in (page := browser.get(f"/clips/{number}").text):
            return page
        assert "Failed" not in page, page
        time.sleep(0.05)
    raise AssertionError(page)


def length(page):
    return re.search(r"<dt>Length</dt><dd[^>]*>([\d.]+) s", page)[1]


def kept_of(answer):
    return re.search(r'name="cards\[\]\[kept\]" value="([^"]+)"', answer.text)[1]


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def anna(idle):
    return Browser(idle, "anna")


@pytest.fixture
def boris(idle):
    return Browser(idle, "boris")


@pytest.fixture
def clip(running, anna):
    """A finished clip of one second, twelve frames."""
    number = number_of(anna.post("/create", *SMALL.items(), ("seed", "7")))
    done(anna, number)
    return number


@pytest.fixture(scope="module")
def png():
    packed = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(packed, "PNG")
    return packed.getvalue()


def test_a_clip_is_cut_closed_to_a_loop_and_blended(anna, clip):
    asked = (
        ("recut", {"start": "0.25", "stop": "0.75", "after": "2", "prompt": "a dog"}, "2.5"),
        ("recut", {"start": "0,5", "stop": "1", "before": "0", "prompt": ""}, "0.5"),
        ("loop", {"seconds": "2", "prompt": "a dog"}, "3"),
        ("blend", {"seconds": "0.5", "other": clip, "prompt": "a dog"}, "1.5"),
    )
    for act, fields, seconds in asked:
        number = number_of(anna.post(f"/clips/{clip}/{act}", *fields.items()))
        page = done(anna, number)
        assert length(page) == seconds, act
        assert f"/clips/{clip}" in page and f"/storyboard?from={number}" in page
        video = anna.get(f"/clips/{number}/recipe.json").json()
        assert (video["himmel"]["task"], video["himmel"]["parent_id"]) == ("timeline", clip)
    assert "this cut" in page and "Lineage" in page


@pytest.mark.parametrize(
    ("act", "fields", "told"),
    [
        ("recut", {"start": "0.9", "stop": "0.2"}, "from 0.9 to 0.2 s there is nothing to keep; allowed: 0 to 1 s"),
        ("recut", {"start": "soon"}, "start: 'soon' is no such number of seconds; allowed: 0 to 3600"),
        ("recut", {"start": "0", "stop": "1"}, "nothing would change"),
        ("loop", {"seconds": "0"}, "seconds 0.0 is out of range; allowed: 0.1 to 3600"),
        ("loop", {"seconds": "700"}, "a clip may last 600 seconds"),
        ("blend", {"seconds": "1", "other": "video_0"}, "there is no video 'video_0'"),
        ("blend", {"seconds": "2", "other": ""}, "choose a clip"),
        ("blend", {"seconds": "2", "other": "", "address": "my best one"}, "choose a clip"),
    ],
)
def test_what_cannot_be_cut_is_said_in_one_line(anna, clip, act, fields, told):
    answer = anna.post(f"/clips/{clip}/{act}", *fields.items())
    assert answer.status_code in (400, 404) and told in unescape(answer.text)


def test_a_clip_can_be_had_in_other_forms(anna, boris, clip):
    for name, kind in (("clip.gif", "GIF"), ("clip.webp", "WEBP")):
        answer = anna.get(f"/clips/{clip}/{name}")
        with Image.open(io.BytesIO(answer.content)) as made:
            assert (made.format, made.n_frames) == (kind, 12)
        assert f'filename="{clip}.' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(anna.get(f"/clips/{clip}/frames.zip").content)) as packed:
        assert len(packed.namelist()) == 12
        fifth = packed.read("00005.png")
    assert anna.get(f"/clips/{clip}/frame-5.png").content == fifth
    assert anna.get(f"/clips/{clip}/frame-13.png").status_code == 400
    assert anna.get(f"/clips/{clip}/frame-x.png").status_code == 404
    for name in ("clip.gif", "clip.webp", "frames.zip", "frame-5.png"):
        assert boris.get(f"/clips/{clip}/{name}").status_code == 404


def test_a_new_clip_begins_and_ends_with_frames_of_others(idle, anna, boris, clip):
    page = anna.get(f"/create?from={clip}&frame=5&use=last").text
    assert f'name="last" value="{clip}:5" checked' in page
    begun = number_of(anna.post("/create", *SMALL.items(), ("first", f"{clip}:5")))
    ended = number_of(anna.post("/create", *SMALL.items(), ("first", f"{clip}:1"), ("last", f"{clip}:12")))
    for number, task in ((begun, "create"), (ended, "timeline")):
        assert length(done(anna, number)) == "1"
        told = anna.get(f"/clips/{number}/recipe.json").json()["himmel"]
        assert (told["task"], told["parent_id"]) == (task, clip)
    assert "there is no video" in boris.post("/create", *SMALL.items(), ("last", f"{clip}:5")).text
    assert "no frame 99" in anna.post("/create", *SMALL.items(), ("last", f"{clip}:99")).text


def test_a_storyboard_becomes_one_clip_and_its_cards_again(anna, clip, png):
    answer = anna.board(
        ("text", {"seconds": "1", "text": "a cat on the beach"}),
        ("clip", {"seconds": "0.5", "clip": clip, "start": "0.25"}),
        ("text", {"seconds": "1", "text": ""}),
        ("image", {"seconds": "1", "text": "night <b>falls</b>", "kept": "", "picture": png}),
        size="64x48",
        seed="3",
    )
    number = number_of(answer)
    page = done(anna, number)
    assert length(page) == "3.5" and "a cat on the beach → night &lt;b&gt;falls&lt;/b&gt;" in page
    board = anna.get(f"/storyboard?from={number}").text
    assert re.findall(r'data-kind="(\w+)"', board.partition("data-shots")[2]) == ["text", "clip", "text", "image"]
    assert "night &lt;b&gt;falls&lt;/b&gt;</textarea>" in board and f'value="{clip}"' in board
    picture = re.search(r'src="(/storyboard/pictures/[^"]+)"', board)[1]
    assert Image.open(io.BytesIO(anna.get(picture).content)).getpixel((5, 5)) == (255, 0, 0)


def test_buttons_change_the_cards_without_scripts_and_keep_pictures(anna, boris, png):
    cards = [("text", {"seconds": "2", "text": "first"}), ("image", {"seconds": "0", "text": "second", "picture": png})]
    moved = anna.board(*cards, act="earlier-2")
    assert re.findall(r"(first|second)</textarea>", moved.text) == ["second", "first"]
    kept = kept_of(moved)
    again = [("image", {"seconds": "1", "text": "second", "kept": kept}), cards[0]]
    assert "first</textarea>" not in anna.board(*again, act="remove-2").text
    assert anna.board(*again, act="add-clip").text.partition("data-shots")[2].count("data-shot ") == 3
    assert number_of(anna.board(*again, size="64x48"))
    assert boris.get(f"/storyboard/pictures/{kept}").status_code == 404
    assert "card 1: there is no such picture" in boris.board(*again, size="64x48").text


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (("text", {"seconds": "x", "text": "b"}), "card 2: seconds: 'x' is no such number of seconds; allowed: 0.1 to"),
        (("film", {"seconds": "1"}), "card 2: its kind is unknown; allowed: text, image, clip"),
        (("image", {"seconds": "1"}), "card 2: give it a picture: a JPEG, PNG or WebP file"),
        (("image", {"seconds": "1", "picture": b"no"}), "card 2: this is not a JPEG, PNG or WebP picture"),
        (("image", {"seconds": "1", "kept": "ab.cd"}), "card 2: there is no such picture any more"),
        (("clip", {"seconds": "1"}), "card 2: choose a clip"),
        (("clip", {"seconds": "1", "clip": "video_0"}), "card 2: there is no video 'video_0'"),
        (("text", {"seconds": "700", "text": "b"}), "a clip may last 600 seconds"),
    ],
)
def test_a_bad_card_is_named_and_nothing_typed_is_lost(anna, card, told):
    answer = anna.board(("text", {"seconds": "1", "text": "mine <i>"}), card, size="64x48")
    assert answer.status_code in (400, 404)
    said = unescape(re.search(r'role="alert">([^<]*)<', answer.text)[1])
    assert told in said and "\n" not in said
    if card[0] != "film":
        assert "mine &lt;i&gt;</textarea>" in answer.text


def fields_of(page):
    """The fields of a storyboard's form beside its cards, as a browser would send them."""
    form = page.partition('action="/storyboard"')[2].partition('data-draft="none"')[0]
    found = dict(re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"(?: checked)?>', form))
    return {name: unescape(value) for name, value in found.items() if value and name not in ("word", "turbo")}


def test_a_storyboard_that_is_changed_keeps_what_it_was_asked_for_with(running, anna, clip):
    looped = number_of(anna.post(f"/clips/{clip}/loop", ("seconds", "1")))
    asked = ("negative_prompt", "fog & rain"), ("steps", "3"), ("guidance", "2.5"), ("fps", "6")
    ended = number_of(anna.post("/create", *SMALL.items(), *asked, ("last", f"{clip}:12")))
    for number in (looped, ended):
        done(anna, number)
    cards = [("clip", {"seconds": "1", "clip": clip}), ("text", {"seconds": "1", "text": "a dog"})]
    said = fields_of(anna.get(f"/storyboard?from={looped}").text)
    assert said["loop"] == "1"
    again = number_of(anna.board(*cards, **said, size="64x48"))
    done(anna, again)
    assert anna.get(f"/clips/{again}/recipe.json").json()["loop"] is True
    assert "begins with one" in anna.board(*reversed(cards), **said, size="64x48").text
    cut = [cards[0], (cards[1][0], cards[1][1] | {"cut": "1"})]
    assert "a loop is made in one piece" in anna.board(*cut, **said, size="64x48").text
    said = fields_of(anna.get(f"/storyboard?from={ended}").text)
    assert dict(asked).items() <= said.items() and "loop" not in said
    with running.server.database.read() as connection:
        request = find(connection, number_of(anna.board(cards[1], **said, size="64x48"))).request
    assert request["negative_prompt"] == "fog & rain"
    assert (request["steps"], request["guidance"], request["fps"]) == (3, 2.5, 6)


def test_a_kept_picture_outlasts_a_confirmation_and_one_that_was_swept_is_asked_for_again(idle, anna):
    packed = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(packed, "PNG")
    cards = [("image", {"seconds": "1", "text": "a cat", "picture": packed.getvalue()})]
    kept = kept_of(anna.board(*cards, act="add-text"))
    sessions = idle.server.sessions
    renewed = sessions.renew(sessions.visitor(anna.wire.cookies["himmel"]), "key")
    anna.wire.cookies.clear()
    anna.wire.cookies.set("himmel", renewed)
    anna.word = unescape(re.search(r'name="word" value="([^"]+)"', anna.get("/account").text)[1])
    cards = [("image", {"seconds": "1", "text": "a cat", "kept": kept})]
    later = time.time() + 2 * GRACE
    idle.server.queue.cancel(number_of(anna.board(*cards, size="64x48")), None)
    digest = kept.partition(".")[0]
    assert not idle.server.storage.remove_unused(digest, time.time() + GRACE / 2), "it is young again"
    assert idle.server.storage.remove_unused(digest, later)
    answer = anna.board(*cards, size="64x48")
    assert answer.status_code == 404 and "card 1: there is no such picture any more" in answer.text


def test_what_a_clip_can_become_says_what_it_costs_and_blends_into_an_older_one(anna, clip, monkeypatch):
    monkeypatch.setattr(web_clip, "MOST_BLENDABLE", 500)
    newer = number_of(anna.post("/create", *SMALL.items()))
    assert 'name="address"' not in done(anna, newer)
    done(anna, number_of(anna.post("/create", *SMALL.items())))
    monkeypatch.setattr(web_clip, "MOST_BLENDABLE", 1)
    page = anna.get(f"/clips/{newer}").text
    form = page.partition(f"/clips/{newer}/blend")[2]
    assert 'name="address"' in form and clip not in form.partition("</form>")[0]
    for act in ("remix", "extend", "loop", "recut", "blend"):
        assert "Costs about " in page.partition(f"/clips/{newer}/{act}")[2].partition("</form>")[0], act
    fields = {"seconds": "0.5", "address": f"http://sky.test/clips/{clip}?x=1"}
    number = number_of(anna.post(f"/clips/{newer}/blend", *fields.items()))
    assert f"/clips/{clip}" in done(anna, number)


def test_an_older_clip_of_a_card_is_there_to_choose(anna, clip, monkeypatch):
    done(anna, number_of(anna.post("/create", *SMALL.items(), ("prompt", "a newer one"))))
    monkeypatch.setattr(web_storyboard, "MOST_CLIPS", 1)
    page = anna.get(f"/storyboard?from={clip}").text
    assert f'<option value="{clip}" data-seconds="1" selected>a cat · 1 s' in page


def test_another_accounts_clip_is_no_card(anna, boris, clip):
    answer = boris.board(("clip", {"seconds": "0.5", "clip": clip}), ("text", {"seconds": "1", "text": "a"}))
    assert answer.status_code == 404 and "card 1: there is no video" in unescape(answer.text)
    assert boris.get(f"/storyboard?from={clip}").status_code == 404
    own = number_of(boris.post("/create", *SMALL.items()))
    done(boris, own)
    answer = boris.post(f"/clips/{own}/blend", ("seconds", "0.5"), ("other", clip))
    assert answer.status_code == 404


def test_a_storyboard_comes_from_its_own_page(anna, boris):
    cards = [("text", {"seconds": "1", "text": "a cat"})]
    anna.word = boris.word
    assert anna.board(*cards, size="64x48").status_code == 403


def test_a_storyboard_that_comes_twice_makes_one_clip(anna):
    cards = [("text", {"seconds": "1", "text": "a cat"})]
    first, again, other = (anna.board(*cards, size="64x48", once=once) for once in ("a" * 16, "a" * 16, "b" * 16))
    assert number_of(first) == number_of(again) != number_of(other)
    assert "at least one card" in anna.board(size="64x48").text
    assert "at most 24 cards" in anna.board(*cards * 25, size="64x48").text
    assert "say on at least one card" in anna.board(("text", {"seconds": "1"}), size="64x48").text
