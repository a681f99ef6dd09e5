"""The server under the two names of this machine, localhost and 127.0.0.1: each is a place of its own to browsers."""

from urllib.parse import urlsplit

import httpx2
import pytest


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def named(idle):
    """The address of the server under a name, and that under the other one."""

    def told(name):
        other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}[name]
        return idle.address.replace("127.0.0.1", name), idle.address.replace("127.0.0.1", other)

    return told


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_forms_of_the_same_name_are_taken_and_of_the_other_refused(idle, named, name):
    own, other = named(name)
    headers = {"accept": "text/html"}  # a browser that says where a form comes from by Origin alone
    with httpx2.Client(base_url=own, headers=headers, timeout=60) as wire:
        key = {"key": idle.server.keys.create("anna")}
        assert wire.post("/sign-in", data=key, headers={"origin": other}).status_code == 403
        assert wire.post("/sign-in", data=key).status_code == 403
        came = wire.post("/sign-in", data=key, headers={"origin": own})
        assert (came.status_code, came.headers["location"]) == (303, "/create")
        cookie = came.headers["set-cookie"].lower()
        assert "domain" not in cookie and "httponly" in cookie and "samesite=lax" in cookie
        word = wire.get("/account").text.partition('name="word" value="')[2].partition('"')[0]
        for origin, status in ((other, 403), (f"{own}1", 403), (own, 303)):
            answer = wire.post("/sign-out", data={"word": word}, headers={"origin": origin})
            assert answer.status_code == status, origin


def test_links_and_examples_are_of_the_name_that_one_came_by(idle, at_localhost, browser):
    there, here = at_localhost(), browser("anna")
    there.wire.post("/sign-in", data={"key": idle.server.keys.create("anna")})
    for one, name in ((there, "localhost"), (here, "127.0.0.1")):
        invited = one.post("/operator/accounts/invite", {"name": f"guest of {name}"}).text
        assert f"http://{name}:" in invited and "/invite/" in invited
    assert urlsplit(str(there.wire.base_url)).hostname == "localhost"


def test_passkeys_are_offered_under_the_name_alone(idle, at_localhost, browser):
    there = at_localhost()
    there.wire.post("/sign-in", data={"key": idle.server.keys.create("anna")})
    assert 'data-challenge="/account/factors/passkeys/challenge"' in there.get("/account/factors").text
    page = browser("anna").get("/account/factors").text
    assert "/account/factors/passkeys/challenge" not in page and "http://localhost:" in page
