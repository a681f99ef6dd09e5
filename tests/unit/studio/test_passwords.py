"""Passwords: kept as argon2id hashes, refused without a hint, and not to be guessed at for long."""

import pytest
from sqlalchemy import select

from himmel.errors import BadRequest, SignInRefused
from himmel.studio.auth import Keys
from himmel.studio.passwords import WRONG, Passwords
from himmel.studio.tables import accounts, passwords
from himmel.studio.tries import TRIES, TRIES_SECONDS

GOOD = "a long night in june"


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def book(database, tmp_path, clock):
    book = Passwords(database, lambda: clock[0])
    Keys(database, tmp_path).create_first("anna", book.hashed(GOOD))
    return book


def test_a_password_lets_its_account_in_and_is_kept_as_a_hash(book, database):
    with database.read() as connection:
        account = connection.scalar(select(accounts.c.id))
        kept = connection.scalar(select(passwords.c.hash))
    assert book.account_of("anna", GOOD, "::1") == account
    assert kept.startswith("$argon2id$") and GOOD not in kept


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("boris", GOOD), ("anna", ""), ("", "x" * 10_000)])
def test_what_is_wrong_is_refused_with_the_same_words(book, name, password):
    with pytest.raises(SignInRefused, match=WRONG):
        book.account_of(name, password, "::1")


@pytest.mark.parametrize("password", ["short", "x" * 501])
def test_some_are_no_passwords(book, password):
    with pytest.raises(BadRequest, match="10 to 500 characters"):
        book.hashed(password)


def test_guessing_ends_and_waiting_helps(book, clock, monkeypatch):
    monkeypatch.setattr(book, "_is_good", lambda given, known: given == GOOD)  # each takes 50 ms
    for _ in range(TRIES):
        with pytest.raises(SignInRefused, match=WRONG):
            book.account_of("anna", "a guess at it", "192.0.2.1")
    with pytest.raises(SignInRefused, match="too many"):
        book.account_of("anna", GOOD, "192.0.2.2")
    with pytest.raises(SignInRefused, match="too many"):
        book.account_of("boris", GOOD, "192.0.2.1")
    clock[0] += TRIES_SECONDS + 1
    assert book.account_of("anna", GOOD, "192.0.2.1")


def test_changing_it_asks_for_the_present_one(book):
    account = book.account_of("anna", GOOD, "::1")
    with pytest.raises(BadRequest, match="present password"):
        book.change(account, "wrong", "another long one")
    book.change(account, GOOD, "another long one")
    assert book.account_of("anna", "another long one", "::1") == account
    with pytest.raises(SignInRefused):
        book.account_of("anna", GOOD, "::1")
