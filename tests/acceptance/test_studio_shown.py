"""Clips that others see: published on Explore, by a link, and two of one's own compared."""

import io
import re

import httpx2
import pytest
from PIL import Image

from himmel.studio.accounts import account_of_name, change_account, delete_account
from himmel.studio.tables import published, shares
from himmel.studio.web_explore import TOGETHER

NASTY = "a cat <script>alert(1)</script> \"'><img src=x onerror=alert(1)>"
FILES = ("video.mp4", "thumbnail.webp", "sheet.jpg", "recipe.json")


@pytest.fixture(scope="module")
def idle(serving, working):
    """A server for these tests alone, and a worker."""
    with serving("sqlite") as running, working(running):
        yield running


@pytest.fixture
def stranger(idle):
    """A browser without cookies."""
    with httpx2.Client(base_url=idle.address, headers={"accept": "text/html"}, timeout=60) as wire:
        yield wire


def finished(browser, **fields):
    number = browser.make(**fields)
    browser.done(number)
    return number


def publish(browser, number, act="publish"):
    answer = browser.post(f"/clips/{number}/publish", {"act": act})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/clips/{number}")


def link(browser, number):
    """The path of a new link to a clip."""
    page = browser.post(f"/clips/{number}/share").text
    return re.search(r'value="http://[^/"]+(/s/[\w-]{32})"', page)[1]


def shown(browser):
    return re.findall(r'data-clip="(video_[0-9a-f]{32})"', browser.get("/explore").text)


def harmless(answer):
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text and "<img src=x" not in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"<[^>]+\s(style|on\w+)=", re.sub(r'"[^"]*"', '""', answer.text))


def test_published_clips_are_every_members_and_nobody_elses_until_taken_back(browser, stranger):
    anna, boris = browser("anna"), browser("boris")
    number = finished(anna, prompt="a cat on the beach", seed="7", negative_prompt="fog")
    pages = [f"/explore/{number}", *(f"/explore/{number}/{name}" for name in FILES)]
    assert all(boris.get(path).status_code == 404 for path in pages)
    publish(anna, number)
    publish(anna, number)  # twice is once
    assert shown(boris) == [number] and "anna" in boris.get("/explore").text
    page = boris.get(pages[0]).text
    assert re.search(r"<dt>Seed</dt><dd[^>]*>7</dd>", page) and "fog" in page and "anna" in page
    for path in pages[1:]:
        answer = boris.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")
        assert stranger.get(path).headers["location"].startswith("/sign-in")
    known = {"if-none-match": boris.get(pages[1]).headers["etag"]}
    assert boris.get(pages[1], headers=known).status_code == 304
    assert boris.get(f"/clips/{number}").status_code == 404  # the maker's own page stays theirs
    assert boris.post(f"/clips/{number}/publish", {"act": "back"}).status_code == 404
    publish(anna, number, "back")
    assert all(boris.get(path).status_code == 404 for path in (*pages, f"/create?from={number}"))
    assert boris.get(pages[1], headers=known).status_code == 404
    assert shown(boris) == []


def test_what_is_deleted_or_of_a_suspended_member_is_not_shown(idle, browser, stranger):
    carl, boris = browser("carl"), browser("boris")
    number = finished(carl)
    publish(carl, number)
    path = link(carl, number)
    account = account_of_name(idle.server.database, "carl")
    looks = (lambda: boris.get(f"/explore/{number}/video.mp4"), lambda: stranger.get(path))
    for hidden in (True, False):
        change_account(idle.server.database, account, suspended=hidden)
        assert [look().status_code for look in looks] == [404 if hidden else 200] * 2
    carl.post(f"/clips/{number}/delete")
    assert [look().status_code for look in looks] == [404, 404]
    carl.post(f"/clips/{number}/restore")  # as it was
    assert [look().status_code for look in looks] == [200, 200]
    delete_account(idle.server.database, account)
    assert [look().status_code for look in looks] == [404, 404]
    with idle.server.database.read() as connection:
        assert not [row for table in (published, shares) for row in connection.execute(table.select())]


def test_others_remix_what_is_published_and_their_clip_is_theirs(browser):
    anna, boris = browser("anna"), browser("boris")
    number = finished(anna, prompt="a cat", seed="11")
    publish(anna, number)
    form = boris.get(f"/create?from={number}&keep=1").text
    assert "a cat</textarea>" in form and 'value="11"' in form
    made = boris.post(f"/explore/{number}/remix", {"prompt": "a dog", "strength": "subtle"}).headers["location"]
    page = boris.done(made.split("/")[-1])
    assert f"/explore/{number}" in page and "anna" in page  # who it comes from
    assert anna.get(made).status_code == 404
    publish(anna, number, "back")
    assert number not in boris.get(made).text
    assert boris.post(f"/explore/{number}/remix", {"prompt": "a fox"}).status_code == 404


def test_explore_has_pages_and_the_newest_is_first(idle, browser):
    dora = browser("dora")
    numbers = [finished(dora, prompt=f"a cat {count}") for count in range(3)]
    for number in numbers:
        publish(dora, number)
    assert shown(dora) == numbers[::-1]
    at = 2.0  # a crowd at one and the same time, long ago
    with idle.server.database.write() as connection:
        row = connection.exec_driver_sql(f"select * from jobs where id = '{numbers[0]}'").mappings().one()
        for count in range(TOGETHER):
            number = f"video_{count:032x}"
            new = {**row, "id": number, "number": 1000 + count, "idempotency_key": None}
            marks = ", ".join(f":{name}" for name in new)
            connection.exec_driver_sql(f"insert into jobs ({', '.join(new)}) values ({marks})", new)
            connection.execute(published.insert().values(job_id=number, published_at=at))
    older = re.search(r'href="(/explore\?before=[^"]+)"', dora.get("/explore").text)[1]
    rest = re.findall(r'data-clip="(video_[0-9a-f]{32})"', dora.get(older).text)
    assert rest == ["video_" + f"{count:032x}" for count in (2, 1, 0)]
    assert len({*shown(dora), *rest}) == TOGETHER + 3 and "before=" not in dora.get(older).text
    assert dora.get("/explore?before=x'").status_code == 400


