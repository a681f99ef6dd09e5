"""The first account's link, keys made by keys, what operators may do, and how fast a revoked key is nobody's."""

import httpx2
import pytest

from himmel.studio.app import make_app
from himmel.studio.audit import entries
from himmel.studio.auth import Terms
from himmel.studio.server import Server
from himmel.studio.settings import Settings

SMALL = {"prompt": "a cat", "seconds": "1", "size": "64x48"}


@pytest.fixture
def speak(idle):
    """A way to ask with the key of a name, or with a key that was made by hand."""

    def as_(name, terms=Terms(), key=None):  # noqa: B008
        key = key or idle.server.keys.create(name, terms)

        def ask(method, path, body=None):
            headers = {"authorization": f"Bearer {key}"}
            return httpx2.request(method, idle.address + path, headers=headers, json=body)

        ask.key = key
        return ask

    return as_


@pytest.fixture
def new(database_url, tmp_path):
    """A server without accounts."""
    server = Server.opened(Settings(data_dir=tmp_path / "data", model="fake", database_url=database_url))
    transport = httpx2.ASGITransport(make_app(server))
    yield server, httpx2.AsyncClient(transport=transport, base_url="http://himmel.test")
    server.database.close()


@pytest.mark.anyio
async def test_the_link_makes_the_owner_once(new):
    server, client = new
    link = f"/setup/{server.setup_token}"
    form = await client.get(link)
    assert form.status_code == 200 and '<form method="post"' in form.text
    assert "default-src 'none'" in form.headers["content-security-policy"]
    password = {"password": "a long night in june"}
    refused = await client.post(link, data={"name": "a/<b>", **password})
    assert refused.status_code == 400 and "a/&lt;b&gt;" in refused.text and "is no name" in refused.text
    short = await client.post(link, data={"name": "Anna B.", "password": "short"})
    assert short.status_code == 400 and not server.keys.any_account()
    made = await client.post(link, data={"name": "Anna B.", **password})
    assert (made.status_code, made.headers["location"]) == (303, "/create")
    visitor = server.sessions.visitor(made.cookies["himmel"])
    assert (visitor.name, visitor.caller.role) == ("Anna B.", "owner")
    for again in (await client.get(link), await client.post(link, data={"name": "mallory"})):
        assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.anyio
@pytest.mark.parametrize("token", ["x", "é", "a" * 5000, ""])
async def test_another_link_makes_nothing(new, token):
    server, client = new
    answer = await client.post(f"/setup/{token}", data={"name": "mallory"})
    assert answer.status_code == 404
    assert not server.keys.any_account()


def test_a_key_makes_lists_and_ends_keys(speak):
    anna = speak("anna")
    made = anna("POST", "/v1/keys", {"name": "client", "scopes": ["read"], "open_jobs": 1}).json()
    assert (made["object"], made["scopes"], made["open_jobs"], made["models"]) == ("key", ["read"], 1, None)
    child = speak("", key=made["key"])
    assert child("GET", "/v1/videos").status_code == 200
    assert child("POST", "/v1/videos", SMALL).json()["error"]["code"] == "scope_missing"
    listed = {row["id"]: row for row in anna("GET", "/v1/keys").json()["data"]}
    assert listed[made["id"]]["parent_id"] in listed and "key" not in {k for k, v in listed[made["id"]].items() if v}
    assert anna("DELETE", f"/v1/keys/{made['id']}").json() == {
        "id": made["id"],
        "object": "key.revoked",
        "revoked": True,
    }
    assert child("GET", "/v1/videos").json()["error"]["code"] == "invalid_api_key"
    assert anna("DELETE", f"/v1/keys/{made['id']}").status_code == 404


def test_a_key_that_a_key_made_looks_after_no_keys(speak):
    anna = speak("anna")
    child = speak("", key=anna("POST", "/v1/keys", {"name": "child"}).json()["key"])
    assert (
        child("POST", "/v1/keys", {"name": "grandchild"}).json()["error"]["message"].startswith("a key that was made")
    )
    assert child("GET", "/v1/keys").status_code == 403
    refused = anna("POST", "/v1/keys", {"name": "c", "scopes": ["fly"]})
    assert (refused.status_code, "allowed: read" in refused.json()["error"]["message"]) == (400, True)


def test_several_clips_of_one_request(speak, running):
    ask = speak("norma")
    first = ask("POST", "/v1/videos", {**SMALL, "n": 3, "seed": 41}).json()
    siblings = first["himmel"]["siblings"]
    assert (siblings[0], len(siblings)) == (first["id"], 3)
    seeds = [ask("GET", f"/v1/videos/{number}").json()["himmel"]["settings"]["seed"] for number in siblings]
    assert seeds == [41, 42, 43]
    limited = speak("norma", Terms(open_jobs=2))
    refused = limited("POST", "/v1/videos", {**SMALL, "n": 3})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_open")
    assert int(refused.headers["retry-after"]) > 0


def test_a_key_has_only_its_models(speak):
    ask = speak("anna", Terms(models=("papercut",)))
    assert ask("POST", "/v1/videos", SMALL).json()["error"]["code"] == "model_not_allowed"


