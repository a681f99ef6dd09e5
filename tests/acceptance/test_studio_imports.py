"""Imports as jobs: how far one is can be seen, a restart only interrupts it, and one at a time is enough."""

import io
import json
import re
import threading
import time
import zipfile

import pytest

from himmel.studio import bringing
from himmel.studio.accounts import account_of_name
from himmel.studio.imports import Taken


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def export(running, browser):
    anna = browser("anna")
    anna.done(anna.make(seconds="1"))
    return anna.get("/account/export.zip").content


def send(browser, content, name="mine.zip", **headers):
    sent = {"data": {"word": browser.word()}, "files": {"file": (name, content)}}
    return browser.wire.post("/account/import", **sent, headers=headers)


def until(look, told):
    for _ in range(400):
        if told in (text := look()):
            return text
        time.sleep(0.05)
    raise AssertionError(text)


def test_an_import_shows_how_far_it_is_and_the_next_one_waits(running, browser, export, monkeypatch):
    go_on, heard = threading.Event(), []

    def slow(server, account_id, archive, told):
        told(Taken(total=4))
        told(Taken(total=4, new=1, known=1))
        time.sleep(bringing.NOTED_SECONDS)
        told(Taken(total=4, new=1, known=1))
        heard.append(account_id)
        assert go_on.wait(20)
        return Taken(total=4, new=2, known=2)

    monkeypatch.setattr(bringing, "take_in", slow)
    boris, carla = browser("boris"), browser("carla")
    assert send(boris, export, "his <b>.zip").headers["location"] == "/account#import"
    page = until(lambda: boris.get("/account").text, "2 of 4 clips")
    assert 'data-import="open"' in page and '<progress max="4" value="2"' in page and "his &lt;b&gt;.zip" in page
    assert "2 of 4 clips" in boris.get("/account/import").text
    again = send(boris, export)
    assert again.status_code == 400 and "an import of yours is under way" in again.text
    assert send(carla, export).status_code == 303  # and waits
    assert "mine.zip is looked at" in carla.get("/account/import").text
    assert "boris" not in carla.get("/account/import").text and len(heard) == 1
    go_on.set()
    until(lambda: boris.get("/account/import").text, "2 clips came, 2 were there")
    until(lambda: carla.get("/account/import").text, "2 clips came")
    assert list((running.server.settings.data_dir / "imports").iterdir()) == []


def test_what_the_end_of_the_server_cut_off_goes_on_after_its_start(running, browser, export, monkeypatch):
    dora, server = browser("dora"), running.server
    monkeypatch.setattr(bringing, "take_up", lambda server: None)  # it ends right after the zip came
    assert send(dora, export).status_code == 303
    assert "mine.zip is looked at" in dora.get("/account").text
    monkeypatch.undo()
    bringing.take_up(server).join(60)
    assert " clips came, 0 were there" in dora.get("/account").text
    assert bringing.take_up(server) is None


def test_an_import_that_is_told_to_stop_is_not_over(running, browser, export, monkeypatch):
    server, eva = running.server, browser("eva")
    monkeypatch.setattr(bringing, "take_up", lambda server: None)
    send(eva, export)
    monkeypatch.undo()
    row = bringing.latest(server.database, account_of_name(server.database, "eva"), server.queue.now())
    server.ending.set()
    try:
        with pytest.raises(bringing._Stopped):
            bringing._bring(server, row)
    finally:
        server.ending.clear()
    assert 'data-import="open"' in eva.get("/account").text
    bringing.take_up(server).join(60)
    assert " clips came, 0 were there" in eva.get("/account").text


def test_a_zip_that_is_gone_and_one_that_is_none_are_said(running, browser, export, monkeypatch):
    server, fred = running.server, browser("fred")
    answer = send(fred, b"no zip", accept="application/json")
    assert answer.status_code == 400 and "no zip" in answer.json()["error"]["message"]
    monkeypatch.setattr(bringing, "take_up", lambda server: None)
    send(fred, export)
    monkeypatch.undo()
    for path in (server.settings.data_dir / "imports").iterdir():
        path.unlink()
    assert bringing.take_up(server) is None
    assert "mine.zip: its file is gone; bring it again" in fred.get("/account").text
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as made:
        made.writestr("himmel.json", json.dumps({"format": 99}))
    send(fred, empty.getvalue())
    page = until(lambda: fred.get("/account").text, "format 99")
    assert re.search(r'role="alert">mine.zip: this export has format 99; this version reads 1 and 2<', page)
