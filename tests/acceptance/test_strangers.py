"""What strangers may send to a running server: everything is answered, and nobody waits for them."""

import base64
import json
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import quote

import httpx2
import pytest
import uvicorn
from bombs import bombs, clip, picture

from himmel.studio.app import make_app, too_many_connections
from himmel.studio.connections import Connections
from himmel.studio.http import protocol
from himmel.studio.server import Server
from himmel.studio.settings import Settings

SOON = 0.5  # seconds: the server's deadlines here
PATIENCE = 20.0  # seconds, after which a test gives up
MOST = 100  # connections of an address; this machine may have more
PROMPT = {"prompt": "a cat", "seconds": "1", "size": "64x48"}


class Target:
    """A running server, and ways to be rude to it."""

    def __init__(self, server, port):
        self.server, self.port = server, port
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
        self.client.headers["authorization"] = f"Bearer {server.keys.create('anna')}"

    @contextmanager
    def socket(self, first=b"", small=False):
        with socket.socket() as connection:
            if small:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(PATIENCE)
            connection.connect(("127.0.0.1", self.port))
            connection.sendall(first)
            yield connection

    def said(self, first):
        """All that the server says to these bytes before it ends the connection."""
        with self.socket(first) as connection:
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def head(self, *headers, path="/v1/videos", kind="application/json"):
        lines = [f"POST {path} HTTP/1.1", "host: x", f"authorization: {self.client.headers['authorization']}"]
        lines += [f"content-type: {kind}", *headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def post(self, content, kind="application/json", path="/v1/videos"):
        return self.client.post(path, content=content, headers={"content-type": kind})


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), model="fake", body_seconds=SOON)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server.opened(settings)
    config = uvicorn.Config(
        make_app(server),
        port=port,
        http=protocol(SOON, SOON, Connections(MOST), too_many_connections(server)),
        log_level="error",
        lifespan="off",
        timeout_keep_alive=1,
    )
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    while not serving.started:
        time.sleep(0.01)
    yield Target(server, port)
    serving.should_exit = True
    thread.join()
    server.database.close()


def code_of(answer):
    error = answer.json()["error"]
    assert error["message"] and error["type"] and answer.headers["x-request-id"]
    return error["code"]


def test_bombs_are_answered_in_every_form(target):
    for name, kind, content in bombs():
        if kind == "clip":
            fields = {"prompt": "a dog", "model": "sora-2"}
            answer = target.client.post("/v1/videos/edits", data=fields, files={"video": ("a.mp4", content)})
        else:
            answer = target.client.post("/v1/videos", data=PROMPT, files={"input_reference": ("a.png", content)})
        assert answer.status_code in (400, 413), name
        assert code_of(answer).endswith(("image", "video", "too_large")), name
    _, _, content = next(bombs())
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    file = target.client.post("/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", content)}).json()
    for reference in ({"image_url": url}, {"file_id": file["id"]}):
        answer = target.client.post("/v1/videos", json=PROMPT | {"input_reference": reference})
        assert (answer.status_code, code_of(answer)) == (413, "image_too_large")


def test_what_is_kept_of_a_picture_is_a_clean_png(target):
    answer = target.client.post("/v1/videos", data=PROMPT, files={"input_reference": ("a.png", picture("JPEG"))})
    assert answer.status_code == 201
    leased = target.server.queue.claim("w")
    content = target.server.storage.read(leased.request["first_frame"])
    assert content.startswith(b"\x89PNG") and content != picture("JPEG")
    target.client.delete(f"/v1/videos/{answer.json()['id']}")


def test_the_largest_data_url_fits_in_json_and_in_a_form_and_a_larger_one_does_not(target):
    for size, status, code in ((20_971_520, 400, "invalid_image"), (20_971_524, 400, "invalid_value")):
        url = "data:image/png;base64,"
        url += "A" * (size - len(url)) if (size - len(url)) % 4 == 0 else "AA" + "A" * (size - len(url) - 2)
        asked = [target.client.post("/v1/videos", json=PROMPT | {"input_reference": {"image_url": url}})]
        form = PROMPT | {"input_reference[image_url]": url}
        asked.append(target.client.post("/v1/videos", data=form))
        asked.append(target.client.post("/v1/videos", files={name: (None, value) for name, value in form.items()}))
        assert [(answer.status_code, code_of(answer)) for answer in asked] == [(status, code)] * 3
    answer = target.client.post("/v1/videos", json=PROMPT | {"more": "x" * 22_000_000})
    assert (answer.status_code, code_of(answer)) == (413, "body_too_large")
    answer = target.client.post("/v1/batches", json={"metadata": {"more": "x" * 2_000_000}})
    assert (answer.status_code, code_of(answer)) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/webhook_endpoints", "/v1/batches", "/v1/files"])