def test_operators_look_after_others_and_see_no_prompts(idle, speak):
    owner, member = speak("anna"), speak("boris")
    job = member("POST", "/v1/videos", {**SMALL, "prompt": "a secret cat"}).json()["id"]
    accounts = {row["name"]: row for row in owner("GET", "/v1/admin/accounts").json()["data"]}
    assert (accounts["anna"]["role"], accounts["boris"]["role"]) == ("owner", "member")
    assert accounts["boris"]["queued"] >= 1
    jobs = owner("GET", "/v1/admin/jobs?limit=1000")
    assert job in jobs.text and "secret" not in jobs.text
    assert owner("POST", f"/v1/admin/jobs/{job}/cancel").json()["error_code"] == "cancelled"
    assert member("GET", f"/v1/videos/{job}").json()["error"]["code"] == "cancelled"
    path = f"/v1/admin/accounts/{accounts['boris']['id']}"
    assert owner("POST", path, {"weight": 2.0, "role": "operator"}).json()["weight"] == 2.0
    assert member("GET", "/v1/admin/jobs").status_code == 200  # an operator now
    assert member("POST", path, {"role": "owner"}).json()["error"]["code"] == "role_missing"
    mine = f"/v1/admin/accounts/{accounts['anna']['id']}"
    assert member("POST", mine, {"suspended": True}).json()["error"]["code"] == "role_missing"
    assert owner("POST", path, {"suspended": True}).json()["suspended_at"]
    assert member("GET", "/v1/videos").status_code == 401
    assert owner("POST", path, {"suspended": False, "role": "member"}).json()["suspended_at"] is None
    assert member("GET", "/v1/videos").status_code == 200


def test_the_last_owner_stays_one(own):
    owner = own.wire(own.client("anna"))
    [anna] = owner.get("/admin/accounts").json()["data"]
    for change in ({"role": "member"}, {"suspended": True}):
        refused = owner.post(f"/admin/accounts/{anna['id']}", json=change)
        assert (refused.status_code, "last owner" in refused.json()["error"]["message"]) == (400, True)


def test_an_account_that_is_not_there_is_said_to_be_so(speak):
    answer = speak("anna")("POST", "/v1/admin/accounts/acct_none", {"weight": 2.0})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "account_not_found")


def test_changing_an_account_reads_that_account_alone(idle, speak, monkeypatch):
    owner = speak("anna")
    boris = idle.server.keys.caller(f"Bearer {speak('boris').key}").account_id
    monkeypatch.setattr("himmel.studio.api_admin.list_accounts", lambda *_: pytest.fail("all accounts were read"))
    answer = owner("POST", f"/v1/admin/accounts/{boris}", {"weight": 1.0})
    assert (answer.status_code, answer.json()["name"], answer.json()["weight"]) == (200, "boris", 1.0)


def test_a_leaked_key_is_told_and_ends_without_anybody_else_noticing(idle, speak):
    leaked, other = speak("boris"), speak("boris")
    key_id = leaked.key.removeprefix("himmel_").partition(".")[0]
    for number in range(200):  # as a proxy on this machine tells them
        headers = {"authorization": f"Bearer {leaked.key}", "x-forwarded-for": f"198.51.100.{number}"}
        assert httpx2.get(f"{idle.address}/v1/models", headers=headers).status_code == 200
    idle.server.alarm.tell()
    with idle.server.database.read() as connection:
        alarms = [row.subject for row in entries(connection) if row.act == "key.alarm"]
    assert alarms == [key_id]
    assert other("DELETE", f"/v1/keys/{key_id}").status_code == 200
    assert leaked("GET", "/v1/models").status_code == 401
    assert other("GET", "/v1/models").status_code == 200


@pytest.fixture
def anyio_backend():
    return "asyncio"


def test_limits_stand_in_admin_and_hold(idle, speak):
    owner, maker = speak("anna"), speak("lim")
    [mine] = [row for row in owner("GET", "/v1/admin/accounts").json()["data"] if row["name"] == "lim"]
    assert (mine["weight"], mine["open_jobs"], mine["daily_seconds"], mine["used_seconds"]) == (1, None, None, 0)
    at = f"/v1/admin/accounts/{mine['id']}"
    changed = owner("POST", at, {"open_jobs": 1, "daily_seconds": 50.5}).json()
    assert (changed["open_jobs"], changed["daily_seconds"], changed["weight"]) == (1, 50.5, 1)
    assert maker("POST", "/v1/videos", SMALL).status_code == 201
    assert maker("POST", "/v1/videos", SMALL).json()["error"]["code"] == "too_many_open"
    changed = owner("POST", at, {"open_jobs": None, "weight": 2}).json()
    assert (changed["open_jobs"], changed["daily_seconds"], changed["weight"]) == (None, 50.5, 2)
    assert changed["used_seconds"] > 0
    for wrong in ({"open_jobs": -1}, {"open_jobs": 1.5}, {"daily_seconds": -1}, {"daily_seconds": "much"}):
        assert owner("POST", at, wrong).status_code == 400, wrong
    with idle.server.database.read() as connection:
        acts = [(row.act, row.details) for row in entries(connection) if row.subject == mine["id"]]
    assert [act for act, _ in acts][-3:] == ["account.limited", "account.changed", "account.limited"]
    assert "daily_seconds" not in acts[-1][1] and acts[-1][1]["open_jobs"] is None
