"""Signing in with more than a password, as a browser without scripts does it, and as strangers try it.

The passkeys here are made by a small authenticator of our own, so that it can also answer what it should not.
"""

import base64
import hashlib
import json
import re
import struct
import time
from dataclasses import dataclass, field
from html import unescape

import cbor2
import httpx2
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import update

from himmel.cli.app import main
from himmel.studio.audit import entries
from himmel.studio.auth import Terms
from himmel.studio.tables import sessions

PASSWORD = "a long night in june"
HTML = {"accept": "text/html", "sec-fetch-site": "same-origin"}


@dataclass
class Browser:
    """A browser without scripts: cookies, and forms with the words that pages put into them."""

    wire: httpx2.Client

    def get(self, path):
        return self.wire.get(path)

    def post(self, path, data=None, **options):
        word = re.search(r'name="word" value="([^"]+)"', self.get("/account").text)
        return self.wire.post(path, data={"word": unescape(word[1]) if word else "", **(data or {})}, **options)

    def cookie(self):
        return self.wire.cookies["himmel"]


@pytest.fixture(scope="module")
def idle(serving):
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def stranger(idle):
    """A way to get a browser that nobody is signed in with, at http://localhost, where there are passkeys."""
    wires = []

    def opened(address=""):
        named = address or idle.address.replace("127.0.0.1", "localhost")
        wires.append(httpx2.Client(base_url=named, headers=HTML, timeout=60))
        return Browser(wires[-1])

    yield opened
    for wire in wires:
        wire.close()


@pytest.fixture
def member(idle, stranger):
    """A way to get a browser that is signed in to an account with a password."""

    def made(name):
        browser = stranger()
        assert browser.wire.post("/sign-in", data={"key": idle.server.keys.create(name)}).status_code == 303
        assert browser.post("/account/password", {"new": PASSWORD}).status_code == 303
        browser.post("/sign-out")
        assert with_password(browser, name).headers["location"] == "/create"
        return browser

    return made


def with_password(browser, name, **fields):
    return browser.wire.post("/sign-in", data={"name": name, "password": PASSWORD, **fields})


def turn_codes_on(browser):
    """(the app, recovery codes); the app's ``used`` is the code that was used up."""
    assert browser.post("/account/factors/codes/begin").headers["location"] == "/account/factors/codes"
    page = browser.get("/account/factors/codes").text
    secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", page))
    app = pyotp.TOTP(secret)
    assert f"secret={secret}" in page and '<svg viewBox="0 0 ' in page
    assert browser.post("/account/factors/codes", {"code": "000000"}).status_code == 400
    app.used = app.now()
    shown = browser.post("/account/factors/codes", {"code": app.used})
    assert shown.status_code == 200
    return app, re.findall(r"<code>([\w-]{14})</code>", shown.text)


def make_stale(idle, name):
    """As if this account's browsers had signed in long ago."""
    account = idle.server.keys.caller(f"Bearer {idle.server.keys.create(name)}").account_id
    with idle.server.database.write() as connection:
        connection.execute(update(sessions).where(sessions.c.account_id == account).values(confirmed_at=1.0))
    return account


def acts(idle, account):
    with idle.server.database.read() as connection:
        return [row.act for row in entries(connection) if row.who == account]


def test_a_password_alone_is_not_enough_when_codes_are_on(idle, member, stranger):
    anna, other = member("anna"), stranger()
    with_password(other, "anna")
    before = anna.cookie()
    app, recovery = turn_codes_on(anna)
    assert len(recovery) == 10 and anna.cookie() != before
    assert other.get("/library").status_code == 303  # all other browsers are signed out
    assert anna.get("/library").status_code == 200
    assert "10 of 10" in anna.get("/account").text

    half = stranger()
    answer = with_password(half, "anna", next="/queue")
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

    lost = stranger()
    with_password(lost, "anna")
    assert lost.wire.post("/sign-in/code", data={"code": recovery[0]}).status_code == 303
    assert "9 of 10" in lost.get("/account").text
    with_password(again := stranger(), "anna")
    assert again.wire.post("/sign-in/code", data={"code": recovery[0]}).status_code == 403


