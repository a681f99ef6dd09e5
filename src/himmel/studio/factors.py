"""Second factors: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

Owns: their tables, and what is kept of them. An app's secret has to be read again, so it is encrypted (AES-256-GCM); a
recovery code is kept as an HMAC. The keys of both follow from the secret that lies beside the database, see ``auth``:
the database alone lets nobody in. Knows nothing of cookies and pages.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable

from sqlalchemy import Connection, delete, func, select, update

from himmel.errors import BadRequest, SignInRefused
from himmel.studio.audit import record
from himmel.studio.database import Database
from himmel.studio.tables import passkeys, recovery_codes, totp
from himmel.studio.tries import Tries

DRIFT = 1  # steps of 30 seconds that a clock may be off, either way
PENDING_SECONDS = 600.0  # between showing a secret and its first code
MANY = 10  # recovery codes
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that looks like another one
LETTERS_EACH = 12  # of a recovery code: 59 bits
WRONG = "this code is not right, or it was used already"
NONCE = 12  # bytes, of AES-GCM


class Factors:
    """The second factors of one server. ``pepper`` is its secret; ``now`` gives the true time, as apps have it."""

    def __init__(self, database: Database, pepper: bytes, now: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, now
        self._sealing, self._hashing = (
            hmac.digest(pepper, use, "sha256") for use in (b"secrets of apps", b"recovery codes")
        )
        self._tries = Tries(now, "wait an hour, or sign in with a passkey or a key", seconds=3600.0)
        self._turn = threading.Lock()  # or many guesses at once would all come before the first is counted

    def is_on(self, account_id: str) -> bool:
        """Whether this account is asked for a code."""
        with self.database.read() as connection:
            on = select(totp.c.account_id).where(totp.c.account_id == account_id, totp.c.enabled_at.is_not(None))
            return connection.scalar(on) is not None

    def codes_left(self, account_id: str) -> int:
        """How many recovery codes were not used yet."""
        left = (recovery_codes.c.account_id == account_id) & recovery_codes.c.used_at.is_(None)
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(recovery_codes).where(left)) or 0

    def begin(self, account_id: str) -> None:
        """Make a secret for an app, which counts for nothing before ``enable``. Raises BadRequest where one counts."""
        import pyotp

        row = {"account_id": account_id, "sealed": self._sealed(account_id, pyotp.random_base32())}
        with self.database.write() as connection:
            connection.execute(delete(totp).where(totp.c.account_id == account_id, totp.c.enabled_at.is_(None)))
            if connection.scalar(select(totp.c.account_id).where(totp.c.account_id == account_id)):
                raise BadRequest("codes are on already; turn them off first to use another app")
            connection.execute(totp.insert().values(**row, created_at=self.now(), last_step=0))

    def pending(self, account_id: str) -> str | None:
        """The secret, in base32, that an app shall now be given; None where none was made, or too long ago."""
        good = totp.c.enabled_at.is_(None) & (totp.c.created_at > self.now() - PENDING_SECONDS)
        with self.database.read() as connection:
            sealed = connection.scalar(select(totp.c.sealed).where(totp.c.account_id == account_id, good))
        return None if sealed is None else self._opened(account_id, sealed)

    def enable(self, account_id: str, code: str) -> list[str]:
        """Ask for codes from now on; gives recovery codes, which are shown once.

        Raises BadRequest for a wrong code or where ``begin`` is too long ago, SignInRefused after too many.
        """
        if (secret := self.pending(account_id)) is None:
            raise BadRequest("that took too long; begin again")
        with self._turn:
            self._tries.check(account_id)
            if (step := step_of(secret, code, self.now())) is None:
                self._count_wrong(account_id)
                raise BadRequest("this code is not right; is the clock of your device?")
            with self.database.write() as connection:
                mine = (totp.c.account_id == account_id) & totp.c.enabled_at.is_(None)
                changed = update(totp).where(mine).values(enabled_at=self.now(), last_step=step)
                if connection.execute(changed).rowcount != 1:
                    raise BadRequest("that was done already; load the page again")
                record(connection, account_id, "codes.on", account_id)
                return self._new_codes(connection, account_id)

    def check(self, account_id: str, code: str) -> str:
        """Use up a code; gives what it was: "code" or "recovery code".

        Raises SignInRefused for one that is wrong or was used before, and after too many of those.
        """
        with self._turn:
            self._tries.check(account_id)
            used = self._use_code(account_id, code) or self._use_recovery_code(account_id, code)
            if not used:
                self._count_wrong(account_id)
                raise SignInRefused(WRONG)
            return used

    def renew_codes(self, account_id: str) -> list[str]:
        """New recovery codes, shown once; the old ones are good no more. Raises BadRequest where codes are off."""
        if not self.is_on(account_id):
            raise BadRequest("recovery codes are for who uses codes of an app")
        with self.database.write() as connection:
            record(connection, account_id, "recovery_codes.made", account_id)
            return self._new_codes(connection, account_id)

    def disable(self, account_id: str) -> None:
        """Ask for codes no longer."""
        with self.database.write() as connection:
            for table in (totp, recovery_codes):
                connection.execute(delete(table).where(table.c.account_id == account_id))
            record(connection, account_id, "codes.off", account_id)

    def _use_code(self, account_id: str, code: str) -> str:
        mine = (totp.c.account_id == account_id) & totp.c.enabled_at.is_not(None)
        with self.database.write() as connection:
            sealed = connection.scalar(select(totp.c.sealed).where(mine))
            step = step_of(self._opened(account_id, sealed), code, self.now()) if sealed else None
            if step is None:
                return ""
            later = update(totp).where(mine, totp.c.last_step < step).values(last_step=step)
            return "code" if connection.execute(later).rowcount == 1 else ""

    def _use_recovery_code(self, account_id: str, code: str) -> str:
        table, digest = recovery_codes, self._digest(account_id, code)
        unused = (table.c.account_id == account_id) & (table.c.digest == digest) & table.c.used_at.is_(None)
        with self.database.write() as connection:
            if connection.execute(update(table).where(unused).values(used_at=self.now())).rowcount != 1:
                return ""
            record(connection, account_id, "recovery_code.used", account_id)
            return "recovery code"

    def _new_codes(self, connection: Connection, account_id: str) -> list[str]:
        plain = ["".join(secrets.choice(LETTERS) for _ in range(LETTERS_EACH)) for _ in range(MANY)]
        connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
        rows = [{"account_id": account_id, "digest": self._digest(account_id, code)} for code in plain]
        connection.execute(recovery_codes.insert(), rows)
        return ["-".join(re.findall("....", code)) for code in plain]

    def _count_wrong(self, account_id: str) -> None:
        if self._tries.wrong(account_id):  # somebody has the password, and tries codes
            with self.database.write() as connection:
                record(connection, account_id, "codes.guessed", account_id)

    def _digest(self, account_id: str, code: str) -> str:
        plain = re.sub(r"[\s-]", "", _plain(code)).lower()
        return hmac.new(self._hashing, f"{account_id} {plain}".encode(), hashlib.sha256).hexdigest()

    def _sealed(self, account_id: str, secret: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(NONCE)
        return nonce + AESGCM(self._sealing).encrypt(nonce, secret.encode(), account_id.encode())

    def _opened(self, account_id: str, sealed: bytes) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._sealing).decrypt(sealed[:NONCE], sealed[NONCE:], account_id.encode()).decode()
        except InvalidTag:
            raise SignInRefused("the server lost the secret that codes need; ask its operator") from None


def step_of(secret: str, code: str, at: float) -> int | None:
    """The step of 30 seconds whose code this is, at most ``DRIFT`` from the time; None for no such code.

    ``secret`` in base32, ``at`` in seconds since 1970; six figures of HMAC-SHA-1, as all apps make them (RFC 6238).
    """
    import pyotp
    from pyotp.exceptions import OTPVerificationError

    figures = re.sub(r"\s", "", _plain(code))
    if not re.fullmatch(r"[0-9]{6}", figures):
        return None
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(figures, for_time=at, valid_window=DRIFT)
    except OTPVerificationError:
        return None


def link_of(secret: str, name: str, host: str) -> str:
    """What an app reads from the picture: the secret, and whose it is where."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=f"{name} @ {host}", issuer_name="Himmel")


def picture_of(link: str) -> str:
    """A link as a QR code: an SVG to stand in a page, dark on white in any theme, without styles."""
    import segno

    return segno.make(link, error="m", micro=False).svg_inline(omitsize=True, border=3, light="#fff", svgclass="qr")


def forget_factors(database: Database, account_id: str, who: str) -> dict[str, int]:
    """Take away all that an account has beside its password; gives how many rows of each table that were."""
    gone = {}
    with database.write() as connection:
        for table in (totp, recovery_codes, passkeys):
            gone[table.name] = connection.execute(delete(table).where(table.c.account_id == account_id)).rowcount
        record(connection, who, "factors.forgotten", account_id, **gone)
    return gone


def _plain(code: str) -> str:
    """What was typed, with figures and letters of full width, as Japanese keyboards give them, as the usual ones."""
    return unicodedata.normalize("NFKC", code[:100])
