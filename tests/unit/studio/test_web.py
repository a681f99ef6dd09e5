"""Pages: where forms may come from, where links may lead, which cookie, and how errors look."""

import pytest
from starlette.requests import Request

from himmel.errors import ApiError, ForeignForm, NotSignedIn
from himmel.studio.web import HEADERS, check_origin, cookie_name, page, safe_path, trouble
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


def test_errors_are_pages_for_people_and_json_for_scripts():
    error = ApiError(404, "video_not_found", "there is no video '<b>'")
    shown = trouble(request({"accept": "text/html"}), error)
    assert shown.status_code == 404 and "&lt;b&gt;" in shown.body.decode()
    told = trouble(request({"accept": "application/json"}), error)
    assert told.status_code == 404 and b'"message"' in told.body


def test_scripts_are_small():
    assert sum(len(content) for name, content in PACKED.items() if name.endswith(".js")) < 60_000