def test_the_second_page_takes_no_foreign_form_and_nobody_without_a_password(member, stranger):
    browser = stranger()
    assert browser.get("/sign-in/code").headers["location"].startswith("/sign-in")
    assert browser.wire.post("/sign-in/code", data={"code": "123456"}).headers["location"].startswith("/sign-in")
    for path in ("/sign-in/code", "/sign-in/passkey", "/sign-in/passkey/challenge"):
        foreign = browser.wire.post(path, data={}, headers={"sec-fetch-site": "cross-site"})
        assert foreign.status_code == 403, path


def test_changes_ask_again_who_one_is_and_the_number_changes(idle, member):
    vera = member("vera")
    _, recovery = turn_codes_on(vera)
    account = make_stale(idle, "vera")
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
    word = unescape(re.search(r'name="word" value="([^"]+)"', vera.get("/account").text)[1])
    assert vera.wire.post("/account/factors/codes/off", data={"word": word}).status_code == 303
    assert with_password(vera, "vera").headers["location"] == "/create"
    told = acts(idle, account)
    assert {"codes.on", "codes.off", "recovery_codes.made", "session.confirmed", "recovery_code.used"} <= set(told)


def test_a_key_does_not_change_how_others_sign_in(idle, member, stranger):
    member("kim")
    browser = stranger()
    browser.wire.post("/sign-in", data={"key": idle.server.keys.create("kim")})
    assert browser.get("/account/factors").headers["location"].startswith("/account/confirm")
    narrow = stranger()
    narrow.wire.post("/sign-in", data={"key": idle.server.keys.create("kim", Terms(models=("fake",)))})
    assert narrow.get("/account/factors").status_code == 403
    assert narrow.post("/account/confirm", {"password": PASSWORD}).status_code == 403


def test_an_account_with_a_key_alone_confirms_with_that_key(idle, stranger):
    key, browser = idle.server.keys.create("keyed"), stranger()
    browser.wire.post("/sign-in", data={"key": key})
    assert browser.get("/account/factors").status_code == 200
    make_stale(idle, "keyed")
    assert browser.post("/account/password", {"new": PASSWORD}).headers["location"].startswith("/account/confirm")
    assert browser.post("/account/confirm", {"key": idle.server.keys.create("keyed")}).status_code == 403
    assert browser.post("/account/confirm", {"key": key}).status_code == 303
    assert browser.post("/account/password", {"new": PASSWORD}).headers["location"] == "/account"


def test_whoever_is_locked_out_asks_the_operator(idle, member, capsys):
    lost = member("lost")
    turn_codes_on(lost)
    assert main(["accounts", "forget-factors", "lost", "--data-dir", str(idle.server.settings.data_dir)]) == 0
    assert "codes of an app" in capsys.readouterr().out
    assert lost.get("/library").status_code == 303
    assert with_password(lost, "lost").headers["location"] == "/create"
    assert main(["accounts", "forget-factors", "nobody", "--data-dir", str(idle.server.settings.data_dir)]) == 2


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """A passkey in software: ES256, no attestation. What it says can be bent."""

    origin: str
    host: str = "localhost"
    count: int = 0
    flags: int = 0x05  # present, verified
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    number: bytes = b"a passkey of ours"
    user: bytes = b""

    def _said(self, kind, challenge):
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _data(self, flags):
        return hashlib.sha256(self.host.encode()).digest() + struct.pack(">BI", flags, self.count)

    def create(self, options):
        self.user = unb64(options["user"]["id"])
        point = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        held = bytes(16) + struct.pack(">H", len(self.number)) + self.number + public
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(self.flags | 0x40) + held})
        said = self._said("webauthn.create", options["challenge"])
        return self._answer(clientDataJSON=said, attestationObject=attested)

    def get(self, options):
        self.count += 1
        said, data = self._said("webauthn.get", options["challenge"]), self._data(self.flags)
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=said, authenticatorData=data, signature=signature, userHandle=self.user)

    def _answer(self, **parts):
        response = {name: b64(part) for name, part in parts.items()}
        number = b64(self.number)
        return json.dumps({"id": number, "rawId": number, "type": "public-key", "response": response})


