"""Sessions: a number that only the browser has, ended by hand, by time, with the key, or with the account."""

import time

import pytest
from sqlalchemy import select, update

from himmel.errors import NotSignedIn
from himmel.studio.accounts import change_account
from himmel.studio.auth import Keys, Terms
from himmel.studio.sessions import IDLE_SECONDS, Sessions
from himmel.studio.tables import accounts, sessions


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
