"""The studio's pages over HTTP, as a browser without scripts uses them: journeys, and what strangers try."""

import io
import re
from pathlib import Path

import httpx2
import pytest
from PIL import Image

import himmel
from himmel.backends.fake import WORDS
from himmel.studio.app import PAGES
from himmel.studio.auth import Terms
from himmel.words import WordList

PAPERCUT = WordList.load(Path(himmel.__path__[0]) / "weights" / "papercut" / "words.json")
PASSWORD = "a long night in june"
NASTY = "a cat <script>alert(1)</script> \"'><img src=x onerror=alert(1)>"
SMALL = {"prompt": "a cat", "seconds": "1", "size": "64x48", "n": "1", "turbo": "false"}
LINKS = {"/s/{token}", "/s/{token}/{name}.{ending}"}  # for whoever has them, see test_studio_shown
OPEN = {"/", "/sign-in", "/theme", "/favicon.ico", "/static/{version}/{name}", "/invite/{token}"} | LINKS
OPEN |= {
    "/sign-in/code",
    "/sign-in/passkey",
    "/sign-in/passkey/challenge",
}  # see test_studio_codes and test_studio_passkey_answers


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone."""
    with serving("sqlite") as running:
        yield running


def routes():
    """(method, path) of every page."""
    found = [(method, route.path) for module in PAGES for route in module.router.routes for method in route.methods]
    return sorted((method, path) for method, path in found if method != "HEAD")


def filled(path, number):
    names = {"video_id": number, "name": "video", "ending": "mp4", "kept": "x", "account_id": "acct_x"}
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)


def test_from_a_prompt_to_the_library_without_scripts(running, browser):
    anna = browser("anna")
    number = anna.make(prompt="a cat on the beach", seed="7")
    assert "a cat on the beach" in anna.get("/queue").text
    page = anna.done(number)
    assert "<video" in page and re.search(r"<dt>Seed</dt><dd[^>]*>7</dd>", page)
    video = anna.get(f"/clips/{number}/video.mp4", headers={"range": "bytes=0-99"})
    assert (video.status_code, len(video.content), video.headers["content-type"]) == (206, 100, "video/mp4")
    for name, kind in (("thumbnail.webp", "WEBP"), ("sheet.jpg", "JPEG")):
        assert Image.open(io.BytesIO(anna.get(f"/clips/{number}/{name}").content)).format == kind
    assert anna.get(f"/clips/{number}/recipe.json").json()["himmel"]["seed"] == 7
    assert number in anna.get("/library?q=beach+CAT").text
    assert number not in anna.get("/library?q=moon").text


def test_what_a_clip_can_become(running, browser):
    anna = browser("anna")
    first = anna.make(seed="7", n="2")
    anna.done(first)
    made = [anna.post(f"/clips/{first}/{act}", fields).headers["location"].split("/")[-1] for act, fields in (
        ("again", {"seed": "same"}),
        ("again", {"seed": "new"}),
        ("remix", {"prompt": "a dog", "strength": "subtle"}),
        ("extend", {"prompt": "a dog", "seconds": "2"}),
    )]  # fmt: skip
    pages = [anna.done(number) for number in made]
    seeds = [re.search(r"<dt>Seed</dt><dd[^>]*>(\d+)</dd>", page)[1] for page in pages]
    assert seeds[0] == "7" != seeds[1]
    assert "0.35" in pages[2] and first in pages[2]
    assert "3 s" in pages[3] and first in pages[3]
    assert all(number in anna.get(f"/clips/{first}").text for number in made[2:])


def test_a_deleted_clip_can_be_brought_back(running, browser):
    anna = browser("anna")
    number = anna.make()
    anna.done(number)
    gone = anna.post(f"/clips/{number}/delete").headers["location"]
    assert anna.get(f"/clips/{number}").status_code == 404
    assert "Undo" in anna.get(gone).text
    assert browser("boris").post(f"/clips/{number}/restore").status_code == 404
    assert anna.post(f"/clips/{number}/restore").status_code == 303
    assert anna.get(f"/clips/{number}").status_code == 200


def test_a_form_that_comes_twice_makes_one_clip(browser):
    anna = browser("twice")
    once = {"once": "a" * 16}
    assert anna.make(**once) == anna.make(**once)
    assert anna.make(**once, prompt="a dog") != anna.make(**once)


def test_what_cannot_be_made_is_said_beside_the_form(browser):
    anna = browser("anna")
    answer = anna.post("/create", SMALL | {"seconds": "5000", "prompt": NASTY, "negative_prompt": "fog"})
    assert answer.status_code == 400 and "seconds must be between" in answer.text
    assert "fog" in answer.text and "&lt;script&gt;alert(1)" in answer.text


def test_what_is_wrong_is_said_in_the_language_of_the_page_or_marked_as_english(browser):
    anna = browser("anna")
    anna.wire.headers["accept-language"] = "de"
    assert 'role="alert">Die Länge muss zwischen' in anna.post("/create", SMALL | {"seconds": "0"}).text
    assert "Den Clip „none“ gibt es nicht." in anna.get("/clips/none").text
    gone = anna.post("/library/folder", {"folder": "none", "act": "delete"}).text
    assert '<span lang="en">there is no such folder</span>' in gone
    told = anna.post("/create", SMALL | {"seconds": "0"}, headers={"accept": "application/json"}).json()["error"]
    assert told["message"].startswith("Die Länge") and told["lang"] == "de" and told["code"] == "invalid_value"


def test_a_cancelled_clip_says_so_and_what_to_do(browser):
    anna = browser("cancels")
    number = anna.make()
    assert anna.post(f"/clips/{number}/cancel").status_code == 303
    assert "You stopped it" in anna.get("/queue").text


def test_nothing_typed_is_ever_run(running, browser):
    anna = browser("nasty")
    number = anna.make(prompt=NASTY)
    anna.done(number)
    for path in ("/create", f"/create?from={number}", "/queue", "/library", f"/clips/{number}", f"/clips/{number}/card",
                 "/library?q=%3Cscript%3Ealert(1)", "/create?prompt=%3Cscript%3Ealert(1)"):  # fmt: skip
        answer = anna.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text, path
        assert "unsafe" not in answer.headers["content-security-policy"]
        tags = re.sub(r'"[^"]*"', '""', answer.text)
        assert not re.search(r"<[^>]+\s(style|on\w+)=", tags), path


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in routes() if "{video_id}" in p])
def test_another_accounts_clip_is_not_there(idle, browser, method, path):
    number, boris = idle.client("owner-of-it").videos.create(**SMALL_OF_API).id, browser("boris")
    fields = {"prompt": "a cat", "seconds": "2", "seed": "same", "strength": "mild"}
    ask = boris.get if method == "GET" else lambda where: boris.post(where, fields)
    assert ask(filled(path, number)).status_code == 404
    assert boris.get(f"/create?from={number}").status_code == 404
    with idle.server.database.read() as connection:
        status = f"select status from jobs where id = '{number}' and deleted_at is null"
        assert connection.exec_driver_sql(status).scalar() == "queued"


SMALL_OF_API = {"prompt": "hidden words", "seconds": "1", "size": "64x48"}


@pytest.mark.parametrize("path", ["/create", "/queue", "/library", "/account", "/events/latest?since=1"])
def test_pages_show_nothing_of_others(idle, browser, path):
    number = idle.client("owner-of-it").videos.create(**SMALL_OF_API).id
    shown = browser("boris").get(path)
    assert shown.status_code == 200
    assert number not in shown.text and "hidden words" not in shown.text


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in routes() if p not in OPEN])
def test_nobody_sees_a_page_without_a_session(stranger, method, path):
    answer = stranger.wire.request(method, filled(path, "video_" + "0" * 32))
    assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in"), answer.text


@pytest.mark.parametrize("path", [p for m, p in routes() if m == "POST" and p not in OPEN])
def test_forms_of_others_are_refused(browser, path):
    anna = browser("anna")
    at = filled(path, anna.make())
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
    assert anna.post(at, headers=foreign).status_code == 403
    if path not in ("/create/words", "/create/look"):  # they change nothing
        assert anna.wire.post(at, data=SMALL).status_code == 403
        assert anna.wire.post(at, data=SMALL | {"word": browser("boris").word()}).status_code == 403


def test_a_session_is_no_key_and_a_key_no_session(idle, browser):
    anna = browser("anna")
    assert anna.get("/v1/videos").json()["error"]["code"] == "invalid_api_key"
    assert anna.wire.post("/v1/videos", json=SMALL_OF_API).status_code == 401
    key = idle.server.keys.create("anna")
    headers = {"authorization": f"Bearer {key}"}
    assert httpx2.get(f"{idle.address}/library", headers=headers).status_code == 401


def test_signing_in_gives_a_new_number_and_leads_nowhere_else(idle, stranger):
    stranger.wire.cookies.set("himmel", "a" * 43)
    form = {"key": idle.server.keys.create("anna"), "next": "//evil.test/x"}
    answer = stranger.wire.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/create")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "a" * 43 not in cookie
    stranger.wire.cookies.clear()
    assert stranger.wire.post("/sign-in", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize(("headers", "name"), [({"x-forwarded-proto": "https"}, "__Host-himmel"), ({}, "himmel")])
def test_the_cookie_of_a_session_is_for_this_host_and_no_script(idle, stranger, headers, name):
    form = {"key": idle.server.keys.create("anna")}
    cookie = stranger.wire.post("/sign-in", data=form, headers=headers).headers["set-cookie"]
    first, *others = cookie.lower().split("; ")
    assert first.startswith(f"{name.lower()}=") and len(first) > 40
    told = {other.partition("=")[0]: other.partition("=")[2] for other in others}
    assert told["path"] == "/" and told["samesite"] == "lax" and "httponly" in told and "domain" not in told
    assert ("secure" in told) == bool(headers)


def test_signing_out_ends_the_session_for_good(browser):
    anna = browser("anna")
    cookie = anna.wire.cookies["himmel"]
    assert anna.post("/sign-out").status_code == 303
    anna.wire.cookies.set("himmel", cookie)
    assert anna.get("/library").status_code == 303


def test_an_account_gets_a_password_and_signs_in_with_it(browser, stranger):
    dora = browser("dora")
    assert dora.post("/account/password", {"new": "short"}).status_code == 400
    assert dora.post("/account/password", {"new": PASSWORD}).status_code == 303
    wrong = stranger.wire.post("/sign-in", data={"name": "dora", "password": "wrong wrong wrong"})
    assert wrong.status_code == 403 and "not right" in wrong.text
    right = stranger.wire.post("/sign-in", data={"name": "dora", "password": PASSWORD, "next": "/queue"})
    assert right.headers["location"] == "/queue"
    assert stranger.make()  # jobs of a session without a key


def test_keys_are_made_and_ended_on_the_accounts_page(idle, browser):
    anna = browser("keys")
    made = anna.post("/account/keys", {"name": "render farm"}).text
    key = re.search(r"himmel_[0-9a-f]{16}\.[\w-]{43}", made)[0]
    caller = idle.server.keys.caller(f"Bearer {key}")
    assert key not in anna.get("/account").text and "render farm" in anna.get("/account").text
    assert browser("boris").post("/account/keys/revoke", {"key": caller.key_id}).status_code == 404
    assert anna.post("/account/keys/revoke", {"key": caller.key_id}).status_code == 303
    assert idle.client("keys") and "render farm" not in anna.get("/account").text


def test_words_that_the_model_does_not_know_are_told_as_one_types(idle, browser):
    anna, idle.server.words = browser("anna"), WORDS
    told = anna.wire.post("/create/words", json={"prompt": "a quokka on the beach"}).json()
    assert [(one["word"], one["nearest"]) for one in told["unknown"]] == [("quokka", ["kangaroo", "koala"])]
    estimate = anna.get("/create/estimate?seconds=4&n=2").json()["text"]
    assert re.fullmatch(r"Costs about .+ of computing · ready in .+", estimate)


def test_presets_and_paces_are_offered_as_far_as_the_model_knows_them(idle, browser, monkeypatch):
    monkeypatch.setattr(idle.server, "words", PAPERCUT)
    anna = browser("dressed")
    assert 'data-insert="slowly"' in anna.get("/create").text and "quickly" not in anna.get("/create").text
    told = anna.wire.post("/create/look", json={"look": "film-noir", "prompt": "猫が浜辺にいる。"}).json()
    assert told == {"prompt": "猫が浜辺にいる、夜に、雨の中、固定カメラ。", "notes": []}
    told = anna.wire.post("/create/look", json={"look": "film-noir", "prompt": "a cat at sunset"}).json()
    assert told["prompt"] == "a cat at sunset, in the rain, static camera" and "its own light" in told["notes"][0]
    assert anna.wire.post("/create/look", json={"look": "none"}).status_code == 400
    monkeypatch.setattr(idle.server, "words", None)
    told = anna.wire.post("/create/look", json={"look": "reveal", "prompt": "Katze"}, headers={"accept-language": "de"})
    assert told.json()["prompt"] == "Katze, bei Tageslicht, Kamera zoomt heraus"


def test_events_tell_what_changed_and_again_after_a_break(idle, browser):
    anna = browser("events")
    before = idle.server.queue.now()
    number = anna.make()
    with anna.wire.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        told = next(line for line in lines if line.startswith("id: "))
        assert number in next(line for line in lines if line.startswith("data: "))
    idle.worker().work_once()
    anna.post(f"/clips/{number}/cancel")
    missed = {"last-event-id": told.removeprefix("id: ")}
    with anna.wire.stream("GET", "/events", headers=missed) as stream:
        data = next(line for line in stream.iter_lines() if line.startswith("data: "))
    assert number in data and ("failed" in data or "completed" in data)
    latest = anna.get(f"/events/latest?since={before}").json()
    assert [clip["id"] for clip in latest["clips"]] == [number]


def test_a_narrow_key_sees_and_leaves_but_makes_nothing(idle, browser):
    narrow = browser("narrow", Terms(scopes=("read",)))
    assert narrow.get("/library").status_code == 200
    for path, fields in (("/create", SMALL), ("/account/keys", {"name": "more"}), ("/account/sessions/end", {})):
        assert narrow.post(path, fields).status_code == 403
    assert narrow.post("/sign-out").status_code == 303