@pytest.fixture
def owner(idle, member):
    """A way to get (browser, its passkey) of a new account."""

    def made(name):
        browser = member(name)
        device = Authenticator(str(browser.wire.base_url).rstrip("/"), number=f"the passkey of {name}".encode())
        answer = device.create(browser.post("/account/factors/passkeys/challenge").json())
        added = browser.post("/account/factors/passkeys", {"name": f"{name}'s <b>phone", "credential": answer})
        assert added.headers["location"] == "/account/factors", added.text
        return browser, device

    return made


def asked(browser):
    answer = browser.wire.post("/sign-in/passkey/challenge", data={})
    assert answer.status_code == 200, answer.text
    return answer.json()


def knock(browser, credential, **fields):
    return browser.wire.post("/sign-in/passkey", data={"credential": credential, **fields})


def test_a_passkey_signs_in_alone_is_listed_and_removed(idle, owner, stranger):
    anna, device = owner("paula")
    turn_codes_on(anna)
    browser = stranger()
    assert "Sign in with a passkey" in browser.get("/sign-in").text
    options = asked(browser)
    assert options["userVerification"] == "required" and options["allowCredentials"] == []
    answer = knock(browser, device.get(options), next="/queue")
    assert answer.headers["location"] == "/queue"  # no code is asked for
    page = browser.get("/account/factors").text
    assert "paula&#39;s &lt;b&gt;phone" in page and "used just now" in page
    assert "with the passkey paula&#39;s" in anna.get("/account").text
    number = re.search(r'name="passkey" value="(pass_\w+)"', page)[1]
    other, _ = owner("petra")
    assert other.post("/account/factors/passkeys/remove", {"passkey": number}).status_code == 404
    assert anna.post("/account/factors/passkeys/remove", {"passkey": number}).status_code == 303
    assert browser.get("/library").status_code == 303  # it ended with its passkey
    assert anna.get("/library").status_code == 200
    assert knock(browser, device.get(asked(browser))).status_code == 403


def test_a_passkey_confirms_who_one_is_and_no_other_ones_does(idle, owner):
    rosa, device = owner("rosa")
    _, foreign = owner("rita")
    make_stale(idle, "rosa")
    options = rosa.post("/account/confirm/challenge").json()
    assert [one["id"] for one in options["allowCredentials"]] == [b64(device.number)]
    assert rosa.post("/account/confirm", {"credential": foreign.get(options)}).status_code == 403
    options, before = rosa.post("/account/confirm/challenge").json(), rosa.cookie()
    assert rosa.post("/account/confirm", {"credential": device.get(options)}).status_code == 303
    assert rosa.cookie() != before and rosa.get("/account/factors").status_code == 200


