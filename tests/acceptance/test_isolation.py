"""Every route of the application, tried with another account's objects, with no key, and with keys of few scopes.

The routes are read from the application itself: one that is added and not thought of here fails.
"""

import io
import re
from dataclasses import dataclass

import httpx2
import pytest
from PIL import Image

from himmel.studio.app import ROUTES as ROUTERS
from himmel.studio.auth import Terms
from himmel.studio.characters import keep_character

EVENTS = ["video.completed"]
OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/setup/{token}"}  # for whoever asks
WORKERS = "/workers/"
OPERATORS = "/v1/admin/"
# What a route is given, besides the id in its path, so that nothing but the account is wrong.
BODIES = {
    "/v1/videos/{video_id}/remix": {"prompt": "a cat"},
    "/v1/webhook_endpoints/{endpoint_id}": {"name": "mine now"},
    "/v1/webhook_endpoints/{endpoint_id}/test": {"event_type": "video.completed"},
}
IDS_IN_BODIES = {
    "/v1/videos": lambda own: [
        {"prompt": "a cat", "input_reference": {"file_id": own.file}},
        {"prompt": "Zoe waves", "characters": [{"id": own.character}]},
    ],
    "/v1/videos/edits": lambda own: [{"prompt": "a cat", "video": {"id": own.video}}],
    "/v1/videos/extensions": lambda own: [{"prompt": "a cat", "seconds": "4", "video": {"id": own.video}}],
    "/v1/batches": lambda own: [
        {"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": own.file},
    ],
}


def routes():
    """(method, path) of everything that the application answers."""
    found = [(method, route.path) for module in ROUTERS for route in module.router.routes for method in route.methods]
    return sorted((method, path) for method, path in found if method not in ("HEAD", "OPTIONS"))


ROUTES = routes()
OWNED = [(method, path) for method, path in ROUTES if path not in OPEN and not path.startswith(WORKERS)]


@dataclass
class Own:
    """One of everything that an account can have, by id."""

    video: str
    character: str
    file: str
    batch: str
    endpoint: str
    key: str
    model: str = "papercut"
    account: str = ""
    job: str = ""

    def in_path(self, path):
        """The path with these ids in it."""
        names = {"video_id": self.video, "character_id": self.character, "file_id": self.file, "batch_id": self.batch}
        names |= {"endpoint_id": self.endpoint, "key_id": self.key, "account_id": self.account, "job_id": self.video}
        names["number"] = "0"  # of a job's characters
        return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "orange").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def idle(request, serving):
    """A server of our own: what lies about here must not meet other tests."""
    with serving(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def anna(idle):
    """Another account's objects."""
    client = idle.client("anna")
    ask = asker(idle, client.api_key)
    video = client.videos.create(prompt="a cat", seconds="1", size="64x48").id
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": {"prompt": "a cat"}}'
    file = client.files.create(file=("lines.jsonl", line), purpose="batch").id
    batch = client.batches.create(endpoint="/v1/videos", completion_window="24h", input_file_id=file).id
    clip = idle.server.storage.put(io.BytesIO(b"a clip"))
    caller = idle.server.keys.caller(f"Bearer {client.api_key}")
    character = keep_character(idle.server.database, caller, "Zoe", clip).id
    endpoint = ask("POST", "/v1/webhook_endpoints", {"name": "a", "url": "https://1.1.1.1/", "event_types": EVENTS})
    key = ask("POST", "/v1/keys", {"name": "child"})
    assert (endpoint.status_code, key.status_code) == (200, 201)
    return Own(video, character, file, batch, endpoint.json()["id"], key.json()["id"], account=caller.account_id)


def asker(idle, key):
    def ask(method, path, body=None):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.request(method, idle.address + path, headers=headers, json=body)

    return ask


@pytest.fixture(scope="module")
def boris(idle):
    return asker(idle, idle.server.keys.create("boris"))


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in OWNED if "{" in p and "{model}" not in p])
def test_another_accounts_object_is_not_there(anna, boris, method, path):
    answer = boris(method, anna.in_path(path), BODIES.get(path))
    if path.startswith(OPERATORS):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role_missing")
    else:
        assert answer.status_code == 404, answer.text
        assert answer.json()["error"]["code"].endswith("_not_found")


@pytest.mark.parametrize("path", sorted(IDS_IN_BODIES))
def test_another_accounts_object_is_not_there_in_a_body_either(anna, boris, path):
    for body in IDS_IN_BODIES[path](anna):
        answer = boris("POST", path, body)
        assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("path", [p for m, p in OWNED if m == "GET" and "{" not in p and not p.startswith(OPERATORS)])
def test_lists_show_nothing_of_others(anna, boris, path):
    answer = boris("GET", path)
    assert answer.status_code == 200
    shown = answer.text
    for number in (anna.video, anna.character, anna.file, anna.batch, anna.endpoint, anna.key):
        assert number not in shown


def test_nothing_of_anna_was_changed(idle, anna, boris):
    questions = [
        ("jobs", "status", anna.video, "queued"),
        ("jobs", "deleted_at", anna.video, None),
        ("files", "deleted_at", anna.file, None),
        ("webhook_endpoints", "name", anna.endpoint, "a"),
        ("keys", "revoked_at", anna.key, None),
    ]
    with idle.server.database.read() as connection:
        for table, column, number, expected in questions:
            found = connection.exec_driver_sql(f"select {column} from {table} where id = '{number}'").scalar()
            assert found == expected, (table, column)


@pytest.mark.parametrize(("method", "path"), OWNED)
def test_nobody_gets_in_without_a_key(idle, anna, method, path):
    answer = asker(idle, None)(method, anna.in_path(path.replace("{model}", "fake")), {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in ROUTES if p.startswith(WORKERS)])
def test_a_key_is_no_workers_token(anna, boris, method, path):
    answer = boris(method, anna.in_path(path), {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_worker_token")


@pytest.fixture(scope="module")
def narrow(idle):
    """A key of each single scope."""
    keys = idle.server.keys
    return {scope: asker(idle, keys.create("carl", Terms(scopes=(scope,)))) for scope in ("read", "create", "manage")}


@pytest.mark.parametrize(("method", "path"), OWNED)
def test_every_route_asks_for_its_scope(anna, narrow, method, path):
    managing = path.startswith(("/v1/webhook", "/v1/keys"))
    needed = (
        "manage" if managing else "operate" if path.startswith(OPERATORS) else "read" if method == "GET" else "create"
    )
    for scope, ask in narrow.items():
        answer = ask(method, anna.in_path(path.replace("{model}", "fake")), BODIES.get(path, {}))
        refused = answer.status_code == 403 and answer.json()["error"]["code"] == "scope_missing"
        assert refused == (scope != needed), (scope, answer.text)
