"""The library over HTTP, as a browser without scripts uses it: stars, folders, filters, many clips at once."""

import io
import json
import re
import zipfile

import pytest

NUMBER = re.compile(r"video_[0-9a-f]{32}")


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def anna(running, browser):
    """A signed-in browser, and three finished clips of its account."""
    anna = browser("anna")
    found = clips(anna)
    if not found:
        for fields in ({"prompt": "a cat"}, {"prompt": "a dog"}, {"prompt": "a fox", "size": "48x64"}):
            anna.done(anna.make(**fields))
    anna.clips = clips(anna)
    return anna


def clips(browser, query=""):
    """The numbers of the clips that the library shows."""
    return list(dict.fromkeys(re.findall(r'data-clip="(video_[0-9a-f]{32})"', browser.get(f"/library{query}").text)))


def act(browser, name, numbers, **fields):
    told = {"act": name, "clip[]": numbers, "back": "/library?q=a", **fields}
    return browser.post("/library/act", told)


def folder_id(browser):
    return re.search(r"fold_[0-9a-f]{16}", browser.get("/library").text)[0]


def test_stars_folders_and_filters(anna):
    fox, dog, cat = anna.clips
    assert act(anna, "star", [fox, cat]).headers["location"] == "/library?q=a"
    assert clips(anna, "?starred=1") == [fox, cat]
    assert anna.post("/library/act", {"unstar": cat}).status_code == 303
    assert clips(anna, "?starred=1") == [fox]
    assert act(anna, "move", [dog, cat], new_folder=" At  night ").status_code == 303
    folder = folder_id(anna)
    assert clips(anna, f"?folder={folder}") == [dog, cat]
    assert clips(anna, f"?folder={folder}&q=DOG") == [dog]
    assert clips(anna, "?size=48x64") == [fox] and clips(anna, "?task=create&size=64x48") == [dog, cat]
    assert clips(anna, "?task=remix") == []
    assert anna.post("/library/folder", {"folder": folder, "name": "<b>"}).status_code == 303
    assert "&lt;b&gt;" in anna.get(f"/library?folder={folder}").text
    assert act(anna, "move", [dog], folder="").status_code == 303
    assert clips(anna, f"?folder={folder}") == [cat]
    assert anna.post("/library/folder", {"folder": folder, "act": "delete"}).headers["location"] == "/library"
    assert clips(anna) == [fox, dog, cat] and "fold_" not in anna.get("/library").text


def test_many_are_deleted_and_brought_back(anna):
    gone = act(anna, "delete", anna.clips[:2]).headers["location"]
    assert clips(anna) == anna.clips[2:]
    page = anna.get(gone).text
    assert "2 clips were deleted" in page
    told = {"clips": re.search(r'name="clips" value="([^"]+)"', page)[1], "back": "//evil.test"}
    assert anna.post("/library/restore", told).headers["location"] == "/library"
    assert clips(anna) == anna.clips


def test_chosen_clips_come_as_one_zip(anna):
    answer = act(anna, "download", anna.clips[:2])
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        names = {f"clips/{number}.{ending}" for number in anna.clips[:2] for ending in ("mp4", "json")}
        assert set(found.namelist()) == names | {"himmel.json"}
        assert json.loads(found.read(f"clips/{anna.clips[0]}.json"))["prompt"] == "a fox"


def test_nothing_is_done_with_clips_and_folders_of_others(anna, browser):
    boris = browser("boris")
    act(anna, "move", anna.clips[:1], new_folder="mine")
    folder, number = folder_id(anna), anna.clips[0]
    anna.post("/library/act", {"unstar": number})
    for name in ("star", "delete", "download", "move"):
        assert act(boris, name, [number]).status_code == 400
    assert boris.post("/library/act", {"star": number}).status_code == 303
    assert boris.post("/library/folder", {"folder": folder, "name": "x"}).status_code == 404
    assert boris.post("/library/folder", {"folder": folder, "act": "delete"}).status_code == 404
    assert clips(boris, f"?folder={folder}") == [] and "mine" not in boris.get("/library").text
    assert clips(anna, f"?folder={folder}") == [number]
    assert number not in clips(anna, "?starred=1")
    anna.post("/library/folder", {"folder": folder, "act": "delete"})


def test_what_cannot_be_done_is_said(anna):
    assert act(anna, "delete", []).status_code == 400
    assert act(anna, "sell", anna.clips).status_code == 400
    assert act(anna, "move", anna.clips, new_folder="x" * 81).status_code == 400
    assert act(anna, "move", anna.clips, folder="fold_" + "0" * 16).status_code == 404
    assert anna.get("/library?folder=../x").status_code == 400