@pytest.mark.parametrize(
    ("bent", "why"),
    [
        ({"origin": "https://evil.test"}, "another origin"),
        ({"origin": "http://localhost:1"}, "another port"),
        ({"host": "evil.test"}, "another host"),
        ({"flags": 0x01}, "nobody was verified"),
        ({"flags": 0x04}, "nobody was there"),
        ({"user": b"acct_of_another"}, "another account"),
        ({"user": b""}, "no account"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "another key"),
        ({"number": b"never seen"}, "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_passkey_is_refused_where_anything_is_wrong(owner, stranger, bent, why):
    _, device = owner(f"bent {why}")
    browser = stranger()
    good = {name: getattr(device, name) for name in bent}
    for name, value in bent.items():
        setattr(device, name, value)
    answer = knock(browser, device.get(asked(browser)))
    assert answer.status_code == 403 and "not accepted" in answer.text
    assert browser.get("/library").status_code == 303
    for name, value in good.items():
        setattr(device, name, value)
    assert knock(browser, device.get(asked(browser))).status_code == 303  # it was only that


def test_a_challenge_is_good_once_for_one_browser_and_one_act(owner, stranger):
    browser_of, device = owner("carla")
    browser, thief = stranger(), stranger()
    answer = device.get(asked(browser))
    asked(thief)
    assert knock(thief, answer).status_code == 403
    assert knock(browser, answer).status_code == 303
    assert "took too long" in knock(browser, answer).text  # a replay
    options = asked(browser)
    bent = device.get(options | {"challenge": b64(b"x" * 32)})
    assert knock(browser, bent).status_code == 403
    assert knock(browser, device.get(options)).status_code == 403  # the wrong answer used it up
    confirming = browser_of.post("/account/confirm/challenge").json()
    asked(browser)
    assert knock(browser, device.get(confirming)).status_code == 403


def test_a_copied_passkey_is_noticed(idle, owner, stranger):
    _, device = owner("dolly")
    browser = stranger()
    device.count = 10
    assert knock(browser, device.get(asked(browser))).status_code == 303
    device.count = 5
    answer = knock(browser, device.get(asked(browser)))
    assert answer.status_code == 403 and "copied" in answer.text
    account = idle.server.keys.caller(f"Bearer {idle.server.keys.create('dolly')}").account_id
    assert "passkey.copied" in acts(idle, account)


@pytest.mark.parametrize("bent", [{"origin": "https://evil.test"}, {"host": "evil.test"}, {"flags": 0x01}])
def test_a_new_passkey_is_refused_where_anything_is_wrong(member, bent):
    browser = member(f"new {next(iter(bent))}")
    device = Authenticator(str(browser.wire.base_url).rstrip("/"), number=str(bent).encode())
    options = browser.post("/account/factors/passkeys/challenge").json()
    assert options["authenticatorSelection"]["residentKey"] == "required"
    for name, value in bent.items():
        setattr(device, name, value)
    answer = browser.post("/account/factors/passkeys", {"name": "a", "credential": device.create(options)})
    assert answer.status_code == 400 and "not accepted" in answer.text


def test_a_passkey_is_added_once_and_under_a_name(owner):
    browser, device = owner("once")
    options = browser.post("/account/factors/passkeys/challenge").json()
    assert [one["id"] for one in options["excludeCredentials"]] == [b64(device.number)]
    answer = browser.post("/account/factors/passkeys", {"name": "again", "credential": device.create(options)})
    assert answer.status_code == 400 and "here already" in answer.text
    options = browser.post("/account/factors/passkeys/challenge").json()
    for name in ("", "x" * 81, "a\u202eb"):
        assert browser.post("/account/factors/passkeys", {"name": name, "credential": "{}"}).status_code == 400


@pytest.mark.parametrize("credential", ["", "[]", "{", "[" * 9000, "{}", '{"id": 1}', "x" * 25_000])
def test_nonsense_is_refused(stranger, credential):
    browser = stranger()
    asked(browser)
    assert knock(browser, credential).status_code == 403


def test_there_are_no_passkeys_where_browsers_offer_none(idle, stranger):
    browser = stranger(idle.address)  # an address, not a name
    browser.wire.post("/sign-in", data={"key": idle.server.keys.create("by number")})
    assert "http://localhost:" in browser.get("/account/factors").text
    assert "Sign in with a passkey" not in browser.get("/sign-in").text
    assert browser.wire.post("/sign-in/passkey/challenge", data={}).status_code == 400


def test_an_account_goes_with_all_that_it_signed_in_with(idle, owner, stranger):
    browser, device = owner("gone")
    turn_codes_on(browser)
    with_password(stranger(), "gone")  # a half session
    assert browser.post("/account/delete", {"name": "gone"}).status_code == 303
    assert with_password(stranger(), "gone").status_code == 403
    other = stranger()
    assert knock(other, device.get(asked(other))).status_code == 403
