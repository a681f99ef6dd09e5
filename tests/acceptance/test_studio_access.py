"""The studio for everybody: axe finds nothing on any page, in either theme. What keys do: test_studio_keys."""

import re
import sys
from pathlib import Path
from pprint import pformat
from urllib.parse import urlsplit

import pyotp
import pytest
from walk import pages

from himmel.backends.fake import FakeBackend
from himmel.errors import BadRequest
from himmel.studio.auth import Keys
from himmel.studio.invitations import invite
from himmel.worker import Worker

AXE = Path(sys.prefix) / "node/node_modules/axe-core/axe.min.js"
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # all that a theme changes
PASSWORD = "a long night in june"
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 800}

pytestmark = pytest.mark.skipif(not AXE.exists(), reason=f"no axe-core for node in {AXE.parent}: make test")


def violations(page, rules=RULES):
    page.add_script_tag(path=AXE) if not page.evaluate("'axe' in window") else None
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)["violations"]
    return [(rule["id"], node["html"][:160], node["failureSummary"][:300]) for rule in found for node in rule["nodes"]]


@pytest.fixture
def page(window, studio, furnished):
    """Signed in, with clips; axe may be put in, which our policy would forbid."""
    return furnished(window(studio.address, bypass_csp=True, color_scheme="dark"))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_on_any_page(page, theme):
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found, seen = {}, []
    for address in pages(page):
        seen.append(address)
        page.eval_on_selector_all("details", "all => all.forEach(one => one.open = !one.matches('.pop'))")
        if wrong := violations(page):
            found[address] = wrong
    assert not found, pformat(found, width=160)
    assert {urlsplit(address).path for address in seen} >= {"/create", "/storyboard", "/library", "/queue", "/account"}


def test_axe_finds_nothing_at_the_door(window, studio):
    for theme in ("dark", "light"):
        page = window(studio.address, bypass_csp=True, color_scheme=theme)
        page.goto("/sign-in")
        assert violations(page) == []


class Look:
    """What axe finds on pages in both themes, with all that is folded opened, and what is wider than a phone."""

    def __init__(self):
        self.found, self.seen = {}, []

    def __call__(self, page, place):
        self.seen.append(place)
        page.eval_on_selector_all("details:not(.pop)", "all => all.forEach(one => one.open = true)")
        for theme, rules in (("dark", RULES), ("light", COLOURS)):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            if wrong := violations(page, rules):
                self.found[place, theme] = wrong
        page.set_viewport_size(NARROW)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.found[place, "phone"] = "it is wider than that"
        page.set_viewport_size(WIDE)


@pytest.fixture
def look():
    look = Look()
    yield look
    assert not look.found, pformat(look.found, width=160)


@pytest.fixture
def stranger(window, studio):
    """A page where there are passkeys, and nobody is signed in."""
    return window(studio.address.replace("127.0.0.1", "localhost"), bypass_csp=True, viewport=WIDE)


def test_axe_finds_nothing_at_doors(stranger, studio, look, monkeypatch):
    doors(stranger, look, studio, monkeypatch)
    empty(stranger, look)
    assert len(look.seen) > 12


def test_axe_finds_nothing_at_passkeys_and_codes(stranger, studio, look, authenticator):
    stranger.goto(f"/invite/{invite(studio.server.keys, 'with codes')}")
    stranger.fill("[name=password]", PASSWORD)
    send(stranger, "Come in")
    stranger.wait_for_url("**/create")
    recovery = factors(stranger, look, authenticator)
    with_codes(stranger, look, recovery)
    assert len(look.seen) > 12


def test_axe_finds_nothing_in_what_pops_up(page, look):
    page.set_viewport_size(WIDE)
    clip = page.locator(".card-link").first.get_attribute("href")
    for path, name in (("/create", "Presets"), (clip, "Download"), ("/library", "Move")):
        page.goto(path)
        if name == "Move":
            page.keyboard.press("a")
        page.locator("summary").get_by_text(name, exact=True).click()
        page.locator("details.pop[open]").wait_for()
        look(page, name)
    for kind in ("picture", "clip"):
        page.goto("/create")
        page.eval_on_selector("[data-drop]", f"sheet => {{ sheet.dataset.kind = '{kind}'; sheet.showModal(); }}")
        look(page, f"what a {kind} shall be")
    page.goto("/library")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    look(page, "the keys")