@pytest.mark.parametrize(
    "content",
    [
        b'{"prompt": "a\\ud800"}',
        b'{"name": "\\u0000", "url": "https://8.8.8.8/", "event_types": ["video.failed"]}',
        b'{"prompt": NaN}',
        b'{"seed": ' + b"1" * 50_000 + b"}",
        b'{"a":' * 15_000 + b"1" + b"}" * 15_000,
        b'{"a": 1, "a": 2}',
        b'"\xff"',
        b"[" * 90_000,
    ],
    ids=["surrogate", "nul", "nan", "huge number", "deep", "twice", "no utf-8", "brackets"],
)
def test_strange_json_is_refused_everywhere(target, path, content):
    answer = target.post(content, path=path)
    assert answer.status_code in (400, 413)  # 413: files take no JSON of any size
    assert code_of(answer).startswith(("invalid", "body_too_large"))


BOUNDARY = "multipart/form-data; boundary=x"


def part(name, content="a", more=""):
    return f'--x\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n{content}\r\n'


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", part("prompt") + "--x--"),
        ("multipart/form-data; boundary=" + "x" * 300, part("prompt")),
        (BOUNDARY, "no part"),
        (BOUNDARY, "".join(part(f"f{n}") for n in range(5000)) + "--x--"),
        (BOUNDARY, "".join(part(f"f{n}", more='; filename="a"') for n in range(20)) + "--x--"),
        (BOUNDARY, part("x" * 1000) + "--x--"),
        (BOUNDARY, part("x" * 100_000) + "--x--"),
        (BOUNDARY, part("a[b][c][d]") + "--x--"),
        (BOUNDARY, part("[") + "--x--"),
        (BOUNDARY, part("a", more="\r\nx: y" * 1000) + "--x--"),
        (BOUNDARY, part("prompt", "a\0b") + "--x--"),
        (BOUNDARY, "--x\r\n\r\nno name\r\n--x--"),
        (BOUNDARY + "; charset=punycode", part("prompt", "a" * 500_000) + "--x--"),
        (BOUNDARY + "; charset*=utf-8''unicode_escape", part("prompt", "\\ud800") + "--x--"),
        ("application/x-www-form-urlencoded", "&".join(f"f{n}=1" for n in range(5000))),
        ("application/x-www-form-urlencoded", "prompt=a%00b"),
        ("application/x-www-form-urlencoded", "x" * 1000 + "=1"),
    ],
)
def test_strange_forms_are_refused(target, kind, content):
    answer = target.post(content.encode(), kind)
    assert (answer.status_code, code_of(answer)) in ((400, "invalid_form"), (400, "invalid_json"))


def test_names_of_files_name_nothing_here(target):
    names = ["../../etc/passwd", "C:\\boot.ini", "a\u202egpj.exe", "\x7f\x1b[31m", "..", "/", "x" * 5000, "a\r\nb"]
    for name in names:
        body = part("purpose", "vision") + part("file", "x", f'; filename="{quote(name, safe="/:. ")}"') + "--x--"
        raw = part("purpose", "vision") + part("file", "x", f'; filename="{name}"') + "--x--"
        for content in (body, raw):
            answer = target.post(content.encode(), BOUNDARY, "/v1/files")
            if answer.status_code == 400:  # the form itself cannot be read
                continue
            shown = answer.json()["filename"]
            assert answer.status_code == 200 and shown.isprintable() and 0 < len(shown) <= 200
            assert not set(shown) & set("/\\\u202e") and shown not in (".", "..")
            found = target.client.get(f"/v1/files/{answer.json()['id']}/content")
            assert found.content == b"x" and answer.json()["id"] in found.headers["content-disposition"]


IDS = [
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fpepper",
    "a%00b",
    "x" * 5000,
    "%ff",
    "%ed%a0%80",
    "'--",
    "%20",
]


@pytest.mark.parametrize("number", IDS)
@pytest.mark.parametrize(
    "path",
    ["/v1/videos/{}", "/v1/videos/{}/content", "/v1/files/{}", "/v1/files/{}/content", "/v1/batches/{}",
     "/v1/webhook_endpoints/{}", "/v1/models/{}"],
)  # fmt: skip
def test_ids_that_are_paths_find_nothing(target, number, path):
    told = (
        target.head(path=path.format(number)).replace(b"POST", b"GET").replace(b"host:", b"connection: close\r\nhost:")
    )
    head, _, body = target.said(told).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"404"), head
    assert json.loads(body)["error"]["message"]


def test_ids_in_bodies_and_queries_find_nothing(target):
    for number in ("../../pepper", "a\x01b", "x" * 5000, "\u202e"):
        reference = PROMPT | {"input_reference": {"file_id": number}}
        for answer in (
            target.client.post("/v1/videos", json=reference),
            target.client.post("/v1/videos/edits", json={"prompt": "a", "video": {"id": number}}),
            target.client.post(
                "/v1/batches",
                json={"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": number},
            ),
        ):
            assert answer.status_code in (400, 404)
        assert target.client.get("/v1/videos", params={"after": number}).status_code == 400
    assert target.client.get("/v1/videos?after=a%00b").status_code == 400


