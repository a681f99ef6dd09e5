"""Passkeys in a real browser, with an authenticator that Chromium plays: added, signs in, confirms, removed."""

import re

import pytest
from sqlalchemy import update

from himmel.studio.tables import sessions


@pytest.fixture
def page(window, studio, enter):
    """A page at http://localhost, where browsers have passkeys, signed in with a key."""
    return enter(window(studio.address.replace("127.0.0.1", "localhost"), viewport={"width": 390, "height": 844}))


@pytest.fixture
def device(page, authenticator):
    return authenticator(page)


def add(page, name):
    page.goto("/account/factors")
    page.fill("form[data-passkey] [name=name]", name)
    page.get_by_role("button", name="Add a passkey").click()


def test_a_passkey_is_added_signs_in_confirms_and_is_removed(studio, page, device):
    add(page, "this laptop")
    page.locator(".list b").get_by_text("this laptop").wait_for()
    [credential] = device("getCredentials")["credentials"]
    assert credential["isResidentCredential"] and credential["rpId"] == "localhost"
    add(page, "again")
    page.get_by_role("alert").get_by_text("has a passkey for you already").wait_for()

    page.goto("/account")
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    page.wait_for_url("**/sign-in")
    page.goto("/sign-in?next=/queue")
    device("setUserVerified", isUserVerified=False)  # a finger that the device does not know
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("alert").get_by_text("was not used").wait_for()
    device("setUserVerified", isUserVerified=True)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(re.compile(r"//[^/]+/queue$"))

    with studio.server.database.write() as connection:
        connection.execute(update(sessions).values(confirmed_at=1.0))
    page.goto("/account/factors")
    page.wait_for_url("**/account/confirm?*")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/account/factors")
    assert device("getCredentials")["credentials"][0]["signCount"] > credential["signCount"]
    page.get_by_role("button", name="Remove this laptop").click()
    page.locator(".list b").wait_for(state="detached")
    page.goto("/sign-in")
    assert page.get_by_role("button", name="Sign in with a passkey").count() == 0  # nobody has one here


def test_a_passkey_that_the_server_does_not_know_is_refused(studio, page, device):
    add(page, "kept")
    page.locator(".list b").get_by_text("kept").wait_for()
    [credential] = device("getCredentials")["credentials"]
    device("removeCredential", credentialId=credential["credentialId"])
    other = {**credential, "credentialId": "c3RyYW5nZXI=", "signCount": 7}
    device("addCredential", credential=other)
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("alert").get_by_text("not accepted").wait_for()


def test_the_pages_fit_a_phone(page):
    for path in ("/account/factors", "/account/confirm", "/account"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
