"""Keys are shown once, checked, and revoked at once."""

import pytest

from himmel.errors import ApiError, BadRequest
from himmel.studio.auth import Keys
from himmel.studio.database import Database, keys


@pytest.fixture
def ring(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    database.migrate()
    yield Keys(database, tmp_path)
    database.close()


def test_a_key_speaks_for_its_account_until_it_is_revoked(ring):
    key, other = ring.create("anna"), ring.create("anna")
    caller = ring.caller(f"Bearer {key}")
    assert caller.account_id == ring.caller(f"Bearer {other}").account_id
    assert ring.revoke(caller.key_id)
    with pytest.raises(ApiError, match="revoked"):
        ring.caller(f"Bearer {key}")
    assert not ring.revoke(caller.key_id)
    assert ring.caller(f"Bearer {other}").role == "owner"


def test_the_first_account_is_the_owners(ring):
    assert not ring.any_account()
    roles = [ring.caller(f"Bearer {ring.create(name)}").role for name in ("anna", "boris")]
    assert roles == ["owner", "member"]
    assert ring.any_account()


def test_a_stolen_database_holds_no_key(ring, tmp_path):
    key = ring.create("anna")
    with ring.database.read() as connection:
        row = connection.execute(keys.select()).one()
    assert key.partition(".")[2] not in str(row)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(ApiError):
        Keys(ring.database, tmp_path / "elsewhere").caller(f"Bearer {key}")
    assert (tmp_path / "pepper").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "x" * 81, "a/b", "a\nb"])
def test_names_that_cannot_be_are_refused(ring, name):
    with pytest.raises(BadRequest):
        ring.create(name)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer himmel_x.y", "Basic abc"])
def test_no_key_is_no_caller(ring, header):
    with pytest.raises(ApiError) as refused:
        ring.caller(header)
    assert refused.value.status == 401