def test_heads_that_are_no_heads(target):
    for head in (
        b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        target.head("content-length: 1e3"),
        target.head("content-length: -1"),
        target.head("content-length: " + "9" * 5000),
        target.head("content-length: 1", "content-length: 2"),
        target.head("x: " + "y" * 100_000),
        *(target.head(f"authorization: {word}") for word in ("a\0b", "\x01")),
        b"\x16\x03\x01\x02\x00\x01",
    ):
        assert target.said(head).startswith(b"HTTP/1.1 400")


def test_tokens_that_are_no_ascii_are_unknown_tokens(target):
    for path in ("/workers/claim", "/v1/videos"):
        answer = target.client.post(
            path, json={"worker": "x"}, headers={"authorization": "Bearer \xff".encode("latin-1")}
        )
        assert answer.status_code == 401


def test_bodies_beyond_the_limit_are_refused_however_they_come(target):
    answer = target.said(target.head("content-length: 60000000", kind=BOUNDARY))
    assert answer.startswith(b"HTTP/1.1 413") and b"body_too_large" in answer
    answer = target.client.post("/v1/webhook_endpoints", content=iter([b'"' + b"x" * 60_000] * 3))
    assert (answer.status_code, code_of(answer)) == (413, "body_too_large")


def test_a_strangers_clip_is_not_read_before_it_is_known_who_sends_it(target):
    head = target.head("content-length: 900000000", path="/workers/jobs/x/result", kind=BOUNDARY)
    assert target.said(head).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("first", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-more: "])
def test_heads_that_do_not_end_are_not_waited_for(target, first):
    assert target.said(first) == b""


def test_a_second_head_that_does_not_end_is_not_waited_for(target):
    for second in (b"GET /", b"\r\n"):
        with target.socket(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n") as connection:
            assert b"200 OK" in connection.recv(65536)
            connection.sendall(second)
            while connection.recv(65536):  # until the server ends it, or the test's patience does
                pass


def test_a_head_that_drips_is_not_waited_for(target):
    with target.socket(b"GET /healthz HTTP/1.1\r\n") as connection:
        connection.settimeout(SOON / 10)
        began = time.monotonic()
        ended = False
        while not ended and time.monotonic() - began < PATIENCE:
            try:
                connection.sendall(b"x-a: b\r\n")
                ended = connection.recv(1000) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        assert ended


def test_bodies_that_do_not_end_are_answered(target):
    for head in (target.head("content-length: 1000"), target.head("transfer-encoding: chunked")):
        answer = target.said(head)
        assert answer.startswith(b"HTTP/1.1 408") and b"body_too_slow" in answer


def test_an_answer_that_nobody_reads_is_let_go(target):
    content = b"x" * 20_000_000
    file = target.client.post("/v1/files", data={"purpose": "user_data"}, files={"file": ("a", content)}).json()
    head = target.head(path=f"/v1/files/{file['id']}/content").replace(b"POST", b"GET")
    with target.socket(head, small=True) as connection:
        assert connection.recv(100)
        time.sleep(4 * SOON)
        got = 0
        try:
            while part := connection.recv(1 << 20):
                got += len(part)
        except ConnectionError:
            pass
        assert got < len(content)
    assert target.client.get(f"/v1/files/{file['id']}/content").content == content


def test_many_who_say_nothing_keep_nobody_waiting(target):
    crowd = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(200)]
    try:
        for number, connection in enumerate(crowd):
            connection.sendall(target.head("content-length: 1000") if number % 2 else b"GET / HT")
        assert target.client.post("/v1/videos", json=PROMPT).status_code == 201
    finally:
        for connection in crowd:
            connection.close()


def test_a_batch_of_strange_lines_is_refused_whole(target):
    good = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": PROMPT})
    for line in (
        good.replace("a cat", "a\\ud800"),
        good.replace('"1"', "NaN"),
        good.replace('"a"', '"' + "a" * 600 + '"'),
        good.replace('"a"', '"a\\u0000"'),
        good.replace('"POST"', '"POST", "method": "POST"'),
        good.replace("a cat", "x" * 23_000_000),
        "[" * 100_000,
    ):
        files = {"file": ("a.jsonl", f"{good.replace('a', 'b', 1)}\n{line}\n".encode())}
        file = target.client.post("/v1/files", data={"purpose": "batch"}, files=files).json()
        asked = {"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": file["id"]}
        batch = target.client.post("/v1/batches", json=asked).json()
        assert batch["status"] == "failed" and batch["errors"]["data"][0]["code"] == "invalid_line"


def test_no_sound_clip_no_edit(target):
    fields = {"prompt": "a dog", "model": "sora-2"}
    for content, status in ((clip(), 201), (clip()[:-300], 400), (b"some bytes", 400), (picture("PNG"), 400)):
        answer = target.client.post("/v1/videos/edits", data=fields, files={"video": ("a.mp4", content)})
        assert answer.status_code == status, answer.text