def test_axe_finds_nothing_on_clips_that_wait_or_fail_or_are_shared(page, window, studio, look, monkeypatch):
    clips(page, window(studio.address, bypass_csp=True, viewport=WIDE), look, monkeypatch)
    assert len(look.seen) > 11


def test_axe_finds_nothing_where_something_is_wrong(page, look):
    wrongs(page, look)
    assert len(look.seen) > 10


def test_axe_finds_nothing_on_what_an_operator_is_asked(window, studio, enter, look):
    studio.server.keys.create("worked with")
    operator(enter(window(studio.address, bypass_csp=True, viewport=WIDE), "anna"), look)
    assert len(look.seen) > 8


def refused(page, field, button):
    """Send what the browser itself would not have sent."""
    page.eval_on_selector_all("form", "all => all.forEach(one => one.noValidate = true)")
    page.fill(f"[name={field}]", "wrong")
    send(page, button)
    page.locator("#problem").first.wait_for()


def send(page, button):
    page.get_by_role("button", name=button, exact=True).first.click()


def doors(page, look, studio, monkeypatch):
    """The first account, and an invitation."""
    with monkeypatch.context() as patch:
        patch.setattr(Keys, "any_account", lambda _: False)
        page.goto("/sign-in")
        look(page, "a server without accounts")
        page.goto(f"/setup/{studio.server.setup_token}")
        look(page, "the first account")
        page.fill("[name=name]", "somebody")
        refused(page, "password", "Make the account")
        look(page, "the first account, with a wrong password")
    page.goto("/setup/none")
    look(page, "a link for the first account that is not good")
    page.goto("/invite/none")
    look(page, "an invitation that is not good")
    page.goto(f"/invite/{invite(studio.server.keys, 'invited')}")
    look(page, "an invitation")
    refused(page, "password", "Come in")
    look(page, "an invitation, with a wrong password")
    page.fill("[name=password]", PASSWORD)
    send(page, "Come in")
    page.wait_for_url("**/create")


def empty(page, look):
    """Pages without a clip."""
    look(page, "create, empty")
    page.fill("#prompt", "a quokka")
    page.locator(".unknown").wait_for()
    look(page, "create, with a word that is not known")
    for path in ("library", "library?q=nothing", "library?starred=1", "explore", "queue"):
        page.goto(f"/{path}")
        look(page, f"{path}, empty")


def factors(page, look, authenticator):
    """Passkeys and codes of an app; gives a recovery code."""
    authenticator(page)
    page.goto("/account/factors")
    look(page, "no passkey and no codes")
    page.fill("form[data-passkey] [name=name]", "this laptop")
    send(page, "Add a passkey")
    page.locator(".list b").get_by_text("this laptop").wait_for()
    look(page, "a passkey")
    send(page, "Set up an app")
    page.wait_for_url("**/codes")
    look(page, "the secret of codes")
    app = pyotp.TOTP("".join(page.locator(".secret span").all_text_contents()))
    refused(page, "code", "Turn codes on")
    look(page, "the secret of codes, and a wrong code")
    page.fill("[name=code]", app.now())
    send(page, "Turn codes on")
    page.get_by_role("heading", name="Recovery codes").wait_for()
    look(page, "recovery codes")
    recovery = page.locator("code").first.text_content()
    page.goto("/account/factors")
    look(page, "a passkey and codes")
    return recovery


def with_codes(page, look, recovery):
    """Showing who one is, and signing in."""
    page.goto("/account/confirm")
    look(page, "who sits there")
    page.fill("[name=code]", "wrong")
    refused(page, "password", "Go on")
    look(page, "who does not sit there")
    page.goto("/account")
    look(page, "an account with all of that")
    send(page, "Sign out")
    page.wait_for_url("**/sign-in")
    look(page, "signing in, with passkeys")
    refused(page, "password", "Sign in")
    look(page, "signing in, with a wrong password")
    page.fill("[name=name]", "with codes")
    page.fill("[name=password]", PASSWORD)
    send(page, "Sign in")
    page.wait_for_url("**/sign-in/code?*")
    look(page, "a code")
    refused(page, "code", "Sign in")
    look(page, "a wrong code")
    page.fill("[name=code]", recovery)
    send(page, "Sign in")
    page.wait_for_url("**/create")


