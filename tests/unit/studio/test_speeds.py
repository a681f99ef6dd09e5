"""What a second of clip costs: Turbo and the full model, many steps and few, and what nobody has asked for yet."""

import io

import pytest

from himmel.studio.jobs import find
from himmel.studio.server import Server
from himmel.studio.speeds import USUAL_SPEED, Way
from himmel.studio.videos import create_video
from himmel.studio.web_create import making_of
from himmel.studio.workers import Report

STUDENT = Report("w", "fake", turbo_steps=(1, 2, 4, 8))
ASKED = {"prompt": "a cat", "seconds": "2", "size": "64x48"}


@pytest.fixture
def students(server):
    """A worker is there whose model has Turbo."""
    server.workers.report(STUDENT)


@pytest.fixture
def took(server, caller):
    """A way to have a job made, which takes so many compute-seconds and is learned from."""

    def make(seconds, used, **asked):
        job = create_video(server, caller, ASKED | asked)
        claimed, began = server.queue.claim("w"), server.clock.now()
        server.queue.now = lambda: began + seconds
        with server.database.write() as connection:
            connection.exec_driver_sql(f"update jobs set started_at = {began} where id = '{job.id}'")
        details = {"settings": {"fps": 12, **used}}
        server.queue.finish(job.id, claimed.attempts, {"video": server.storage.put(io.BytesIO(b"x"))}, details)
        server.queue.now = server.clock.now
        with server.database.read() as connection:
            server.speeds.learn(find(connection, job.id))
        return job.request

    return make


FULL, TURBO = {"steps": 12, "guidance": 2.0, "turbo": False}, {"steps": 4, "guidance": 1.0, "turbo": True}


def test_turbo_and_the_full_model_are_measured_apart(server, students, took):
    full, turbo = took(24.0, FULL, turbo=False), took(4.0, TURBO)
    for known in (server, Server.opened(server.settings)):
        if known is not server:  # after a new start workers tell it again
            known.workers.report(STUDENT)
        assert (known.cost_of(full), known.cost_of(turbo)) == (pytest.approx(24.0), pytest.approx(4.0))
        assert known.cost_of(turbo | {"negative_prompt": "fog"}) == pytest.approx(24.0)  # Turbo knows no such thing
    known.database.close()


def test_what_nobody_asked_for_yet_is_reckoned_from_its_steps(server, students, took):
    turbo = took(4.0, TURBO)
    assert server.cost_of(turbo | {"steps": 8}) == pytest.approx(8.0)
    assert server.cost_of(turbo | {"turbo": False}) == pytest.approx(24.0)  # 12 steps, each taken twice
    assert server.cost_of(turbo | {"turbo": False, "steps": 6, "guidance": 1}) == pytest.approx(6.0)
    full = took(20.0, FULL, turbo=False)
    assert server.cost_of(full | {"steps": 24}) == pytest.approx(40.0)  # the full model's own are nearer than Turbo's
    assert server.speeds.of("another", Way(False, True, None)) == USUAL_SPEED


def test_a_worker_that_tells_no_settings_is_learned_from_too(server, took):
    assert server.cost_of(took(10.0, {"steps": 0, "guidance": 1.0})) == pytest.approx(10.0)


def test_a_form_that_says_nothing_of_use_leaves_it_open():
    for steps, guidance in (("many", ""), ("0", "nan"), ("9" * 400, "-1")):
        assert making_of({"steps": steps, "guidance": guidance}) == {"turbo": None, "negative_prompt": ""}
    assert making_of({"steps": "8", "turbo": "false"}) == {"steps": 8, "turbo": False, "negative_prompt": ""}
