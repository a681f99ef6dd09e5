"""Codes of an app and recovery codes after a password, as a browser without scripts gives them, and as strangers do."""

import time

import pytest

from himmel.cli.app import main


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


def test_a_password_alone_is_not_enough_when_codes_are_on(member, at_localhost):
    anna, other = member("anna"), at_localhost()
    other.sign_in("anna")
    before = anna.cookie()
    app, recovery = anna.turn_codes_on()
    assert len(recovery) == 10 and anna.cookie() != before
    assert other.get("/library").status_code == 303  # all other browsers are signed out
    assert anna.get("/library").status_code == 200
    assert "10 of 10" in anna.get("/account").text

    half = at_localhost()
    answer = half.sign_in("anna", next="/queue")
    assert answer.headers["location"] == "/sign-in/code?next=%2Fqueue"
    cookies = answer.headers["set-cookie"]
    assert "himmel-half=" in cookies and "HttpOnly" in cookies and "himmel" not in half.wire.cookies
    for path in ("/create", "/library", "/account", "/account/factors", "/account/export.zip", "/events"):
        assert half.get(path).headers["location"].startswith("/sign-in"), path
    half.wire.cookies.set("himmel", half.wire.cookies["himmel-half"])  # it is no session
    assert half.get("/library").status_code == 303
    half.wire.cookies.delete("himmel")
    token = half.wire.cookies["himmel-half"]
    wrong = half.wire.post("/sign-in/code", data={"code": app.used})  # it turned codes on
    assert wrong.status_code == 403 and "used already" in wrong.text
    right = half.wire.post("/sign-in/code", data={"code": app.at(time.time() + 30), "next": "/queue"})
    assert right.headers["location"] == "/queue" and half.get("/library").status_code == 200
    half.wire.cookies.set("himmel-half", token)  # it is over
    assert half.wire.post("/sign-in/code", data={"code": recovery[0]}).headers["location"].startswith("/sign-in")

    lost = at_localhost()
    lost.sign_in("anna")
    assert lost.wire.post("/sign-in/code", data={"code": recovery[0]}).status_code == 303
    assert "9 of 10" in lost.get("/account").text
    (again := at_localhost()).sign_in("anna")
    assert again.wire.post("/sign-in/code", data={"code": recovery[0]}).status_code == 403


def test_the_second_page_takes_no_foreign_form_and_nobody_without_a_password(at_localhost):
    browser = at_localhost()
    assert browser.get("/sign-in/code").headers["location"].startswith("/sign-in")
    assert browser.wire.post("/sign-in/code", data={"code": "123456"}).headers["location"].startswith("/sign-in")
    for path in ("/sign-in/code", "/sign-in/passkey", "/sign-in/passkey/challenge"):
        foreign = browser.wire.post(path, data={}, headers={"sec-fetch-site": "cross-site"})
        assert foreign.status_code == 403, path


def test_whoever_is_locked_out_asks_the_operator(idle, member, capsys):
    lost = member("lost")
    lost.turn_codes_on()
    assert main(["accounts", "forget-factors", "lost", "--data-dir", str(idle.server.settings.data_dir)]) == 0
    assert "codes of an app" in capsys.readouterr().out
    assert lost.get("/library").status_code == 303
    assert lost.sign_in("lost").headers["location"] == "/create"
    assert main(["accounts", "forget-factors", "nobody", "--data-dir", str(idle.server.settings.data_dir)]) == 2
