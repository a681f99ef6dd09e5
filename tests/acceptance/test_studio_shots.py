"""Storyboards with cuts: what did not change is not made again, and is the same bit by bit."""

import io
import re
import time
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from PIL import Image

from himmel.backends.fake import FakeBackend
from himmel.studio.jobs import find


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def made(monkeypatch):
    """The prompts of all that is made, shot by shot; what is only looked at has no frames."""
    seen, generate = [], FakeBackend.generate

    def spied(self, request, state=None):
        unnoted = [[part.prompt for part in request.timeline if hasattr(part, "prompt")]]
        for part in generate(self, request, state):
            if isinstance(part, np.ndarray) and unnoted:
                seen.append(unnoted.pop())
            yield part

    monkeypatch.setattr(FakeBackend, "generate", spied)
    return seen


def pairs(browser, cards, others):
    found = [("word", (None, browser.word())), *((name, (None, value)) for name, value in others.items())]
    for kind, fields in cards:
        found.append(("cards[][kind]", (None, kind)))
        for name, value in fields.items():
            found.append((f"cards[][{name}]", ("a.png", value) if isinstance(value, bytes) else (None, value)))
    return found


def board(browser, *cards, **others):
    answer = browser.wire.post("/storyboard", files=pairs(browser, cards, {"size": "64x48", "seed": "3"} | others))
    assert answer.status_code == 303, re.search(r'role="alert">([^<]*)<', answer.text)
    number = re.search(r"video_[0-9a-f]{32}", answer.headers["location"])[0]
    browser.done(number)
    return number


def fates(browser, *cards, **others):
    headers = {"accept": "application/json"}
    sent = pairs(browser, cards, {"size": "64x48", "seed": "3"} | others)
    return browser.wire.post("/storyboard/shots", files=sent, headers=headers).json()["cards"]


def words(text, cut=False):
    return "text", {"seconds": "1", "text": text} | ({"cut": "1"} if cut else {})


def video(browser, number):
    return browser.get(f"/clips/{number}/video.mp4").content


ONE, TWO, THREE, OTHER = (
    words("a cat"),
    words("a dog", cut=True),
    words("a penguin", cut=True),
    words("a moon", cut=True),
)


def test_only_what_changed_is_made_again_and_the_rest_is_the_same_bit_by_bit(running, browser, made):
    anna, boris = browser("shots"), browser("without-any")
    first = board(anna, ONE, TWO, THREE)
    assert made == [["a cat"], ["a dog"], ["a penguin"]]
    assert fates(anna, ONE, OTHER, THREE) == ["kept", "made", "kept"]
    made.clear()
    changed = board(anna, ONE, OTHER, THREE, **{"from": first})
    assert made == [["a moon"]]
    whole = board(boris, ONE, OTHER, THREE)  # another account's shots are never taken
    assert made == [["a moon"], ["a cat"], ["a moon"], ["a penguin"]]
    assert video(anna, changed) == video(boris, whole) != video(anna, first)
    assert f'href="/clips/{first}"' in anna.get(f"/clips/{changed}").text


def test_what_a_shot_depends_on_makes_it_anew(running, browser, made):
    anna = browser("depends")
    packed = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(packed, "PNG")
    red, still = packed.getvalue(), ("image", {"seconds": "1", "text": "", "cut": "1"})
    first = board(anna, ONE, (still[0], still[1] | {"picture": red}))
    kept = re.search(r'name="cards\[\]\[kept\]" value="([^"]+)"', anna.get(f"/storyboard?from={first}").text)[1]
    same = (still[0], still[1] | {"kept": kept})
    assert fates(anna, ONE, same) == ["kept", "kept"]
    assert fates(anna, same, words("a cat", cut=True)) == ["kept", "kept"]  # where a shot stands does not count
    assert fates(anna, ONE, same, seed="4") == fates(anna, ONE, same, turbo="true") == ["made", "made"]
    assert fates(anna, ONE, same, size="32x32") == fates(anna, ONE, same, seed="") == ["made", "made"]
    assert fates(anna, words("a whale"), same) == ["made", "made"]  # the picture's shot goes on with what was said
    assert fates(anna, ONE, (still[0], still[1])) == ["kept", "made"]  # its picture is not there yet
    made.clear()
    board(anna, ONE, same)
    assert made == []
    assert fates(browser("depends-not"), ONE) == ["made"]


def test_other_weights_make_every_shot_anew_and_the_page_knows_it_before(running, browser, made, monkeypatch):
    anna, before = browser("weights"), FakeBackend.info
    board(anna, ONE, TWO)
    assert fates(anna, ONE, TWO) == ["kept", "kept"]
    monkeypatch.setattr(FakeBackend, "info", replace(before, weight_hash="1" * 16))  # a new model
    until(anna, "made", ONE)
    made.clear()
    number = board(anna, ONE, **{"from": ""})
    assert made == [["a cat"]]
    assert find_job(running, number).request["seconds"] == 1.0  # it is reckoned as what is made
    assert fates(anna, ONE, TWO) == ["kept", "made"]
    monkeypatch.setattr(FakeBackend, "info", before)
    until(anna, "kept", TWO)
    assert fates(anna, ONE, TWO) == ["kept", "kept"]


def until(browser, fate, card):
    for _ in range(200):
        if fates(browser, card) == [fate]:
            return
        time.sleep(0.05)
    raise AssertionError(fate)


def find_job(running, number):
    with running.server.database.read() as connection:
        return find(connection, number)


def test_clips_stay_and_the_page_says_what_becomes_of_every_card(running, browser, made):
    anna = browser("says")
    clip = anna.make(seconds="1")
    anna.done(clip)
    made.clear()
    kept = ("clip", {"seconds": "0.5", "clip": clip, "start": "0", "cut": "1"})
    number = board(anna, ONE, kept, TWO)
    page = anna.get(f"/storyboard?from={number}").text.partition("data-shots>")[2]
    assert re.findall(r"data-fate>([^<]*)<", page) == ["stays as it was made", "stays as it is", "stays as it was made"]
    assert page.count('name="cards[][cut]" value="1" checked') == 2
    assert unescape(re.search(r'name="seed"[^>]*value="(\d+)"', page)[1]) == "3"
    assert ["a cat"] in made and [] in made
    video(anna, number)


def test_a_shot_goes_with_the_last_storyboard_that_has_it(running, browser, made):
    anna = browser("forgets")
    number = board(anna, ONE, TWO)
    assert fates(anna, ONE, TWO) == ["kept", "kept"]
    anna.post(f"/clips/{number}/delete")
    assert fates(anna, ONE, TWO) == ["made", "made"]
    anna.post(f"/clips/{number}/restore")
    assert fates(anna, ONE, TWO) == ["kept", "kept"]


def test_a_shot_that_nothing_can_be_made_of_is_named(browser):
    anna = browser("wrong")
    cards = (ONE, ("image", {"seconds": "0", "cut": "1"}))
    assert fates(anna, *cards) == ["made", "made"]
    answer = anna.wire.post("/storyboard", files=pairs(anna, cards, {"size": "64x48"}))
    assert answer.status_code == 400 and "card 2: give it a picture" in unescape(answer.text)
