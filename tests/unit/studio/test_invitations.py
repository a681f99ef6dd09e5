"""Invitations: one comes in, nobody else; and which accounts they may be made for."""

import threading
import time

import pytest

from himmel.errors import ApiError, BadRequest
from himmel.studio import invitations
from himmel.studio.auth import Keys
from himmel.studio.database import Database
from himmel.studio.passwords import Passwords


@pytest.fixture
def keys(database_url, tmp_path):
    database = Database(database_url or f"sqlite:///{tmp_path / 'himmel.sqlite3'}")
    database.migrate()
    made = Keys(database, tmp_path)
    made.create("anna")
    yield made
    database.close()


def test_of_two_who_come_at_once_one_is_let_in(keys):
    secret, came, sent_away = invitations.invite(keys, "boris"), [], []

    def come(password_hash):
        try:
            came.append((invitations.accept(keys, secret, password_hash), password_hash))
        except ApiError as error:
            sent_away.append(error.status)

    threads = [threading.Thread(target=come, args=(f"hash {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(came) == 1 and sent_away == [404] * 3
    [(account_id, kept)] = came
    with keys.database.read() as connection:
        found = connection.exec_driver_sql("select account_id, hash from passwords").all()
    assert [tuple(row) for row in found] == [(account_id, kept)]


def test_only_who_has_not_come_gets_another_link(keys):
    secret = invitations.invite(keys, "boris")
    account_id, name, _ = invitations.invited(keys, secret)
    assert name == "boris" and invitations.open_until(keys.list(account_id)) > time.time() + 6 * 86400
    again = invitations.renew(keys, account_id, 1)
    with pytest.raises(ApiError, match="not good"):
        invitations.invited(keys, secret)
    assert invitations.open_until(keys.list(account_id)) < time.time() + 2 * 86400
    Passwords(keys.database).change(account_id, "", "a long night in june")
    with pytest.raises(BadRequest, match="has come"):
        invitations.renew(keys, account_id)
    with pytest.raises(ApiError, match="not good"):  # a password came by another way: the link opens nothing more
        invitations.accept(keys, again, "hash")
    keyed = keys.caller(f"Bearer {keys.create('carla')}").account_id
    with pytest.raises(BadRequest, match="has come"):
        invitations.renew(keys, keyed)
    with pytest.raises(ApiError, match="no account"):
        invitations.renew(keys, "acct_x")


@pytest.mark.parametrize("secret", ["", "x", "a" * 16 + "." + "b" * 43, "é"])
def test_other_links_lead_nowhere(keys, secret):
    with pytest.raises(ApiError) as refused:
        invitations.accept(keys, secret, "hash")
    assert refused.value.status == 404


def test_a_key_is_no_invitation(keys):
    whole = keys.create("anna")
    with pytest.raises(ApiError, match="not good"):
        invitations.accept(keys, whole.removeprefix("himmel_"), "hash")
    assert keys.caller(f"Bearer {whole}")  # and it goes on
