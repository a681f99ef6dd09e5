"""What belongs to an account: taken along as a zip, read back elsewhere, deleted for good; and its language."""

import io
import json
import re
import time
import zipfile

import pytest

OWN = ("id", "parent_id", "group_id", "starred_at")  # what another account has numbers and times of its own for


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


def exported(browser):
    """The files of an account's export, JSON read."""
    with zipfile.ZipFile(io.BytesIO(browser.get("/account/export.zip").content)) as found:
        files = {name: found.read(name) for name in found.namelist()}
    return {name: json.loads(data) if name.endswith(".json") else data for name, data in files.items()}


def bring(browser, content):
    """The page that says what came of it, when the import is over."""
    word = {"word": browser.word()}
    answer = browser.wire.post("/account/import", data=word, files={"file": ("export.zip", content)})
    if answer.status_code != 303:
        return answer
    assert answer.headers["location"] == "/account#import"
    for _ in range(600):
        answer = browser.get("/account")
        if 'data-import="open"' not in answer.text:
            return answer
        time.sleep(0.05)
    raise AssertionError(answer.text)


def told(files):
    return sorted((one for name, one in files.items() if name.endswith(".json") and name[0] == "c"), key=str)


def without_own(ones):
    return sorted(({name: value for name, value in one.items() if name not in OWN} for one in ones), key=str)


def zipped(**files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return target.getvalue()


def test_an_export_is_read_back_whole_into_another_account_and_only_once(running, browser):
    anna, carla = browser("takes"), browser("brings")
    first = anna.make(prompt="a cat <b>", negative_prompt="fog", seed="7")
    anna.done(first)
    remix = anna.post(f"/clips/{first}/remix", {"prompt": "a dog", "strength": "mild"}).headers["location"][-38:]
    anna.done(remix)
    anna.post("/library/act", {"act": "move", "clip[]": [first], "new_folder": "夜 & night"})
    anna.post("/library/act", {"star": remix})
    before = exported(anna)
    whole = anna.get("/account/export.zip").content
    assert "2 clips came, 0 were there" in bring(carla, whole).text
    assert "0 clips came, 2 were there" in bring(carla, whole).text
    assert "0 clips came, 2 were there" in bring(anna, whole).text
    after = exported(carla)
    assert without_own(told(before)) == without_own(told(after)) and after["himmel.json"]["folders"] == ["夜 & night"]
    assert sorted(v for n, v in before.items() if n[-1] == "4") == sorted(v for n, v in after.items() if n[-1] == "4")
    [made] = [one for one in told(after) if one["task"] == "remix"]
    [cat] = [one for one in told(after) if one["task"] == "create"]
    assert made["parent_id"] == cat["id"] != first and made["starred_at"] and cat["folder"] == "夜 & night"
    again = carla.post(f"/clips/{cat['id']}/again", {"seed": "same"}).headers["location"]
    assert re.search(r"<dt>Seed</dt><dd[^>]*>7</dd>", carla.done(again.split("/")[-1]))
    assert first not in carla.get("/library").text
    carla.post(f"/clips/{cat['id']}/delete")
    assert "1 clip came, 1 was there" in bring(carla, whole).text


def test_a_sora_export_becomes_clips_that_can_be_rendered_again(running, browser):
    anna, dora = browser("takes"), browser("from-sora")
    number = anna.make(prompt="source")
    anna.done(number)
    video = anna.get(f"/clips/{number}/video.mp4").content
    listed = {
        "tasks": [{"prompt": "a whale over Paris", "generations": [{"id": "gen_01kabcdef", "url": "https://x/y"}]}]
    }
    found = zipped(**{"videos/20251003_gen_01kabcdef.mp4": video, "generations.json": json.dumps(listed)})
    assert "1 clip came" in bring(dora, found).text
    page = dora.get("/library?q=whale").text
    clip = re.search(r"video_[0-9a-f]{32}", page)[0]
    assert all(dora.get(f"/clips/{clip}/{name}").status_code == 200 for name in ("sheet.jpg", "thumbnail.webp"))
    assert "a whale over Paris" in dora.done(dora.post(f"/clips/{clip}/again").headers["location"].split("/")[-1])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no zip at all", "no zip"),
        (zipped(**{"../../evil.mp4": b"x"}), "leads out of it"),
        (zipped(**{"a.mp4": b"<html>"}), "not an MP4 clip"),
        (zipped(**{"a.txt": b"words"}), "no MP4 clip in it"),
        (zipped(**{"himmel.json": b'{"format": 99}', "clips/a.mp4": b"x"}), "format 99"),
    ],
)
def test_what_is_no_export_is_refused_in_one_line(browser, content, why):
    answer = bring(browser("refused"), content)
    problem = re.search(r'role="alert">([^<]*)<', answer.text)[1]
    assert why in problem and "\n" not in problem


def test_an_account_goes_with_everything_when_its_name_is_typed(running, browser):
    browser("the-owner")  # the first account may not go
    eva = browser("eva")
    number = eva.make()
    eva.done(number)
    eva.post("/library/act", {"act": "move", "clip[]": [number], "new_folder": "x"})
    eva.post("/account/keys", {"name": "script", "open_jobs": "3"})
    assert "of 3 jobs open" in eva.get("/account").text
    eva.make()
    wrong = eva.post("/account/delete", {"name": "Eva"})
    assert wrong.status_code == 400 and eva.get(f"/clips/{number}").status_code == 200
    gone = eva.post("/account/delete", {"name": "eva"}).headers
    assert (gone["location"], gone["clear-site-data"]) == ("/sign-in", '"storage"')
    assert eva.get("/account").headers["location"].startswith("/sign-in")
    with running.server.database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from accounts where name = 'eva'").scalar() == 0
        assert connection.exec_driver_sql(f"select count(*) from jobs where id = '{number}'").scalar() == 0
        assert connection.exec_driver_sql("pragma foreign_key_check").all() == []
    assert number not in browser("eva").get("/library").text  # the name is free, and empty


def test_the_last_owner_stays(browser):
    anna = browser("anna")
    answer = anna.post("/account/delete", {"name": "anna"})
    assert answer.status_code == 400 and "last owner" in answer.text


def test_a_language_is_chosen_and_kept(browser):
    anna = browser("speaks")
    assert '<html lang="en"' in anna.get("/create").text
    anna.post("/account/language", {"language": "de"})
    assert '<html lang="de"' in anna.get("/create").text and "Bibliothek" in anna.get("/library").text
    anna.post("/account/language", {"language": "xx"})
    assert '<html lang="en"' in anna.get("/create", headers={"accept-language": "en"}).text
