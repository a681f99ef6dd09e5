"""Looking up names: in time or not at all, and never in more threads than there are places."""

import socket
import threading
import time

import pytest

from himmel import logs
from himmel.errors import ApiError
from himmel.studio import names
from himmel.studio.gate import Gate
from himmel.studio.outbound import Outbound


@pytest.fixture
def slow(monkeypatch):
    """Lookups that do not end until the test lets them, with two places and little patience."""
    over, inside = threading.Event(), []

    def look(host, *_, **__):
        inside.append(host)
        over.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    monkeypatch.setattr(names, "SECONDS", 0.05)
    monkeypatch.setattr(names, "_gate", Gate("too many names of hosts are looked up already", 2, each=1))
    yield over, inside
    over.set()


def lookups():
    return [thread for thread in threading.enumerate() if thread.name == "lookup"]


def asked(account, host):
    with logs.about(account_id=account), pytest.raises(ApiError) as refused:
        Outbound().check(f"https://{host}/")
    return refused.value


def test_a_name_that_takes_too_long_is_refused(slow):
    began = time.monotonic()
    error = asked("anna", "slow.example")
    assert (error.status, error.code, error.param) == (400, "url_not_reachable", "url")
    assert "too slowly" in str(error) and time.monotonic() - began < 5


def test_stuck_lookups_keep_their_places_and_no_more_threads_are_begun(slow):
    over, inside = slow
    assert asked("anna", "a.example").status == 400
    assert (asked("anna", "b.example").status, asked("boris", "c.example").status) == (503, 400)
    assert [asked(f"account {n}", "d.example").code for n in range(20)] == ["busy"] * 20
    assert (inside, len(lookups())) == (["a.example", "c.example"], 2)
    over.set()
    for thread in lookups():
        thread.join()
    Outbound().check("https://quick.example/")


def test_a_name_that_is_not_known_is_said_at_once_and_holds_nothing(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for _ in range(2 * names.OF_ONE_ACCOUNT):
        with pytest.raises(ApiError, match="'x.example' is not known"):
            Outbound().check("https://x.example/")
