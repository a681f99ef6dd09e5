"""Showing once more who one is: what asks for it, what counts, and how long a browser that was left open may do."""

import re

import pytest

from himmel.studio.auth import Terms

PASSWORD = "a long night in june"


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


def test_changes_ask_again_who_one_is_and_the_number_changes(member, make_stale, acts):
    vera = member("vera")
    _, recovery = vera.turn_codes_on()
    account = make_stale("vera")
    asked = {"/account/factors/codes/off": {}, "/account/factors/recovery": {}, "/account/factors/codes/begin": {}}
    asked |= {"/account/factors/passkeys": {"name": "a"}, "/account/factors/passkeys/remove": {"passkey": "a"}}
    for path, fields in asked.items():
        assert vera.post(path, fields).headers["location"].startswith("/account/confirm"), path
    told = vera.post("/account/factors/passkeys/challenge", headers={"accept": "application/json"})
    assert (told.status_code, told.json()["error"]["code"]) == (403, "not_confirmed")
    assert vera.get("/account/factors").headers["location"] == "/account/confirm?next=%2Faccount%2Ffactors"
    form, before = {"password": PASSWORD, "next": "//evil.test"}, vera.cookie()
    assert vera.post("/account/confirm", form | {"code": "000000"}).status_code == 403
    assert vera.post("/account/confirm", {"password": "wrong wrong", "code": recovery[1]}).status_code == 403
    done = vera.post("/account/confirm", form | {"code": recovery[2]})
    assert (done.status_code, done.headers["location"]) == (303, "/create")
    assert vera.cookie() != before and vera.get("/account/factors").status_code == 200
    made = vera.post("/account/factors/recovery").text
    new = re.findall(r"<code>([\w-]{14})</code>", made)
    assert len(new) == 10 and not set(new) & set(recovery)
    assert vera.post("/account/factors/codes/off").status_code == 303
    assert vera.sign_in("vera").headers["location"] == "/create"
    told = acts(account)
    assert {"codes.on", "codes.off", "recovery_codes.made", "session.confirmed", "recovery_code.used"} <= set(told)


def test_a_key_does_not_change_how_others_sign_in(idle, member, at_localhost):
    member("kim")
    browser = at_localhost()
    browser.wire.post("/sign-in", data={"key": idle.server.keys.create("kim")})
    assert browser.get("/account/factors").headers["location"].startswith("/account/confirm")
    narrow = at_localhost()
    narrow.wire.post("/sign-in", data={"key": idle.server.keys.create("kim", Terms(models=("fake",)))})
    assert narrow.get("/account/factors").status_code == 403
    assert narrow.post("/account/confirm", {"password": PASSWORD}).status_code == 403


def test_an_account_with_a_key_alone_confirms_with_that_key(idle, at_localhost, make_stale):
    key, browser = idle.server.keys.create("keyed"), at_localhost()
    browser.wire.post("/sign-in", data={"key": key})
    assert browser.get("/account/factors").status_code == 200
    make_stale("keyed")
    assert browser.post("/account/password", {"new": PASSWORD}).headers["location"].startswith("/account/confirm")
    assert browser.post("/account/confirm", {"key": idle.server.keys.create("keyed")}).status_code == 403
    assert browser.post("/account/confirm", {"key": key}).status_code == 303
    assert browser.post("/account/password", {"new": PASSWORD}).headers["location"] == "/account"


def test_a_browser_that_was_left_open_makes_no_key_and_deletes_nothing(idle, member, make_stale):
    nora = member("nora")
    account = make_stale("nora")
    page = nora.get("/account").text
    assert "/account/confirm?next=/account" in page
    assert 'action="/account/keys"' not in page and 'action="/account/delete"' not in page
    before = len(idle.server.keys.list(account))
    asked = {"referer": "{}/account".format(str(nora.wire.base_url).rstrip("/"))}
    for path, fields in (("/account/keys", {"name": "script"}), ("/account/delete", {"name": "nora"})):
        refused = nora.post(path, fields, headers=asked)
        assert refused.headers["location"] == "/account/confirm?next=%2Faccount", path
        told = nora.post(path, fields, headers={"accept": "application/json"})
        assert (told.status_code, told.json()["error"]["code"]) == (403, "not_confirmed")
    assert len(idle.server.keys.list(account)) == before and nora.get("/library").status_code == 200
    done = nora.post("/account/confirm", {"password": PASSWORD, "next": "/account"})
    assert done.headers["location"] == "/account"
    made = nora.post("/account/keys", {"name": "script"}).text
    key = re.search(r"himmel_[\w.-]+", made)[0]
    assert idle.server.keys.caller(f"Bearer {key}").account_id == account
    assert nora.post("/account/delete", {"name": "nora"}).headers["location"] == "/sign-in"
    assert nora.sign_in("nora").status_code == 403


def test_a_key_that_was_found_makes_no_other_and_ends_no_account(idle, member, at_localhost):
    member("olga")
    thief = at_localhost()
    thief.wire.post("/sign-in", data={"key": idle.server.keys.create("olga")})
    for path, fields in (("/account/keys", {"name": "mine"}), ("/account/delete", {"name": "olga"})):
        assert thief.post(path, fields).headers["location"].startswith("/account/confirm"), path
