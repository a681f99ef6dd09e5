"""Second factors: RFC 6238's own figures, no code good twice, recovery codes once each, guessing ends."""

import pyotp
import pytest
from sqlalchemy import select

from himmel.errors import BadRequest, SignInRefused
from himmel.studio.audit import entries
from himmel.studio.auth import Keys
from himmel.studio.factors import MANY, PENDING_SECONDS, Factors, forget_factors, link_of, picture_of, step_of
from himmel.studio.tables import recovery_codes, totp
from himmel.studio.tries import TRIES

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
RFC_CODES = {  # the last six of the eight figures in appendix B, for SHA-1
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}


@pytest.fixture
def clock():
    return [1_700_000_000.0]


@pytest.fixture
def ring(database, tmp_path):
    return Keys(database, tmp_path)


@pytest.fixture
def anna(ring):
    return ring.caller(f"Bearer {ring.create('anna')}").account_id


@pytest.fixture
def factors(database, ring, clock):
    return Factors(database, ring.pepper, lambda: clock[0])


@pytest.fixture
def app(factors, anna, clock):
    """Codes are on; a way to read the app, some steps of 30 seconds from now."""
    factors.begin(anna)
    secret = factors.pending(anna)
    app = lambda steps=0: pyotp.TOTP(secret).at(clock[0] + 30 * steps)  # noqa: E731
    app.recovery = factors.enable(anna, app())
    app.secret = secret
    return app


@pytest.mark.parametrize(("at", "code"), RFC_CODES.items())
def test_the_codes_are_those_of_the_rfc(at, code):
    assert step_of(RFC_SECRET, code, at) == at // 30
    assert step_of(RFC_SECRET, f" {code[:3]} {code[3:]} ", at + 30) == at // 30
    assert step_of(RFC_SECRET, code, at + 60) is None
    if at > 100:  # the clock of the RFC has no time before
        assert step_of(RFC_SECRET, code, at - 30) == at // 30
        assert step_of(RFC_SECRET, code, at - 60) is None


@pytest.mark.parametrize("code", ["", "28708", "2870822", "abcdef", "-87082", "²87082²", "x" * 10_000, "28708\0"])
def test_what_is_no_code_is_none(code):
    assert step_of(RFC_SECRET, code, 59) is None


def test_figures_of_full_width_are_figures():
    assert step_of(RFC_SECRET, "２８７０８２", 59) == 1


def test_nothing_is_asked_before_a_right_code(factors, anna, clock):
    assert factors.pending(anna) is None
    factors.begin(anna)
    first = factors.pending(anna)
    with pytest.raises(BadRequest, match="not right"):
        factors.enable(anna, "000000")
    assert not factors.is_on(anna) and factors.codes_left(anna) == 0
    factors.begin(anna)
    assert factors.pending(anna) != first
    clock[0] += PENDING_SECONDS + 1
    assert factors.pending(anna) is None
    with pytest.raises(BadRequest, match="begin again"):
        factors.enable(anna, "000000")


def test_a_code_is_good_once_and_none_before_it_ever_again(factors, anna, app, clock):
    with pytest.raises(SignInRefused):
        factors.check(anna, app())  # the one that turned codes on
    clock[0] += 90
    assert factors.check(anna, app(1)) == "code"  # an app that is ahead
    for steps in (1, 0, -1):
        with pytest.raises(SignInRefused, match="used already"):
            factors.check(anna, app(steps))
    clock[0] += 60
    assert factors.check(anna, app()) == "code"


@pytest.mark.parametrize("steps", [-2, 2])
def test_two_steps_off_is_too_far(factors, anna, app, clock, steps):
    clock[0] += 300
    with pytest.raises(SignInRefused):
        factors.check(anna, app(steps))


def test_recovery_codes_are_good_once_each_and_kept_as_hashes(factors, anna, app, database):
    assert len(set(app.recovery)) == MANY == factors.codes_left(anna)
    with database.read() as connection:
        kept = str(connection.execute(select(recovery_codes)).all()) + str(connection.execute(select(totp)).all())
    assert app.secret not in kept and not any(code in kept or code.replace("-", "") in kept for code in app.recovery)
    for code in (app.recovery[0], app.recovery[1].upper().replace("-", " ")):
        assert factors.check(anna, code) == "recovery code"
        with pytest.raises(SignInRefused):
            factors.check(anna, code)
    assert factors.codes_left(anna) == MANY - 2
    new = factors.renew_codes(anna)
    assert factors.codes_left(anna) == MANY
    with pytest.raises(SignInRefused):
        factors.check(anna, app.recovery[2])
    assert factors.check(anna, new[2]) == "recovery code"


def test_codes_of_others_are_nobodys(factors, anna, app, ring, clock):
    boris = ring.caller(f"Bearer {ring.create('boris')}").account_id
    clock[0] += 60
    for code in (app(), app.recovery[0], ""):
        with pytest.raises(SignInRefused):
            factors.check(boris, code)
    with pytest.raises(BadRequest):
        factors.renew_codes(boris)
    assert factors.check(anna, app()) == "code"


def test_guessing_ends_is_noted_and_waiting_helps(factors, anna, app, database, clock):
    clock[0] += 60
    for _ in range(TRIES):
        with pytest.raises(SignInRefused, match="not right"):
            factors.check(anna, "000000")
    for code in (app(), app.recovery[0]):
        with pytest.raises(SignInRefused, match="too many"):
            factors.check(anna, code)
    with database.read() as connection:
        assert [row.subject for row in entries(connection) if row.act == "codes.guessed"] == [anna]
    clock[0] += 3601
    assert factors.check(anna, app()) == "code"


def test_another_secret_of_the_server_opens_nothing(app, anna, database, clock):
    clock[0] += 60
    with pytest.raises(SignInRefused, match="ask its operator"):
        Factors(database, b"another", lambda: clock[0]).check(anna, app())


def test_an_operator_takes_everything_away(factors, anna, app, database):
    assert forget_factors(database, anna, "local:op") == {"totp": 1, "recovery_codes": MANY, "passkeys": 0}
    assert not factors.is_on(anna) and factors.codes_left(anna) == 0
    with database.read() as connection:
        last = entries(connection)[-1]
    assert (last.who, last.act, last.subject) == ("local:op", "factors.forgotten", anna)


def test_turning_codes_off_and_on_again_makes_another_secret(factors, anna, app):
    with pytest.raises(BadRequest, match="on already"):
        factors.begin(anna)
    factors.disable(anna)
    factors.begin(anna)
    assert not factors.is_on(anna) and factors.pending(anna) != app.secret


def test_the_picture_holds_the_link_and_no_styles():
    link = link_of(RFC_SECRET, "anna <b>", "studio.test")
    assert link.startswith("otpauth://totp/Himmel:anna%20%3Cb%3E%20%40%20studio.test?") and RFC_SECRET in link
    picture = picture_of(link)
    assert picture.startswith("<svg") and "style" not in picture and "#fff" in picture
