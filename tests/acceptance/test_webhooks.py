"""Webhooks, as the stock client manages and verifies them."""

import http.server
import json
import threading

import httpx2
import openai
import pytest

from himmel.studio.outbound import Outbound
from himmel.studio.webhooks import PAUSES, Webhooks

SMALL = {"seconds": "1", "size": "64x48"}


class Post:
    """A target on this machine that keeps what it gets and answers with ``status``."""

    def __init__(self):
        self.got, self.status = [], 200
        post = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                post.got.append((dict(self.headers), body))
                self.send_response(post.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def post():
    post = Post()
    yield post
    post.server.shutdown()
    post.server.server_close()


@pytest.fixture
def hooks(idle, monkeypatch):
    """The server's webhooks, allowed to reach this machine, with a clock that can be set forward."""
    clock = {"ahead": 0.0}
    outbound = Outbound(allowed=lambda _: True, schemes=("http",))
    hooks = Webhooks(idle.server.database, outbound, now=lambda: __import__("time").time() + clock["ahead"])
    monkeypatch.setattr(idle.server, "webhooks", hooks)
    return hooks, clock


def endpoint(client, post, kinds=("video.completed", "video.failed")):
    return client.webhooks.create(name="mine", url=post.url, event_types=list(kinds))


def test_a_finished_job_is_told_and_the_client_believes_it(running, post, hooks):
    client = running.client("hooked")
    made = endpoint(client, post)
    video = client.videos.create_and_poll(prompt="a cat", **SMALL)
    assert hooks[0].deliver_due() == 1
    [(headers, body)] = post.got
    event = client.webhooks.unwrap(body, headers, secret=made.signing_secret)
    assert (event.type, event.data.id) == ("video.completed", video.id)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(body.replace(b"completed", b"failed"), headers, secret=made.signing_secret)
    assert hooks[0].deliver_due() == 0  # delivered once
    client.webhooks.delete(made.id)


def test_only_what_was_asked_for_is_told(idle, post, hooks):
    client = idle.client("picky")
    made = endpoint(client, post, ["video.completed"])
    idle.client("stranger").videos.delete(idle.client("stranger").videos.create(prompt="a cat", **SMALL).id)
    client.videos.delete(client.videos.create(prompt="a cat", **SMALL).id)  # cancelled: failed
    assert hooks[0].deliver_due() == 0
    client.webhooks.delete(made.id)


def test_an_endpoint_that_fails_is_tried_again_and_then_laid_aside(idle, post, hooks):
    client = idle.client("stubborn")
    made = endpoint(client, post)
    client.videos.delete(client.videos.create(prompt="a cat", **SMALL).id)
    post.status = 500
    assert hooks[0].deliver_due() == 1
    assert hooks[0].deliver_due() == 0  # not at once
    hooks[1]["ahead"] += PAUSES[0] * 1.3
    assert hooks[0].deliver_due() == 1
    for _ in PAUSES:
        hooks[1]["ahead"] += 2 * max(PAUSES)
        hooks[0].deliver_due()
    hooks[1]["ahead"] += 100 * max(PAUSES)
    assert hooks[0].deliver_due() == 0
    assert len(post.got) == len(PAUSES) + 1
    post.status = 200
    headers = {"authorization": f"Bearer {client.api_key}"}
    answer = httpx2.post(f"{idle.address}/v1/webhook_endpoints/{made.id}/replay", headers=headers)
    assert answer.json()["replayed"] == 1
    assert (hooks[0].deliver_due(), hooks[0].deliver_due()) == (1, 0)
    assert len(post.got) == len(PAUSES) + 2
    client.webhooks.delete(made.id)


def test_endpoints_are_managed_as_the_client_does_it(idle, post, hooks):
    client, other = idle.client("manager"), idle.client("other-manager")
    made = endpoint(client, post)
    assert made.signing_secret.startswith("whsec_")
    seen = client.webhooks.retrieve(made.id)
    assert (seen.url, seen.signing_secret_hint[-4:]) == (post.url, made.signing_secret[-4:])
    assert client.webhooks.update(made.id, name="renamed").name == "renamed"
    assert [row.id for row in client.webhooks.list()] == [made.id]
    assert list(other.webhooks.list()) == []
    for call in (other.webhooks.retrieve, other.webhooks.delete, other.webhooks.rotate_secret):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    assert client.webhooks.test(made.id, event_type="video.completed").status_code == 200
    assert client.webhooks.event_types.list().data == ["video.completed", "video.failed"]
    assert client.webhooks.delete(made.id).deleted


def test_lists_of_endpoints_are_pages(idle, post, hooks):
    client = idle.client("much-hooked")
    made = [endpoint(client, post).id for _ in range(5)]
    seen = list(client.webhooks.list(limit=2))
    assert [each.id for each in seen] == made[::-1]
    assert not any("signing_secret" in each.model_dump(exclude_unset=True) for each in seen)
    for number in made:
        client.webhooks.delete(number)


def test_a_rotated_secret_replaces_the_old_one_or_stands_beside_it(idle, post, hooks):
    client = idle.client("rotator")
    made = endpoint(client, post)
    both = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    client.webhooks.test(made.id, event_type="video.failed")
    headers, body = post.got[-1]
    for secret in (made.signing_secret, both.signing_secret):
        assert json.loads(body)["type"] == client.webhooks.unwrap(body, headers, secret=secret).type
    alone = client.webhooks.rotate_secret(made.id)
    client.webhooks.test(made.id, event_type="video.failed")
    headers, body = post.got[-1]
    client.webhooks.unwrap(body, headers, secret=alone.signing_secret)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(body, headers, secret=both.signing_secret)
    client.webhooks.delete(made.id)


def test_targets_on_our_own_network_are_refused(idle):
    with pytest.raises(openai.BadRequestError, match="open internet"):
        idle.client().webhooks.create(name="x", url="https://169.254.169.254/", event_types=["video.failed"])
