"""Which addresses strangers can make us talk to: none of ours, in whatever spelling."""

import gzip
import http.server
import io
import ipaddress
import json
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from himmel.errors import ApiError
from himmel.studio.batches import NewBatch, advance_batches, create_batch, find_batch
from himmel.studio.files import find_file, keep_file
from himmel.studio.outbound import Outbound, is_public
from himmel.studio.server import Server
from himmel.studio.settings import Settings

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
    "http://0300.0250.1/",
    "http://0xa9fea9fe/",
    "http://0xA9.0xFE.0xA9.0xFE/",
    "http://0251.0376.0251.0376/",
    "http://3232235521/",
    "http://10.1/",
    "http://127.0.0.1./",
    "http://LocalHost.:80/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://１２７.0.0.1/",
    "http://ⓛocalhost/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%lo]/",
    "http://[::1%25lo]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::169.254.169.254]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000::0001]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:db8::1]/",
    "http://[100::1]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://192.88.99.1/",
    "http://0.1.2.3/",
    "http://user@127.0.0.1/",
    "http://8.8.8.8@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://8.8.8.8:80@127.0.0.1/",
    "http://127.0.0.1\\@8.8.8.8/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%2f@8.8.8.8/",
    "http://8.8.8.8\t@127.0.0.1/",
    "http://127.0.0.1\n/",
    "http://a..b/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 500 + "example/",
]


@pytest.mark.parametrize("url", FORGED)
def test_forged_addresses_are_not_reached(url, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was made"))
    for scheme in ("http", "https", "HTTPS"):
        with pytest.raises(ApiError) as refused:
            Outbound(schemes=("http", "https")).get(url.replace("http", scheme, 1))
        assert refused.value.status == 400


@pytest.mark.parametrize("url", FORGED)
def test_forged_addresses_are_no_targets_of_webhooks_and_no_pictures_in_a_batch(url, server):
    url = url.replace("http", "https", 1)
    caller = server.keys.caller(f"Bearer {server.keys.create('anna')}")
    account = caller.account_id
    with pytest.raises(ApiError):
        server.webhooks.create(account, "name", url, ["video.failed"])
    line = {"prompt": "a cat", "input_reference": {"image_url": url}}
    content = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": line}).encode()
    file = keep_file(server.database, server.storage, account, "a", "batch", io.BytesIO(content))
    wanted = NewBatch(endpoint="/v1/videos", completion_window="24h", input_file_id=file.id)
    batch = create_batch(server, caller, wanted)
    advance_batches(server)
    done = find_batch(server, account, batch.id)
    output = find_file(server.database, account, done.output_file_id)
    answer = json.loads(server.storage.read(output.digest))["response"]
    assert (answer["status_code"], answer["body"]["error"]["code"]) == (400, "url_not_reachable")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server.opened(Settings(data_dir=tmp_path_factory.mktemp("data"), model="fake"))
    yield server
    server.database.close()


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


def test_an_answer_that_drips_is_not_waited_for():
    over = threading.Event()

    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.02):
            handler.wfile.write(b"x-more: y\r\n")  # each line in time, the head never

    def dripping(handler):
        with suppress(OSError):
            answer(handler)

    with listening(dripping) as url, pytest.raises(ApiError, match="too slowly"):
        near(seconds=0.3).get(url)


def test_what_is_compressed_stays_so():
    bomb = gzip.compress(bytes(10_000_000))
    asked = []

    def answer(handler):
        asked.append(handler.headers["accept-encoding"])
        handler.send_response(200)
        handler.send_header("content-encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(bomb)

    with listening(answer) as url:
        assert near(limit=100_000).get(url).content == bomb
    assert asked == ["identity"]


def test_names_beyond_ascii_are_sent_as_the_web_writes_them(monkeypatch):
    real, seen = socket.getaddrinfo, []

    def answer(handler):
        seen.append(handler.headers["host"])
        handler.send_response(200)
        handler.end_headers()

    with listening(answer) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
        assert near().get(f"http://bücher.example:{port}/ä?ö#ü").status == 200
    assert seen == [f"xn--bcher-kva.example:{port}"]
