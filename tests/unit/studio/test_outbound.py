"""Which addresses strangers can make us talk to: none of ours, in whatever spelling."""

import http.server
import ipaddress
import socket
import threading
from contextlib import contextmanager

import pytest

from himmel.errors import ApiError
from himmel.studio.outbound import Outbound, is_public

FORGED = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://192.168.1.1:8000/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:c0a8:101::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[ff02::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://203.0.113.5/",
]


@pytest.mark.parametrize("url", FORGED)
def test_forged_addresses_are_not_reached(url, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was made"))
    for scheme in ("http", "https"):
        with pytest.raises(ApiError) as refused:
            Outbound(schemes=("http", "https")).get(url.replace("http", scheme, 1))
        assert refused.value.status == 400


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "//x", "https://", "x", "http://[::1/"])
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(ApiError):
        Outbound().check(url)


def test_user_names_in_addresses_are_refused():
    with pytest.raises(ApiError):
        Outbound().check("https://user:secret@8.8.8.8/")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_the_open_internet_is_allowed(address):
    # Mapped and translated addresses are what they hold inside, or refused; never let in by their spelling alone.
    found = ipaddress.ip_address(address)
    assert is_public(found) or found.version == 6


def test_one_private_address_among_several_is_enough_to_refuse(monkeypatch):
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(ApiError, match="not on the open internet"):
        Outbound().check("https://two-faced.example/")


@contextmanager
def listening(answer):
    """A small server on this machine; ``answer`` gets the handler."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def near(**options):
    """A client that may reach this machine, for these tests alone."""
    return Outbound(allowed=lambda _: True, schemes=("http",), **options)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    seen = []

    def answer(handler):
        seen.append(handler.headers["host"])
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"hello")

    real = socket.getaddrinfo
    with listening(answer) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        once = iter([real("127.0.0.1", port, type=socket.SOCK_STREAM)])
        asked = []

        def resolve(host, *rest, **more):
            asked.append(host)
            return next(once) if host == "changes.example" else real(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        found = near().get(f"http://changes.example:{port}/")
    assert (found.status, found.content) == (200, b"hello")
    assert asked.count("changes.example") == 1
    assert seen == [f"changes.example:{port}"]


def test_redirects_are_not_followed():
    def answer(handler):
        handler.send_response(302)
        handler.send_header("location", "http://127.0.0.1:1/")
        handler.end_headers()

    with listening(answer) as url:
        assert near().get(url).status == 302


def test_too_much_is_not_read():
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"x" * 100_000)

    with listening(answer) as url, pytest.raises(ApiError, match="too much"):
        near(limit=1000).get(url)
