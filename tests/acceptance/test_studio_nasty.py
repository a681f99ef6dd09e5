"""Names that are scripts, wherever somebody reads them: of accounts, invitations, passkeys, workers, in imports."""

import io
import re
import time
import zipfile

import pytest

from himmel.errors import BadRequest
from himmel.studio.accounts import account_of_name
from himmel.studio.invitations import invite
from himmel.studio.tables import accounts, passkeys
from himmel.studio.workers import Report

NASTY = "<script>alert(1)</script> \"'><img src=x onerror=alert(1)>"
FILE = "<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


def harmless(answer, shown="&lt;script&gt;alert(1)"):
    """It is shown, and is nothing but text."""
    assert answer.status_code == 200 and shown in answer.text
    assert "<script>alert" not in answer.text and "<img src=x" not in answer.text
    assert not re.search(r"<[^>]+\s(style|on\w+)=", re.sub(r'"[^"]*"', '""', answer.text))


def test_no_account_is_made_of_a_script(idle):
    for door in (idle.server.keys.create, lambda name: invite(idle.server.keys, name)):
        with pytest.raises(BadRequest, match="is no name"):
            door(NASTY)


def test_names_of_accounts_and_workers_are_text(idle, browser):
    """Even of an account that came to such a name on a way that no door leads to."""
    named, anna = browser("somebody"), browser("anna")
    number = account_of_name(idle.server.database, "somebody")
    with idle.server.database.write() as connection:
        connection.execute(accounts.update().where(accounts.c.id == number).values(name=NASTY))
    harmless(named.get("/account"))
    idle.server.workers.report(Report(NASTY, model=NASTY, version=NASTY, device=NASTY))
    for path in ("accounts", f"accounts/{number}", "workers"):
        harmless(anna.get(f"/operator/{path}"))


def test_names_of_passkeys_are_text(idle, browser):
    anna = browser("anna")
    row = {"id": "pk", "account_id": account_of_name(idle.server.database, "anna"), "credential_id": "x"}
    row |= {"public_key": b"", "sign_count": 0, "host": "127.0.0.1", "name": NASTY, "created_at": 1.0}
    with idle.server.database.write() as connection:
        connection.execute(passkeys.insert().values(**row))
    harmless(anna.get("/account/factors"))


def test_names_and_words_within_a_zip_are_text(running, browser):
    anna, taken = browser("anna"), io.BytesIO()
    clips = []
    for number in (anna.make(seed="1"), anna.make(seed="2")):
        anna.done(number)
        clips.append(anna.get(f"/clips/{number}/video.mp4").content)
    with zipfile.ZipFile(taken, "w") as made:
        made.writestr(f"{FILE}.mp4", clips[0])
        made.writestr(f"{FILE} bad.mp4", b"none")
        made.writestr("told.mp4", clips[1])
        made.writestr("told.txt", NASTY)
    boris = browser("boris")
    boris.wire.post("/account/import", data={"word": boris.word()}, files={"file": (f"{FILE}.zip", taken.getvalue())})
    while 'data-import="open"' in (page := boris.get("/account")).text:
        time.sleep(0.05)
    harmless(page, "&lt;img src=x")  # the name of the one that could not be used
    library = boris.get("/library")
    harmless(library)
    harmless(library, "&lt;img src=x")
    for found in set(re.findall(r"video_[0-9a-f]{32}", library.text)):
        harmless(boris.get(f"/clips/{found}"), "alert(")