def make(page, prompt):
    page.goto("/create")
    page.fill("#prompt", prompt)
    page.select_option("[name=seconds]", "2")
    send(page, "Make")
    page.wait_for_url("**/create?from=*")
    return f"/clips/{re.search(r'video_[0-9a-f]{32}', page.url)[0]}"


def failing(*_):
    raise BadRequest("a cat cannot be made today")


def clips(page, stranger, look, monkeypatch):
    """A clip that waits, is cancelled, fails, is made, shared and deleted."""
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "work_once", lambda _: False)
        clip = make(page, "a cat that waits")
        for path in ("/create", "/queue", "/library", clip):
            page.goto(path)
            look(page, f"{path}, while a clip waits")
        send(page, "Cancel")
        page.get_by_text("You stopped it").wait_for()
        look(page, "a clip that was cancelled")
    with monkeypatch.context() as patch:
        patch.setattr(FakeBackend, "generate", failing)
        clip = make(page, "a cat that fails")
        page.goto(clip)
        page.locator('[data-status="failed"]').wait_for()
        look(page, "a clip that failed")
        page.goto("/queue")
        look(page, "a queue with what failed")
    clip = make(page, "a cat to share")
    page.locator(f'.card[data-status="completed"] a[href="{clip}"]').wait_for()
    page.goto(f"/compare?a={clip.split('/')[-1]}")
    look(page, "comparing with nothing")
    page.goto(clip)
    page.get_by_text("Share", exact=True).click()
    send(page, "Make a link")
    page.locator(".link-new").wait_for()
    look(page, "a link to a clip")
    link = page.input_value("#link")
    page.get_by_text("Share", exact=True).click()
    look(page, "what is shared of a clip")
    page.get_by_text("Share", exact=True).click()  # it would lie upon what comes next
    stranger.goto(link)
    look(stranger, "a shared clip")
    send(page, "Delete")
    page.get_by_text("The clip was deleted").wait_for()
    look(page, "a clip that was deleted")
    stranger.goto(link)
    look(stranger, "a shared clip that is gone")


def wrongs(page, look):
    """What is said to who asks for what is not there, or may not have it, or sends what is no form of ours."""
    for path in ("/clips/video_none", "/operator", "/s/none", "/nowhere", "/compare?a=none", "/library?folder=none"):
        page.goto(path)
        look(page, path)
    page.goto("/account")
    page.fill("form[action='/account/keys'] [name=name]", "for scripts")
    send(page, "Make a key")
    page.locator(".key").wait_for()
    look(page, "a new key")
    page.goto("/account")
    page.fill("form[action='/account/delete'] [name=name]", "somebody else")
    send(page, "Delete the account")
    page.locator("#problem").wait_for()
    look(page, "an account that is not deleted")
    page.set_input_files("[name=file]", {"name": "none.zip", "mimeType": "application/zip", "buffer": b"none"})
    send(page, "Import")
    page.locator(".problem").wait_for()
    look(page, "an import that is none")
    page.goto("/storyboard")
    page.get_by_role("button", name="Add a picture").click()
    send(page, "Make")
    page.locator("#problem").wait_for()
    look(page, "a storyboard without its picture")
    page.goto("/account")
    page.eval_on_selector_all("[name=word]", "all => all.forEach(one => one.value = 'foreign')")
    send(page, "Sign out")
    page.get_by_text("403").wait_for()
    look(page, "a form that is not ours")


def operator(page, look):
    """What an operator is asked, and told once."""
    page.goto("/operator/accounts")
    page.fill("form[action$=invite] [name=name]", "new")
    send(page, "Make the link")
    page.locator(".key").wait_for()
    look(page, "a link to send")
    page.get_by_role("link", name="new", exact=True).click()
    look(page, "an account that nobody came to")
    page.goto("/operator/accounts")
    page.get_by_role("link", name="worked with", exact=True).click()
    look(page, "an account")
    page.get_by_role("button", name=re.compile("Revoke")).first.click()
    page.get_by_role("heading", name="Revoke this key?").wait_for()
    look(page, "whether to revoke a key")
    for tab in ("queue", "workers", "models", "audit", "settings"):
        page.goto(f"/operator/{tab}")
        look(page, f"the operator's {tab}")
