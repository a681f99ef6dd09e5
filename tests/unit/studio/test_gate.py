"""A gate lets some in, a few wait, and one account does not take all places."""

import threading

import pytest

from himmel import logs
from himmel.errors import ApiError
from himmel.studio.gate import Gate


def test_a_gate_lets_some_in_and_a_few_wait():
    gate = Gate("too many", places=1, waiting=1, seconds=60)
    leave, went = gate.enter(), threading.Event()

    def second():
        with gate.passed():
            went.set()

    thread = threading.Thread(target=second)
    thread.start()
    while gate._here.total() < 2:  # until the second one waits
        pass
    with pytest.raises(ApiError, match="too many; send it again") as refused, gate.passed():
        pass
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (503, "busy", 5)
    assert not went.is_set()
    leave()
    thread.join()
    assert went.is_set() and not gate._here


def test_who_waits_too_long_is_sent_away():
    gate = Gate("too many", places=1, waiting=1, seconds=0.01)
    with gate.passed(), pytest.raises(ApiError, match="send it again"), gate.passed():
        pass
    with gate.passed():  # whoever went away holds nothing
        pass


def test_one_account_does_not_take_all_places():
    gate = Gate("too many", places=3, each=2)
    with logs.about(account_id="boris"):
        ways_out = [gate.enter(), gate.enter()]
        with pytest.raises(ApiError):
            gate.enter()
    with logs.about(account_id="carla"):
        gate.enter()()
    for leave in ways_out:
        leave()
    with logs.about(account_id="boris"):
        gate.enter()()
