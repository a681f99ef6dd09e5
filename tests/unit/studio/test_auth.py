"""Keys are shown once, checked, and revoked at once."""

import time

import pytest
from sqlalchemy import update

from himmel.errors import ApiError, BadRequest
from himmel.studio.auth import Keys, Terms
from himmel.studio.queue import Queue
from himmel.studio.tables import accounts, keys


@pytest.fixture
def ring(database, tmp_path):
    return Keys(database, tmp_path)


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


def bearer(key):
    return f"Bearer {key}"


def refusal(call, *arguments):
    with pytest.raises(ApiError) as refused:
        call(*arguments)
    return refused.value.status, refused.value.code


def test_a_key_has_only_its_scopes_and_models(ring):
    caller = ring.caller(bearer(ring.create("anna", Terms(scopes=("read", "operate"), models=("fake",)))))
    caller.check_scope("read")
    caller.check_scope("operate")  # the first account is the owner's
    caller.check_model("fake")
    assert refusal(caller.check_scope, "create") == (403, "scope_missing")
    assert refusal(caller.check_model, "papercut") == (403, "model_not_allowed")
    member = ring.caller(bearer(ring.create("boris")))
    member.check_scope("create")
    assert refusal(member.check_scope, "operate") == (403, "role_missing")


def test_a_key_expires(ring):
    key = ring.create("anna", Terms(expires_at=time.time() + 1000))
    ring.caller(bearer(key))
    with ring.database.write() as connection:
        connection.execute(update(keys).values(expires_at=time.time() - 1))
    assert refusal(ring.caller, bearer(key)) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("address", "good"),
    [("10.1.2.3", True), ("2001:db8::5", True), ("::ffff:10.9.9.9", True), ("11.0.0.1", False), ("", False),
     (None, False), ("::1", False)],
)  # fmt: skip
def test_a_key_comes_from_its_addresses_only(ring, address, good):
    key = ring.create("anna", Terms(addresses=("10.0.0.0/8", "2001:db8::/32")))
    if good:
        ring.caller(bearer(key), address)
    else:
        assert refusal(ring.caller, bearer(key), address) == (403, "address_not_allowed")


def test_a_suspended_account_has_no_good_key(ring):
    anna, boris = ring.create("anna"), ring.create("boris")
    with ring.database.write() as connection:
        connection.execute(update(accounts).where(accounts.c.name == "boris").values(suspended_at=1.0))
    ring.caller(bearer(anna))
    assert refusal(ring.caller, bearer(boris)) == (401, "invalid_api_key")


PARENT = Terms(scopes=("read", "create"), models=("fake",), addresses=("10.0.0.0/8",), expires_at=2e9, open_jobs=5,
               daily_seconds=100.0)  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [{"scopes": ("manage",)}, {"models": ("papercut",)}, {"addresses": ("10.1.0.0/16", "0.0.0.0/0")},
     {"expires_at": 3e9}, {"open_jobs": 6}, {"daily_seconds": 100.5}],
)  # fmt: skip
def test_a_child_cannot_be_given_more_than_its_parent_has(ring, more):
    parent = ring.caller(bearer(ring.create("anna", PARENT)), "10.0.0.1")
    with pytest.raises(BadRequest):
        ring.create_child(parent, "child", Terms(**more))


def test_a_child_has_what_its_parent_has_and_ends_with_it(ring):
    parent = ring.caller(bearer(ring.create("anna", PARENT)), "10.0.0.1")
    key = ring.create_child(parent, "child", Terms(addresses=("10.1.0.0/16",), open_jobs=2))
    child = ring.caller(bearer(key), "10.1.0.1")
    assert (child.account_id, child.parent_id) == (parent.account_id, parent.key_id)
    assert child.terms == Terms(
        scopes=("read", "create"), models=("fake",), addresses=("10.1.0.0/16",), expires_at=2e9, open_jobs=2,
        daily_seconds=100.0,
    )  # fmt: skip
    with pytest.raises(BadRequest, match="no further ones"):
        ring.create_child(child, "grandchild", Terms())
    assert ring.revoke(parent.key_id)
    assert refusal(ring.caller, bearer(key), "10.1.0.1") == (401, "invalid_api_key")
    assert refusal(ring.holder, child.key_id) == (401, "invalid_api_key")


@pytest.mark.parametrize("terms", [{"scopes": ("fly",)}, {"addresses": ("nowhere",)}, {"open_jobs": -1}])
def test_terms_that_cannot_be_are_refused(terms):
    with pytest.raises(BadRequest):
        Terms(**terms)


def test_only_one_is_the_first(ring):
    ring.create("anna", only_first=True)
    with pytest.raises(BadRequest, match="already"):
        ring.create("mallory", only_first=True)


@pytest.fixture
def family(ring):
    """A queue with a clock that stands still, a parent and two children of it."""
    parent = ring.caller(bearer(ring.create("anna", Terms(open_jobs=3, daily_seconds=100.0))))
    made = [ring.create_child(parent, name, Terms(open_jobs=2)) for name in ("one", "two")]
    time = [1e6]
    queue = Queue(ring.database, 30, most_queued=100, now=lambda: time[0])
    queue.clock = time
    return queue, parent, [ring.caller(bearer(key)) for key in made]


def ask(queue, caller, cost=1.0, n=1):
    return queue.accept(caller.account_id, [{}] * n, cost, key_id=caller.key_id)


def test_a_key_has_so_many_jobs_at_a_time_its_children_counted(family):
    queue, parent, (one, two) = family
    assert refusal(ask, queue, one, 1.0, 3) == (429, "too_many_open")
    ask(queue, one, n=2)
    assert refusal(ask, queue, one) == (429, "too_many_open")
    last = ask(queue, two)
    assert refusal(ask, queue, two) == (429, "too_many_open")  # the parent's three are taken
    assert refusal(ask, queue, parent) == (429, "too_many_open")
    queue.cancel(last.id, parent.account_id)
    ask(queue, parent)


def test_a_key_uses_so_many_seconds_a_day_as_measured(family):
    queue, parent, (one, two) = family
    ask(queue, one, cost=90.0)
    assert refusal(ask, queue, two, 20.0) == (429, "budget_used_up")
    job = queue.claim("w")
    queue.clock[0] += 10  # it took 10 seconds instead of 90
    queue.finish(job.id, job.attempts, {}, {})
    ask(queue, two, cost=85.0)
    with pytest.raises(ApiError) as refused:
        ask(queue, parent, cost=20.0)
    assert refused.value.retry_after == 24 * 3600 - 10
    queue.clock[0] += 24 * 3600
    ask(queue, parent, cost=20.0)


def test_a_key_that_was_revoked_meanwhile_gets_no_job(ring, family):
    queue, _, (one, _) = family
    ring.revoke(one.key_id)
    assert refusal(ask, queue, one) == (401, "invalid_api_key")
    assert queue.claim("w") is None
