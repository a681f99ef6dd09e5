"""Passkeys (WebAuthn): key pairs that a browser's device or password manager keeps, shown after a fingerprint or PIN.

Owns: the table of passkeys, the challenges that are open, and what must hold before a passkey is believed. Reading and
checking of what authenticators say is ``webauthn``'s, which is loaded when it is first needed: it is large. A passkey
counts as both factors, for the device that has it asks for the other one itself ("user verification").
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update

from himmel.errors import BadRequest, SignInRefused
from himmel.studio.audit import record
from himmel.studio.database import Database
from himmel.studio.tables import accounts, passkeys

CHALLENGE_SECONDS = 180.0
MOST_OPEN, MOST_OF_ADDRESS = 10_000, 500  # challenges; the oldest ones go
MOST_PASSKEYS = 20  # of an account
LONGEST_ANSWER = 20_000  # characters of JSON
ADD, SIGN_IN, CONFIRM = "add", "sign in", "confirm"  # what a challenge is for
REFUSED = "this passkey was not accepted"


@dataclass(frozen=True)
class Place:
    """Where a browser sees this server: ``host`` as in its address, ``origin`` with scheme and port."""

    host: str
    origin: str


@dataclass(frozen=True)
class _Open:
    challenge: bytes
    place: Place
    address: str
    until: float


class Challenges:
    """Challenges that wait for their answers: random, good once, for minutes, for one act of one browser."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._open: dict[tuple[str, str], _Open] = {}
        self._lock = threading.Lock()

    def make(self, owner: str, act: str, place: Place, address: str = "") -> bytes:
        """A new one for what a browser, known by a secret of its own, is about to do; the one before is void."""
        made = _Open(secrets.token_bytes(32), place, address or owner, self.now() + CHALLENGE_SECONDS)
        with self._lock:
            self._open.pop((owner, act), None)
            good = {key: one for key, one in self._open.items() if one.until > self.now()}
            same = [key for key, one in good.items() if one.address == made.address]
            if len(same) >= MOST_OF_ADDRESS:
                del good[same[0]]
            elif len(good) >= MOST_OPEN:
                del good[next(iter(good))]
            self._open = {**good, (owner, act): made}
        return made.challenge

    def take(self, owner: str, act: str, place: Place) -> bytes:
        """The one that was made for this browser, act and place, which is gone then. Raises SignInRefused."""
        with self._lock:
            found = self._open.pop((owner, act), None)
        if found is None or found.until <= self.now() or found.place != place:
            raise SignInRefused("that took too long, or it was answered already; try again")
        return found.challenge


