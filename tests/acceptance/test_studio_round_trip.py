"""Export, import into an empty account, export: the same zip, but for numbers that are an account's own."""

import io
import json
import re
import zipfile

import pytest
from PIL import Image
from typer.testing import CliRunner

from himmel.cli.app import app
from himmel.studio.accounts import account_of_name
from himmel.studio.archive import Archive
from himmel.studio.characters import keep_character
from himmel.studio.imports import take_in

NUMBER = re.compile(r"(?:video|char)_[0-9a-f]{24,32}")


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


def exported(browser):
    return browser.get("/account/export.zip").content


def plain(content):
    """The files of an export with numbers in the order in which they appear, without what is the account's own."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        files = {name: found.read(name) for name in found.namelist()}
    known = {}

    def short(text):
        return NUMBER.sub(lambda found: known.setdefault(found[0], f"number-{len(known)}"), text)

    told = {}
    for name, data in files.items():
        called = short(name)
        told[called] = json.loads(short(data.decode())) if name.endswith(".json") else data
    for own in ("account", "made_at"):
        del told["himmel.json"][own]
    return told


def png(colour):
    packed = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture
def full(running, browser):
    """An account with a clip of every kind."""
    anna = browser("full")
    first = anna.make(prompt="a cat <b>", negative_prompt="fog", seed="7", n="2")
    anna.done(first)
    small = {"word": anna.word(), "prompt": "a dog", "seconds": "1", "size": "64x48"}
    fields = [(name, (None, value)) for name, value in small.items()]
    ends = anna.wire.post("/create", files=[*fields, ("last_frame", ("a.png", png("red")))])
    begins = anna.wire.post("/create", files=[*fields, ("input_reference", ("a.png", png("blue")))])
    cards = [
        ("kind", "text"), ("seconds", "1"), ("text", "a cat"), ("kind", "clip"), ("cut", "1"), ("seconds", "0.5"),
        ("clip", first), ("start", "0.25"), ("kind", "image"), ("seconds", "1"), ("text", "night"),
        ("picture", png("green")),
    ]  # fmt: skip
    sent = [(f"cards[][{n}]", ("a.png", v) if isinstance(v, bytes) else (None, v)) for n, v in cards]
    boards = anna.wire.post("/storyboard", files=[("word", (None, small["word"])), *sent])
    loop = anna.post(f"/clips/{first}/loop", {"seconds": "1", "prompt": "a dog"})
    remix = anna.post(f"/clips/{first}/remix", {"prompt": "a dog", "strength": "strong"})
    for answer in (ends, begins, boards, loop, remix):
        assert answer.status_code == 303, answer.text
        anna.done(re.search(r"video_[0-9a-f]{32}", answer.headers["location"])[0])
    server = running.server
    key = server.keys.create("full")
    video = io.BytesIO(anna.get(f"/clips/{first}/video.mp4").content)
    zoe = keep_character(server.database, server.keys.caller(f"Bearer {key}"), "Zoe", server.storage.put(video)).id
    client = running.wire(type("Key", (), {"api_key": key}))
    shown = client.post(
        "/videos", json={"prompt": "Zoe waves", "seconds": "1", "size": "64x48", "characters": [{"id": zoe}]}
    )
    anna.done(shown.json()["id"])
    edit = {"prompt": "a moon", "video": {"id": first}, "mask": "10%,10%,50%,50%"}
    anna.done(client.post("/videos/edits", json=edit).json()["id"])
    anna.post("/library/act", {"act": "move", "clip[]": [first], "new_folder": "夜 & night"})
    anna.post("/library/act", {"star": first})
    return anna


def test_all_of_it_comes_back_and_goes_out_the_same(running, browser, full):
    before, carla = exported(full), browser("empty")
    account = account_of_name(running.server.database, "empty")
    heard = []
    taken = take_in(running.server, account, Archive(io.BytesIO(before)), lambda taken: heard.append(taken.done))
    assert (taken.new, taken.refused, taken.why) == (9, 0, "") and heard == list(range(10)) and taken.total == 9
    assert plain(exported(carla)) == plain(before)
    tasks = sorted(one["task"] for name, one in plain(before).items() if name.startswith("clips") and name[-1] == "n")
    assert tasks == ["create"] * 4 + ["edit", "remix"] + ["timeline"] * 3
    again = take_in(running.server, account, Archive(io.BytesIO(before)))
    assert (again.new, again.known) == (0, 9) and plain(exported(carla)) == plain(before)
    board = next(
        name.removeprefix("clips/").removesuffix(".json")
        for name in zipfile.ZipFile(io.BytesIO(exported(carla))).namelist()
        if name.endswith(".json") and b'"shots": [\n  1' in zipfile.ZipFile(io.BytesIO(exported(carla))).read(name)
    )
    page = carla.get(f"/storyboard?from={board}").text.partition("data-shots>")[2]
    assert re.findall(r'data-kind="(\w+)"', page) == ["text", "clip", "image"] and "night</textarea>" in page


def test_an_export_from_the_command_line_is_that_of_the_page(running, full, tmp_path):
    folder, target = running.server.settings.data_dir, tmp_path / "mine.zip"
    arguments = ["export", "--account", "full", "-o", str(target), "--data-dir", str(folder)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0 and re.search(r"\d+ clips of full", done.output)
    assert plain(target.read_bytes()) == plain(exported(full))
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code != 0 and "is there already" in str(refused.exception)
    assert list(tmp_path.iterdir()) == [target]


def test_an_older_export_is_read_too_and_a_picture_that_is_missing_is_said(running, browser, full):
    files = plain(exported(full))
    clip = next(data for name, data in files.items() if name.endswith(".mp4") and name.startswith("clips"))
    target = io.BytesIO()
    told = {"id": f"video_{'0' * 32}", "prompt": "old", "seconds": "1", "seed": 1, "model": "fake"}
    missing = told | {"id": f"video_{'1' * 32}", "task": "timeline", "parts": [{"kind": "picture"}]}
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("himmel.json", json.dumps({"format": 1, "folders": ["old"]}))
        for one in (told, missing):
            made.writestr(f"clips/{one['id']}.mp4", clip)
            made.writestr(f"clips/{one['id']}.json", json.dumps(one))
    browser("older")
    account = account_of_name(running.server.database, "older")
    taken = take_in(running.server, account, Archive(target))
    assert (taken.new, taken.refused) == (1, 1) and "one of its pictures is missing" in taken.why
