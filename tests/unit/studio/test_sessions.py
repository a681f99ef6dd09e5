"""Sessions: a number that only the browser has, ended by hand, by time, with the key, or with the account."""

import time

import pytest
from sqlalchemy import select, update

from himmel.errors import NotConfirmed, NotSignedIn
from himmel.studio.accounts import change_account
from himmel.studio.auth import Keys, Terms
from himmel.studio.passwords import Passwords
from himmel.studio.sessions import FRESH_SECONDS, HALF_SECONDS, IDLE_SECONDS, Sessions, called
from himmel.studio.tables import accounts, half_sessions, sessions


@pytest.fixture
def clock():
    return [time.time()]


@pytest.fixture
def ring(database, tmp_path):
    return Keys(database, tmp_path)


@pytest.fixture
def book(database, clock):
    return Sessions(database, lambda: clock[0])


@pytest.fixture
def anna(ring):
    return ring.caller(f"Bearer {ring.create('anna')}").account_id


def test_a_session_speaks_for_its_account_and_is_kept_as_a_digest(book, anna, database):
    token = book.begin(anna, "a browser")
    visitor = book.visitor(token)
    assert (visitor.name, visitor.caller.account_id, visitor.caller.key_id) == ("anna", anna, None)
    with database.read() as connection:
        assert token not in str(connection.execute(select(sessions)).one())
    assert visitor.form_word not in token and visitor.form_word != book.visitor(book.begin(anna, "")).form_word


@pytest.mark.parametrize("token", ["", "x", "é" * 10, "a" * 10_000])
def test_other_tokens_are_nobodys(book, token):
    with pytest.raises(NotSignedIn):
        book.visitor(token)


def test_a_session_ends_by_hand_and_only_by_its_own_account(book, anna, ring):
    one, two = book.begin(anna, "one"), book.begin(anna, "two")
    boris = ring.caller(f"Bearer {ring.create('boris')}").account_id
    assert book.end(boris, book.visitor(one).session_id) == 0
    assert book.end(anna, but=book.visitor(one).session_id) == 1
    with pytest.raises(NotSignedIn):
        book.visitor(two)
    assert [row.device for row in book.of(anna)] == ["one"]


def test_a_session_ends_when_it_is_not_seen_for_long_and_lasts_when_it_is(book, anna, clock):
    token = book.begin(anna, "")
    for _ in range(3):
        clock[0] += IDLE_SECONDS - 10
        book.visitor(token)
    clock[0] += IDLE_SECONDS + 10
    with pytest.raises(NotSignedIn):
        book.visitor(token)


def test_a_session_of_a_key_can_do_what_the_key_can_and_ends_with_it(book, ring):
    key = ring.caller(f"Bearer {ring.create('carl', Terms(scopes=('read',)))}")
    token = book.begin(key.account_id, "", key.key_id)
    assert book.visitor(token).caller == key
    ring.revoke(key.key_id)
    with pytest.raises(NotSignedIn):
        book.visitor(token)


def test_a_suspended_account_is_signed_out(book, anna, ring, database):
    ring.create("boris")
    with database.write() as connection:
        connection.execute(update(accounts).where(accounts.c.name == "boris").values(role="owner"))
    token = book.begin(anna, "")
    change_account(database, anna, suspended=True)
    with pytest.raises(NotSignedIn):
        book.visitor(token)


def test_a_half_session_is_none_and_is_over_soon(book, anna, clock, database):
    half = book.begin_half(anna)
    assert book.half(half) == anna
    with pytest.raises(NotSignedIn):
        book.visitor(half)
    with pytest.raises(NotSignedIn):
        book.half(book.begin(anna, ""))
    book.end_half(half)
    for ended in (lambda: book.half(half), lambda: book.end_half(half)):
        with pytest.raises(NotSignedIn):
            ended()
    half = book.begin_half(anna)
    book.end(anna)  # everything of the account, as after a new password
    with pytest.raises(NotSignedIn):
        book.half(half)
    late = book.begin_half(anna)
    clock[0] += HALF_SECONDS + 1
    with pytest.raises(NotSignedIn):
        book.half(late)
    book.begin_half(anna)
    with database.read() as connection:
        assert len(connection.execute(select(half_sessions)).all()) == 1


def test_confirming_gives_another_token_and_holds_for_a_while(book, anna, clock):
    first = book.begin(anna, "")
    book.visitor(first).check_fresh()
    clock[0] += FRESH_SECONDS + 1
    stale = book.visitor(first)
    with pytest.raises(NotConfirmed):
        stale.check_fresh()
    second = book.renew(stale, "password")
    with pytest.raises(NotSignedIn):
        book.visitor(first)
    again = book.visitor(second)
    again.check_fresh()
    assert again.session_id == stale.session_id and again.form_word != stale.form_word
    book.end(anna)
    with pytest.raises(NotSignedIn):
        book.renew(again, "password")


def test_a_key_that_was_found_is_not_enough_to_change_how_one_signs_in(book, ring, anna, database):
    key = ring.caller(f"Bearer {ring.create('anna')}")
    assert book.visitor(book.begin(anna, "", key.key_id)).is_fresh  # there is nothing else yet
    Passwords(database).change(anna, "", "a long night in june")
    assert not book.visitor(book.begin(anna, "", key.key_id)).is_fresh


def test_sessions_end_with_their_passkey(book, anna):
    one, two = (book.begin(anna, "", passkey_id=name) for name in ("pass_a", "pass_b"))
    assert book.end(anna, passkey_id="pass_a") == 1
    assert book.visitor(two).caller.key_id is None
    with pytest.raises(NotSignedIn):
        book.visitor(one)


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge · Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Safari/605.1.15", "Safari · iPhone"),
        ("curl/8.0", "curl/8.0"),
        ("", ""),
    ],
)
def test_a_browser_is_called_by_what_people_know(device, name):
    assert called(device) == name
