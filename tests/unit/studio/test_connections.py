"""How many connections an address may have: counted by whose they are, and refused with an answer."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from http.client import HTTPResponse

import pytest
import uvicorn

from himmel.errors import BadRequest
from himmel.studio.app import make_app, too_many_connections
from himmel.studio.connections import ANSWERED, Connections
from himmel.studio.http import protocol
from himmel.studio.server import Server
from himmel.studio.settings import Settings

MOST = 3
ASK = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


def test_an_address_has_so_many_and_another_one_as_many_again():
    connections = Connections(2)
    assert [connections.opened("a") for _ in range(3)] == [True, True, False]
    assert connections.opened("b")
    connections.closed("a")
    connections.closed("a")
    assert connections.opened("a")
    for key in ("a", "a", "b"):
        connections.closed(key)
    assert not connections.open  # nothing is remembered of who has gone


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.1.2.3", None),
        ("192.0.2.1", None),
        (None, None),
        ("testclient", None),
    ],
)
def test_whose_a_connection_is(address, key):
    assert Connections(1, "10.0.0.0/8, 192.0.2.1").key(address) == key


def test_no_limit_and_everybody_trusted():
    assert Connections(0).key("198.51.100.7") is Connections(1, "*").key("2001:db8::1") is None


def test_proxies_that_are_no_addresses_are_refused():
    with pytest.raises(BadRequest, match="'trusted_proxies' is 'proxy.example'.*allowed: addresses"):
        Connections(1, "proxy.example")


class Near(Connections):
    """Counts this machine too, for these tests alone."""

    def key(self, address):
        return address


@pytest.fixture
def port(tmp_path):
    server = Server.opened(Settings(data_dir=tmp_path, model="fake", connections_per_address=MOST))
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    connections = Near(MOST)
    http = protocol(20.0, 20.0, connections, too_many_connections(server))
    serving = uvicorn.Server(uvicorn.Config(make_app(server), http=http, log_level="error", lifespan="off"))
    thread = threading.Thread(target=serving.run, args=([listener],), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    serving.should_exit = True
    thread.join()
    server.database.close()
    assert not connections.open


def answered(connection):
    """The status, headers and body of the answer to one question."""
    connection.sendall(ASK)
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.headers, json.loads(answer.read())


def test_one_too_many_is_told_and_ended_and_the_others_notice_nothing(port):
    with ExitStack() as crowd:
        first, *rest = (crowd.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(MOST))
        for connection in (first, *rest):
            assert answered(connection)[0] == 200
        with socket.create_connection(("127.0.0.1", port), 20) as more:
            status, headers, body = answered(more)
            assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "5")
            assert headers["x-request-id"].startswith("req_")
            assert body["error"]["code"] == "too_many_connections" and "has 3 connections" in body["error"]["message"]
            assert more.recv(10) == b""
        assert answered(first)[0] == 200
        first.close()
        until = time.monotonic() + 20
        while time.monotonic() < until:  # until the server has noticed that one is gone
            with socket.create_connection(("127.0.0.1", port), 20) as more:
                if answered(more)[0] == 200:
                    return
    raise AssertionError("a connection that was closed still counts")


def test_a_flood_is_ended_without_a_word(port):
    with ExitStack() as crowd:
        open_ones = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(MOST + ANSWERED + 5)
        ]
        for connection in open_ones[:MOST]:
            assert answered(connection)[0] == 200
        ends = []
        for connection in open_ones[-5:]:
            try:
                connection.sendall(ASK)
                ends.append(connection.recv(100))
            except ConnectionError:
                ends.append(b"")
        assert ends == [b""] * 5
