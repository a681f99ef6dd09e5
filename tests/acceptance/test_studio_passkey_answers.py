"""Passkeys as the server checks them: the answers of a small authenticator of our own, which can also be wrong.

In a real browser they are tried in ``test_studio_passkeys``.
"""

import base64
import hashlib
import json
import re
import struct
from dataclasses import dataclass, field

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from himmel.studio.accounts import account_of_name


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


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
def owner(member):
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


def test_a_passkey_signs_in_alone_is_listed_and_removed(owner, at_localhost):
    anna, device = owner("paula")
    anna.turn_codes_on()
    browser = at_localhost()
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


def test_a_passkey_confirms_who_one_is_and_no_other_ones_does(owner, make_stale):
    rosa, device = owner("rosa")
    _, foreign = owner("rita")
    make_stale("rosa")
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
def test_a_passkey_is_refused_where_anything_is_wrong(owner, at_localhost, bent, why):
    _, device = owner(f"bent {why}")
    browser = at_localhost()
    good = {name: getattr(device, name) for name in bent}
    for name, value in bent.items():
        setattr(device, name, value)
    answer = knock(browser, device.get(asked(browser)))
    assert answer.status_code == 403 and "not accepted" in answer.text
    assert browser.get("/library").status_code == 303
    for name, value in good.items():
        setattr(device, name, value)
    assert knock(browser, device.get(asked(browser))).status_code == 303  # it was only that


def test_a_challenge_is_good_once_for_one_browser_and_one_act(owner, at_localhost):
    browser_of, device = owner("carla")
    browser, thief = at_localhost(), at_localhost()
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


def test_a_copied_passkey_is_noticed(idle, owner, at_localhost, acts):
    _, device = owner("dolly")
    browser = at_localhost()
    device.count = 10
    assert knock(browser, device.get(asked(browser))).status_code == 303
    device.count = 5
    answer = knock(browser, device.get(asked(browser)))
    assert answer.status_code == 403 and "copied" in answer.text
    assert "passkey.copied" in acts(account_of_name(idle.server.database, "dolly"))


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
def test_nonsense_is_refused(at_localhost, credential):
    browser = at_localhost()
    asked(browser)
    assert knock(browser, credential).status_code == 403


def test_there_are_no_passkeys_where_browsers_offer_none(browser):
    browser = browser("by number")  # at http://127.0.0.1
    assert "http://localhost:" in browser.get("/account/factors").text
    assert "Sign in with a passkey" not in browser.get("/sign-in").text
    assert browser.wire.post("/sign-in/passkey/challenge", data={}).status_code == 400


def test_an_account_goes_with_all_that_it_signed_in_with(owner, at_localhost):
    browser, device = owner("gone")
    browser.turn_codes_on()
    at_localhost().sign_in("gone")  # a half session
    assert browser.post("/account/delete", {"name": "gone"}).status_code == 303
    assert at_localhost().sign_in("gone").status_code == 403
    other = at_localhost()
    assert knock(other, device.get(asked(other))).status_code == 403