class Passkeys:
    """The passkeys of one server; ``now`` gives seconds since 1970. ``owner`` is always a secret of one browser's."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, now
        self.challenges = Challenges(now)

    def of(self, account_id: str) -> list[Row[Any]]:
        """The account's passkeys, oldest first."""
        mine = select(passkeys).where(passkeys.c.account_id == account_id)
        with self.database.read() as connection:
            return list(connection.execute(mine.order_by(passkeys.c.created_at, passkeys.c.id)))

    def any_at(self, host: str) -> bool:
        """Whether anybody has a passkey for this host."""
        with self.database.read() as connection:
            return connection.scalar(select(passkeys.c.id).where(passkeys.c.host == host).limit(1)) is not None

    def options_to_add(self, owner: str, account_id: str, name: str, place: Place) -> dict[str, Any]:
        """What ``navigator.credentials.create`` is asked, as JSON; binary values are base64url."""
        from webauthn import generate_registration_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers import structs as said

        options = generate_registration_options(
            rp_id=place.host,
            rp_name="Himmel",
            user_name=name,
            user_id=account_id.encode(),
            challenge=self.challenges.make(owner, ADD, place),
            timeout=int(1000 * CHALLENGE_SECONDS),
            authenticator_selection=said.AuthenticatorSelectionCriteria(
                resident_key=said.ResidentKeyRequirement.REQUIRED,
                user_verification=said.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(self.of(account_id), place),
        )
        return options_to_json_dict(options)

    def add(self, owner: str, account_id: str, place: Place, name: str, answer: str) -> str:
        """Keep a new passkey under a name; gives its number. Raises BadRequest and SignInRefused."""
        from webauthn import verify_registration_response
        from webauthn.helpers import bytes_to_base64url

        challenge = self.challenges.take(owner, ADD, place)
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise BadRequest("give the passkey a name of 1 to 80 letters, such as the device's")
        asked: dict[str, Any] = {"expected_challenge": challenge, "expected_rp_id": place.host}
        asked["expected_origin"] = place.origin
        found = _believed(
            lambda: verify_registration_response(credential=_read(answer), require_user_verification=True, **asked)
        )
        now = self.now()
        row = {"id": f"pass_{secrets.token_hex(8)}", "account_id": account_id, "name": name, "host": place.host}
        row |= {"credential_id": bytes_to_base64url(found.credential_id), "public_key": found.credential_public_key}
        with self.database.write() as connection:
            mine = select(passkeys.c.id).where(passkeys.c.account_id == account_id)
            if len(connection.execute(mine).all()) >= MOST_PASSKEYS:
                raise BadRequest(f"an account has at most {MOST_PASSKEYS} passkeys; remove one first")
            if connection.scalar(select(passkeys.c.id).where(passkeys.c.credential_id == row["credential_id"])):
                raise BadRequest("this passkey is here already")
            connection.execute(passkeys.insert().values(**row, sign_count=found.sign_count, created_at=now))
            record(connection, account_id, "passkey.added", row["id"], name=name)
        return row["id"]

    def options(
        self, owner: str, act: str, place: Place, address: str = "", account_id: str | None = None
    ) -> dict[str, Any]:
        """What ``navigator.credentials.get`` is asked, as JSON; without an account, whichever passkey there is."""
        from webauthn import generate_authentication_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers import structs as said

        options = generate_authentication_options(
            rp_id=place.host,
            challenge=self.challenges.make(owner, act, place, address),
            timeout=int(1000 * CHALLENGE_SECONDS),
            allow_credentials=_descriptors(self.of(account_id), place) if account_id else [],
            user_verification=said.UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def prove(self, owner: str, act: str, place: Place, answer: str) -> Row[Any]:
        """The passkey (its ``id``, ``account_id``, ``name``) that answered a challenge. Raises SignInRefused."""
        from webauthn import verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json

        asked: dict[str, Any] = {"expected_challenge": self.challenges.take(owner, act, place)}
        asked |= {"expected_rp_id": place.host, "expected_origin": place.origin}
        credential = _believed(lambda: parse_authentication_credential_json(_read(answer)))
        row = self._known((passkeys.c.credential_id == credential.id) & (passkeys.c.host == place.host))
        handle = credential.response.user_handle  # may be left out where it was known before whose passkeys were asked
        if row is None or ((handle or act == SIGN_IN) and handle != row.account_id.encode()):
            raise SignInRefused(REFUSED)
        found = _believed(
            lambda: verify_authentication_response(
                credential=credential,
                credential_public_key=row.public_key,
                credential_current_sign_count=0,  # looked at below, when it is known who signed
                require_user_verification=True,
                **asked,
            )
        )
        if row.suspended_at is not None:
            raise SignInRefused("this account is suspended; ask the server's operator")
        self._count(row, found.new_sign_count)
        return row

    def remove(self, account_id: str, passkey_id: str) -> bool:
        """Take a passkey away; False where the account has no such one."""
        with self.database.write() as connection:
            mine = (passkeys.c.account_id == account_id) & (passkeys.c.id == passkey_id)
            gone = connection.execute(delete(passkeys).where(mine)).rowcount == 1
            if gone:
                record(connection, account_id, "passkey.removed", passkey_id)
            return gone

    def _known(self, which: ColumnElement[bool]) -> Row[Any] | None:
        joined = select(passkeys, accounts.c.suspended_at).join(accounts, accounts.c.id == passkeys.c.account_id)
        with self.database.read() as connection:
            return connection.execute(joined.where(which)).first()

    def _count(self, row: Row[Any], count: int) -> None:
        """Keep how often a passkey signed. Raises SignInRefused where that goes back: there is a copy of it.

        Many passkeys do not count, and say 0 always.
        """
        with self.database.write() as connection:
            same = (passkeys.c.id == row.id) & (passkeys.c.sign_count < count)
            if count == 0:
                same = (passkeys.c.id == row.id) & (passkeys.c.sign_count == 0)
            values = {"sign_count": count, "last_used": self.now()}
            good = connection.execute(update(passkeys).where(same).values(**values)).rowcount == 1
            if not good:
                record(connection, row.account_id, "passkey.copied", row.id, count=count, known=row.sign_count)
        if not good:
            raise SignInRefused("this passkey seems to have been copied; sign in otherwise, and remove it")


def _descriptors(rows: list[Row[Any]], place: Place) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    here = (row for row in rows if row.host == place.host)
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential_id)) for row in here]


def _read(answer: str) -> dict[str, Any]:
    """What a browser answered. Raises SignInRefused for what is no JSON object."""
    try:
        found = json.loads(answer) if len(answer) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SignInRefused(REFUSED)
    return found


def _believed(check: Callable[[], Any]) -> Any:
    """What a check of ``webauthn`` gives. Raises SignInRefused for whatever it stumbles over.

    It reads strangers' CBOR, JSON and certificates, and lets more kinds of errors through than its own.
    """
    try:
        return check()
    except SignInRefused:
        raise
    except Exception:
        raise SignInRefused(REFUSED) from None
