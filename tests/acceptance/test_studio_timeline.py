"""Hands on the studio: cards of a storyboard dragged and stretched by mouse and finger, files dropped on Create.

What the timeline shows is what the server gets. Playwright's own drags know no fingers and no files, so these are sent
over the protocol that browsers are driven by: the browser takes them for real ones.
"""

import re

import numpy as np
import pytest
from PIL import Image

from himmel.media.video_io import write_video
from himmel.spec import Size
from himmel.studio.jobs import find

TEXTS, SECONDS = "[data-shots] textarea", "[name='cards[][seconds]']"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def laid(page, *texts):
    """A storyboard of cards with these words, of two seconds each."""
    page.goto("/storyboard")
    for number, text in enumerate(texts):
        if number:
            page.get_by_role("button", name="Add words").click()
        page.locator(TEXTS).nth(number).fill(text)
        page.locator(SECONDS).nth(number).fill("2")
    return page


def shown(page):
    """What the cards of the timeline say, in their order."""
    return page.locator("[data-reel-cards] [data-label]").all_text_contents()


def middle(locator):
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def by_mouse(page, locator, far):
    x, y = middle(locator)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + far, y, steps=6)
    page.mouse.up()


def by_finger(page, locator, far):
    wire, (x, y) = page.context.new_cdp_session(page), middle(locator)
    for kind, points in (
        ("touchStart", [x]),
        *(("touchMove", [x + far * step / 6]) for step in range(1, 7)),
        ("touchEnd", []),
    ):
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y} for at in points]})
    wire.detach()


def made(page, studio):
    """(words, seconds) of all that the server was asked to make."""
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.wait_for_url("**/clips/*")
    with studio.server.database.read() as connection:
        parts = find(connection, re.search(r"video_[0-9a-f]{32}", page.url)[0]).request["parts"]
    return [(part["prompt"], part["seconds"]) for part in parts]


@pytest.fixture(params=["mouse", "finger"])
def hand(request, window, studio, enter):
    """A page, how its cards are moved, and what of a card one takes hold of."""
    if request.param == "mouse":
        return enter(window(studio.address)), by_mouse, ".seg-body"
    return enter(window(studio.address, **PHONE)), by_finger, ".seg-grip"


def test_cards_go_where_they_are_dragged_and_last_as_long_as_they_are_stretched(studio, hand):
    page, drag, grip = hand
    laid(page, "a cat", "a dog", "a moon")
    cards = page.locator("[data-reel-cards] .seg")
    width = cards.first.bounding_box()["width"]
    drag(page, cards.nth(2).locator(grip), -2.6 * width)
    assert shown(page) == ["a moon", "a cat", "a dog"]
    drag(page, cards.nth(0).locator(grip), 1.2 * width)
    assert shown(page) == ["a cat", "a moon", "a dog"]
    drag(page, cards.nth(0).locator(grip), 3)  # a hand that trembles
    assert shown(page) == ["a cat", "a moon", "a dog"]

    drag(page, cards.nth(1).locator(".seg-edge"), width / 2)
    lasts = [float(value) for value in page.locator(SECONDS).evaluate_all("all => all.map(one => one.value)")]
    assert lasts == [2, pytest.approx(3, abs=0.11), 2]
    drag(page, cards.nth(2).locator(".seg-edge"), -20 * width)
    assert page.locator(SECONDS).nth(2).input_value() == "0.1"  # it never goes altogether
    assert page.locator("[data-total]").inner_text().startswith(f"{lasts[0] + lasts[1] + 0.1:.1f} s")
    assert made(page, studio) == [("a cat", 2), ("a moon", lasts[1]), ("a dog", 0.1)]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (64, 48), "red").save(path)
    return path


def dropped(page, path, place, answer="dialog[data-drop][open]", also=()):
    """Files dragged into the window from outside and dropped there, when the page has answered."""
    wire, files = page.context.new_cdp_session(page), [str(one) for one in (path, *also)]
    data = {"items": [], "files": files, "dragOperationsMask": 1}

    def send(kind, x, y):
        wire.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})

    send("dragEnter", 600, 400)
    send("dragOver", 601, 401)
    page.locator(answer).first.wait_for()
    x, y = middle(page.locator(place)) if place else (600, 700)
    send("dragOver", x, y)
    send("drop", x, y)
    wire.detach()


def test_a_picture_dropped_on_create_is_the_frame_that_it_was_dropped_as(studio, page, picture):
    dropped(page, picture, "[data-use=last]")
    page.locator("[data-given=last_frame]").get_by_text("red.png").wait_for()
    dropped(page, picture, "[data-drop-close]")  # somewhere: it is asked what it shall be
    page.locator("[data-use=first]").click()
    page.locator("[data-given=input_reference]").get_by_text("red.png").wait_for()
    page.fill("#prompt", "a cat")
    page.select_option("[name=seconds]", "2")
    page.get_by_role("button", name="Make", exact=True).click()
    page.wait_for_url("**/create?from=*")
    number = re.search(r"video_[0-9a-f]{32}", page.url)[0]
    with studio.server.database.read() as connection:
        parts = find(connection, number).request["parts"]
    assert [part["kind"] for part in parts] == ["picture", "gap", "picture"]


def test_what_is_no_picture_and_no_clip_is_refused_where_it_is_dropped(page, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a cat")
    dropped(page, path, "[data-use=first]")
    page.get_by_role("alert").filter(has_text="‘words.txt’ cannot be used here").wait_for()
    assert page.locator("[data-given]:visible").count() == 0


def test_a_file_dropped_elsewhere_is_a_card_or_a_clip_and_the_page_stays(page, picture, tmp_path):
    words, film = tmp_path / "words.txt", tmp_path / "my film.mp4"
    words.write_text("a cat")
    write_video(film, [np.zeros((12, 48, 64, 3), np.uint8)], size=Size(64, 48), fps=12)
    laid(page, "a cat")
    dropped(page, words, "h1", "h1")
    page.get_by_role("alert").filter(has_text="becomes a card").wait_for()
    dropped(page, picture, "h1", "h1")
    page.locator(".seg-body.pictured").wait_for()
    assert page.get_by_role("alert").count() == 0 and len(shown(page)) == 2
    page.goto("/library")
    dropped(page, words, "h1", "h1")
    page.get_by_role("alert").filter(has_text="can be dropped here").wait_for()
    dropped(page, film, "h1", "h1")
    page.locator(".card-prompt").get_by_text("my film").wait_for()
    film.write_bytes(b"none")
    good = tmp_path / "another film.mp4"
    write_video(good, [np.full((12, 48, 64, 3), 9, np.uint8)], size=Size(64, 48), fps=12)
    dropped(page, film, "h1", "h1", [words, good])
    told = page.get_by_role("alert").filter(has_text="my film.mp4: this is not an MP4 clip")
    told.filter(has_text="words.txt: Clips (MP4) and exports").wait_for()
    told.get_by_role("link", name="See what came").click()
    page.locator(".card-prompt").get_by_text("another film").wait_for()


def test_a_full_storyboard_takes_no_more_and_says_so(page, picture):
    laid(page, *map(str, range(24)))
    add = page.get_by_role("button", name="Add words")
    assert add.is_disabled()
    dropped(page, picture, "h1", "h1")
    page.get_by_role("alert").filter(has_text="red.png: a storyboard has at most 24 cards").wait_for()
    page.reload()
    assert add.is_disabled()
