"""Pages: where forms may come from, where links may lead, which cookie, and how errors look."""

import errno
from unittest.mock import Mock

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.requests import Request

from himmel.errors import ApiError, ForeignForm, NotSignedIn
from himmel.studio import web_queue
from himmel.studio.app import make_app
from himmel.studio.web import HEADERS, came_from, check_origin, cookie_name, page, safe_path, trouble
from himmel.studio.web_static import FILES, PACKED


def request(headers=None, scheme="http", path="/library", query=b""):
    told = [(name.encode(), value.encode()) for name, value in ({"host": "sky.test"} | (headers or {})).items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": told, "state": {}}
    return Request(scope | {"scheme": scheme, "server": ("sky.test", 80)})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"origin": "http://sky.test"},
        {"origin": "https://sky.test"},  # a proxy speaks https
    ],
)
def test_forms_come_from_here(headers):
    check_origin(request(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.test"},
        {"origin": "http://sky.test.evil.test"},
        {"origin": "http://sky.test:8001"},
        {"sec-fetch-site": "cross-site", "origin": "http://sky.test"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://["},
    ],
)
def test_forms_from_elsewhere_are_refused(headers):
    with pytest.raises(ForeignForm):
        check_origin(request(headers))


@pytest.mark.parametrize("path", ["/queue", "/clips/video_ab", "/library?q=a%20cat&before=3", "/"])
def test_one_may_go_on_to_pages_of_ours(path):
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", None, "https://evil.test", "//evil.test", "/\\evil.test", "/a\\b", "\\\\evil", "/a\r\nx: y", "javascript:1",
     "/a b", "queue", "/é", "/" + "a" * 600],
)  # fmt: skip
def test_one_goes_nowhere_else(path):
    assert safe_path(path) == "/create"


def test_the_cookie_is_bound_to_the_host_where_browsers_can():
    assert cookie_name(request(scheme="https")) == "__Host-himmel"
    assert cookie_name(request()) == "himmel"


def test_what_was_typed_is_shown_and_never_run():
    made = page(
        request(),
        "sign_in.html",
        next="/create",
        problem="<script>1</script>",
        name='"><b>',
        empty=False,
        passkey=False,
    )
    text = made.body.decode()
    assert "<script>1" not in text and "&lt;script&gt;1" in text
    assert '"><b>' not in text


def test_pages_load_nothing_from_elsewhere_and_nothing_inline():
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy and "style-src 'self';" in policy
    for name, content in FILES.items():
        if name.endswith((".css", ".js")):
            assert b"http://" not in content and b"https://" not in content, name


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back():
    asked = request({"accept": "text/html"}, query=b"q=cat")
    answer = trouble(asked, NotSignedIn())
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Flibrary%3Fq%3Dcat")


@pytest.mark.parametrize(("referer", "path"), [("http://sky.test/queue?x=1", "/queue"), ("http://[", "/create")])
def test_one_goes_back_to_where_one_came_from_if_it_is_an_address(referer, path):
    assert came_from(request({"referer": referer})) == path


def test_errors_are_pages_for_people_and_json_for_scripts():
    error = ApiError(404, "video_not_found", "there is no video '<b>'")
    shown = trouble(request({"accept": "text/html"}), error)
    assert shown.status_code == 404 and "&lt;b&gt;" in shown.body.decode()
    told = trouble(request({"accept": "application/json"}), error)
    assert told.status_code == 404 and b'"message"' in told.body


@pytest.fixture
def wire(server, caller):
    """A browser that is signed in and was told to speak German."""
    with TestClient(make_app(server), headers={"accept": "text/html"}, follow_redirects=False) as wire:
        wire.cookies.update({"himmel": server.sessions.begin(caller.account_id, "a browser"), "language": "de"})
        yield wire


@pytest.mark.parametrize(
    ("path", "above"), [("/library/act", "/library"), ("/clips/video_1/remix", "/clips/video_1"), ("/theme", "/")]
)
def test_where_a_form_led_to_is_loaded_again_as_its_page(wire, path, above):
    answer = wire.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, above)
    assert wire.get(path, headers={"accept": "*/*"}).status_code == 405


@pytest.mark.parametrize(
    ("fault", "status", "german", "code"),
    [
        (OperationalError("select", {}, Exception("gone")), 503, "Die Datenbank des Servers", "database_unavailable"),
        (TimeoutError("no connection"), 503, "Der Server hat gerade zu viel zu tun", "database_busy"),
        (RuntimeError("a mistake"), 500, "Der Server hat einen Fehler gemacht", "internal_error"),
        (OSError(errno.ENOSPC, "full"), 507, "Der Speicher des Ser", "storage_full"),
    ],
)
def test_whatever_goes_wrong_is_a_page_for_people(wire, monkeypatch, fault, status, german, code):
    monkeypatch.setattr(web_queue, "latest", Mock(side_effect=fault))
    shown = wire.get("/queue")
    assert shown.status_code == status and german in shown.text and '<html lang="de"' in shown.text
    assert ("retry-after" in shown.headers) == (status != 500)
    told = wire.get("/queue", headers={"accept": "application/json"})
    assert (told.status_code, told.json()["error"]["code"]) == (status, code)


def test_what_is_not_there_is_told_in_the_language_that_was_chosen(wire):
    answer = wire.get("/nowhere")
    assert answer.status_code == 404 and "Unter dieser Adresse ist nichts" in answer.text


def test_scripts_are_small():
    assert sum(len(content) for name, content in PACKED.items() if name.endswith(".js")) < 60_000
