"""Turbo where no worker's model has it: refused when it is asked for, as far as the server can know."""

import pytest

from himmel.studio.retries import ask_again
from himmel.studio.workers import Report

SMALL = {"prompt": "a cat", "seconds": "1", "size": "64x48"}


@pytest.fixture
def wire(own):
    client = own.client()
    with own.wire(client) as wire:
        yield wire


def tell(own, name, steps, model="fake"):
    """A worker asks for a job, and gets none."""
    own.server.workers.report(Report(name, model, turbo_steps=None if steps is None else tuple(steps)))


def test_a_real_worker_says_what_its_model_has_and_turbo_is_refused(own, wire, refused):
    assert not own.worker().work_once()
    assert own.server.workers.turbo_steps("fake") == [()]
    error = refused(wire.post("/videos", json=SMALL | {"turbo": True}), 400, "turbo")
    assert error["code"] == "invalid_value"
    assert error["message"] == "turbo: the model 'fake' cannot do this as Turbo; take the full model"
    for turbo in (None, False):
        assert wire.post("/videos", json=SMALL | {"turbo": turbo}).status_code == 201
    assert wire.get("/videos").json()["data"][0]["status"] == "queued" and len(wire.get("/videos").json()["data"]) == 2


def test_what_turbo_has_not_learned_is_refused_too(own, wire, refused):
    tell(own, "attic", [1, 2, 4])
    assert wire.post("/videos", json=SMALL | {"turbo": True, "steps": 2}).status_code == 201
    for beyond in ({"steps": 3}, {"guidance": 2.0}, {"negative_prompt": "fog"}):
        error = refused(wire.post("/videos", json=SMALL | {"turbo": True} | beyond), 400, "turbo")
        assert "allowed: 1, 2, 4 steps, no guidance, no negative prompt" in error["message"]


@pytest.mark.parametrize("others", [[("old", None)], [("cellar", [4])], [("away", [4], "papercut")]])
def test_it_is_refused_only_where_no_worker_that_is_there_could(own, wire, others):
    tell(own, "attic", [])
    for other in others:
        tell(own, *other)
    may = others[0][-1] != "papercut"
    assert wire.post("/videos", json=SMALL | {"turbo": True}).status_code == (201 if may else 400)


def test_where_nobody_is_known_it_is_accepted(own, wire):
    assert wire.post("/videos", json=SMALL | {"turbo": True}).status_code == 201


def test_remakes_and_asking_again_are_held_to_it(own, wire, refused):
    number = wire.post("/videos", json=SMALL | {"turbo": True}).json()["id"]
    job = own.server.queue.claim("attic")
    own.server.queue.finish(job.id, job.attempts, {"video": "0" * 64}, {})
    tell(own, "attic", [])
    refused(wire.post(f"/videos/{number}/remix", json={"prompt": "a dog", "turbo": True}), 400, "turbo")
    caller = own.server.keys.caller(wire.headers["authorization"])
    with pytest.raises(Exception, match="cannot do this as Turbo"):
        ask_again(own.server, caller, job)