def test_a_link_needs_no_account_and_ends_when_revoked(idle, browser, stranger):
    anna, boris = browser("anna"), browser("boris")
    number = finished(anna, prompt="a cat on the moon", seed="7")
    path, other = link(anna, number), link(anna, number)
    page = stranger.get(path)
    assert "a cat on the moon" in page.text and re.search(r"<dt>Seed</dt><dd[^>]*>7</dd>", page.text)
    assert "anna" not in page.text and "set-cookie" not in page.headers
    assert page.headers["content-security-policy"] == anna.get("/library").headers["content-security-policy"]
    for name in ("", *(f"/{name}" for name in FILES)):
        answer = stranger.get(path + name)
        assert answer.status_code == 200 and "noindex" in answer.headers["x-robots-tag"]
    assert stranger.get(f"{path}/clip.gif").status_code == 404
    part = stranger.get(f"{path}/video.mp4", headers={"range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)
    with idle.server.database.read() as connection:
        kept = str(connection.execute(shares.select()).all())
    assert path.split("/")[-1] not in kept and path not in anna.get(f"/clips/{number}").text
    first = re.findall(r'name="share" value="(share_\w+)"', anna.get(f"/clips/{number}").text)[0]
    assert boris.post(f"/clips/{number}/share/end", {"share": first}).status_code == 404
    assert boris.post(f"/clips/{number}/share").status_code == 404
    assert anna.post(f"/clips/{number}/share/end", {"share": first}).status_code == 303
    assert [stranger.get(path + name).status_code for name in ("", "/video.mp4")] == [404, 404]
    assert stranger.get(other).status_code == 200
    anna.post(f"/clips/{number}/delete")
    assert stranger.get(other).status_code == 404
    assert stranger.get("/s/" + "A" * 32).status_code == 404


def test_what_is_not_finished_is_not_shown(browser):
    anna = browser("anna")
    number = finished(anna)
    failed = anna.make(seconds="100")
    anna.post(f"/clips/{failed}/cancel")
    asked = [anna.post(f"/clips/{failed}/{act}") for act in ("publish", "share")]
    asked += [anna.get(f"/compare?a={a}&b={b}") for a, b in ((failed, number), (number, failed), (failed, ""))]
    assert [answer.status_code for answer in asked] == [400] * 5
    assert failed not in anna.get(f"/compare?a={number}").text


def test_two_clips_of_ones_own_are_compared(browser):
    anna, boris = browser("anna"), browser("boris")
    first, second = finished(anna, seed="5"), finished(anna, seed="6", prompt="a dog")
    page = anna.get(f"/compare?a={first}&b={second}").text
    assert page.index(first) < page.index(second) and page.count("<video") == 2
    assert re.search(r'class="differs"><th scope="row">Seed</th>\s*<td>5</td><td>6</td>', page)
    assert f"/compare?a={first}&amp;b={second}" in anna.get(f"/compare?a={first}").text
    told = {"act": "compare", "clip[]": [first, second], "back": "/library"}
    assert anna.post("/library/act", told).headers["location"] == f"/compare?a={first}&b={second}"
    assert anna.post("/library/act", told | {"clip[]": [first]}).status_code == 400
    own = finished(boris)
    publish(anna, first)  # to be seen on Explore, not here
    for path in (f"?a={first}&b={own}", f"?a={own}&b={first}", f"?a={first}"):
        assert boris.get(f"/compare{path}").status_code == 404
    assert boris.get("/compare").status_code == 400
    publish(anna, first, "back")


def test_nothing_typed_is_ever_run_where_others_see_it(browser, stranger):
    eve, boris = browser("eve"), browser("boris")
    number = finished(eve, prompt=NASTY, negative_prompt=NASTY)
    publish(eve, number)
    for path in ("/explore", f"/explore/{number}"):
        harmless(boris.get(path))
    harmless(stranger.get(link(eve, number)))
    harmless(eve.get(f"/compare?a={number}&b={number}"))
    harmless(eve.get(f"/compare?a={number}"))
    harmless(eve.get(f"/clips/{number}"))


def test_no_name_that_somebody_gives_is_ever_run(browser):
    mallory = browser("mallory")
    number = finished(mallory)
    assert mallory.post("/library/act", {"act": "move", "clip[]": [number], "new_folder": NASTY}).status_code == 303
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(picture, "PNG")
    form = {
        name: (None, value)
        for name, value in {
            "prompt": NASTY,
            "seconds": "1",
            "size": "64x48",
            "n": "1",
            "turbo": "false",
            "word": mallory.word(),
        }.items()
    }
    made = mallory.wire.post("/create", files={**form, "input_reference": (f"{NASTY}.png", picture.getvalue())})
    drawn = re.search(r"video_[0-9a-f]{32}", made.headers["location"])[0]
    mallory.done(drawn)
    for path in ("/library", "/account", "/create", "/queue", f"/clips/{drawn}", f"/clips/{number}"):
        harmless(mallory.get(path))
    assert "&lt;script&gt;alert" in mallory.get("/library").text  # it is there, as words
    picture = mallory.wire.post("/create", files={**form, "input_reference": (f"{NASTY}.png", b"no picture")})
    for refused in (picture, mallory.post("/account/keys", {"name": NASTY})):
        assert refused.status_code == 400
        assert "<script>alert" not in refused.text and "<img src=x" not in refused.text
