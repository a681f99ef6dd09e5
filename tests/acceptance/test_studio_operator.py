"""The operator's pages over HTTP: each act is seen to have its effect, and who may not is refused."""

import re
import time
from html import unescape

import httpx2
import pytest

from himmel.errors import ApiError
from himmel.studio.accounts import account_of_name, change_account, find_account, list_accounts
from himmel.studio.app import PAGES
from himmel.studio.audit import entries
from himmel.studio.auth import Terms
from himmel.studio.tables import jobs
from himmel.studio.web_operator import router
from himmel.studio.workers import Report

PASSWORD = "a long night in june"
HEADERS = {"accept": "text/html", "sec-fetch-site": "same-origin"}
TABS = ("accounts", "queue", "workers", "models", "audit", "settings")


@pytest.fixture(scope="module")
def idle(serving):
    """A server for these tests alone; anna owns it."""
    with serving("sqlite") as running:
        yield running


@pytest.fixture
def owner(browser):
    return browser("anna")


@pytest.fixture
def stranger(idle):
    with httpx2.Client(base_url=idle.address, headers=HEADERS, timeout=60) as wire:
        yield wire


def number_of(idle, name):
    return account_of_name(idle.server.database, name)


def at(idle, name):
    return f"/operator/accounts/{number_of(idle, name)}"


def account(idle, name):
    return find_account(idle.server.database, number_of(idle, name))


def acts(idle, subject):
    with idle.server.database.read() as connection:
        return [row.act for row in entries(connection) if row.subject == subject]


def link_in(page):
    return re.search(r"/invite/[0-9a-f]{16}\.[\w-]{43}", page)[0]


def told(page):
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize("tab", TABS)
def test_members_and_narrow_keys_see_none_of_it(browser, owner, tab):
    member, narrow = browser("boris"), browser("anna", Terms(scopes=("read", "create", "manage", "operate")))
    for refused in (member, narrow):
        assert refused.get(f"/operator/{tab}").status_code == 403
        assert "/operator" not in refused.get("/library").text
    assert owner.get(f"/operator/{tab}").status_code == 200
    assert 'href="/operator"' in owner.get("/library").text


def posts():
    own = [module for module in PAGES if module.router.prefix.startswith(router.prefix)]
    return sorted(route.path for module in own for route in module.router.routes if "POST" in route.methods)


@pytest.mark.parametrize("path", posts())
def test_members_can_do_nothing_and_another_browsers_word_is_refused(idle, browser, owner, path):
    member = browser("boris")
    where = path.replace("{account_id}", number_of(idle, "boris"))
    everything = {"sure": "1", "name": "boris", "weight": "9", "suspended": "1", "draining": "1", "role": "owner"}
    before = list_accounts(idle.server.database)
    assert member.post(where, everything).status_code == 403
    assert owner.wire.post(where, data=everything | {"word": member.word()}).status_code == 403
    assert owner.wire.post(where, data=everything).status_code == 403
    foreign = {"sec-fetch-site": "cross-site"}
    assert owner.post(where, everything, headers=foreign).status_code == 403
    assert list_accounts(idle.server.database) == before and not idle.server.queue.draining()


def test_an_invitation_leads_in_once(idle, owner, stranger):
    page = owner.post("/operator/accounts/invite", {"name": "carla", "days": "3"}).text
    link = link_in(page)
    assert link not in owner.get("/operator/accounts").text and "invited until" in owner.get("/operator/accounts").text
    secret = link.removeprefix("/invite/")
    key = httpx2.get(f"{idle.address}/v1/videos", headers={"authorization": f"Bearer himmel_{secret}"})
    assert key.status_code == 403  # it is good for coming in alone
    assert "carla" in stranger.get(link).text
    short = stranger.post(link, data={"password": "short"})
    assert short.status_code == 400 and "10 to 500" in short.text
    assert stranger.post(link, data={"password": PASSWORD}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    came = stranger.post(link, data={"password": PASSWORD})
    assert (came.status_code, came.headers["location"]) == (303, "/create")
    assert "carla" in stranger.get("/account").text and account(idle, "carla").role == "member"
    for again in (stranger.get(link), stranger.post(link, data={"password": PASSWORD + "!"})):
        assert again.status_code == 404
    assert stranger.post("/sign-in", data={"name": "carla", "password": PASSWORD}).status_code == 303
    assert "invited until" not in told(owner.get(at(idle, "carla")).text)
    assert owner.post(f"{at(idle, 'carla')}/invite").status_code == 400  # nobody else is let in
    assert "invitation.accepted" in acts(idle, secret.partition(".")[0])


def test_a_new_link_ends_the_one_before_and_time_ends_both(idle, owner, stranger, monkeypatch):
    first = link_in(owner.post("/operator/accounts/invite", {"name": "dora"}).text)
    second = link_in(owner.post(f"{at(idle, 'dora')}/invite", {"days": "1"}).text)
    assert stranger.get(first).status_code == 404 and stranger.get(second).status_code == 200
    later = time.time() + 86401
    monkeypatch.setattr("himmel.studio.auth.time.time", lambda: later)
    assert stranger.get(second).status_code == 404


def test_names_that_are_taken_and_days_that_cannot_be_are_refused(idle, owner):
    before = list_accounts(idle.server.database)
    for fields in ({"name": "anna"}, {"name": "a/<b>"}, {"name": "eve", "days": "0"}, {"name": "eve", "days": "91"},
                   {"name": "eve", "role": "king"}):  # fmt: skip
        answer = owner.post("/operator/accounts/invite", fields)
        assert answer.status_code == 400 and 'role="alert"' in answer.text, fields
        assert "/invite/" not in re.sub(r'action="[^"]*"', "", answer.text)
    assert list_accounts(idle.server.database) == before


def test_weight_role_and_limits_are_changed_and_hold(idle, owner, browser):
    fay = browser("fay")
    fields = {"role": "operator", "weight": "2,5", "open_jobs": "1", "daily_seconds": ""}
    assert owner.post(f"{at(idle, 'fay')}/change", fields).status_code == 303
    now = account(idle, "fay")
    assert (now.role, now.weight, now.open_jobs, now.daily_seconds) == ("operator", 2.5, 1, None)
    fay.make()
    refused = fay.post("/create", {"prompt": "a cat", "seconds": "1", "size": "64x48", "n": "1", "turbo": "false"})
    assert refused.status_code == 429 and "this account may have 1 jobs at a time" in refused.text
    wanted = [{"model": "fake", "seconds": 1, "size": "64x48"}]
    with pytest.raises(ApiError, match="this account may have"):
        idle.server.queue.accept(now.id, wanted, 1.0)
    assert owner.post(f"{at(idle, 'fay')}/change", fields | {"open_jobs": "", "daily_seconds": "1"}).status_code == 303
    with pytest.raises(ApiError, match="compute-seconds a day"):
        idle.server.queue.accept(now.id, wanted, 1.0)
    mine = told(fay.get("/account").text).partition("What you may use")[2]
    assert re.match(r" Jobs open 1 that wait or run Computed in 24 hours \d+ of 1 s Share of the queue 2.5 ", mine)
    assert acts(idle, now.id)[-3:] == ["account.changed", "account.limited", "account.limited"]
    for wrong in ({"weight": "0"}, {"weight": "much"}, {"weight": "nan"}, {"open_jobs": "-1"}, {"role": "king"}):
        assert owner.post(f"{at(idle, 'fay')}/change", fields | wrong).status_code == 400, wrong
    assert account(idle, "fay").weight == 2.5


def test_an_operator_changes_members_but_no_roles_and_no_owners(idle, owner, browser):
    browser("gil")
    change_account(idle.server.database, number_of(idle, "gil"), role="operator")
    gil = browser("gil")
    browser("hal")
    assert gil.post(f"{at(idle, 'hal')}/change", {"weight": "3"}).status_code == 303
    assert account(idle, "hal").weight == 3
    assert gil.post(f"{at(idle, 'hal')}/change", {"weight": "3", "role": "owner"}).status_code == 403
    assert gil.post("/operator/accounts/invite", {"name": "ida", "role": "operator"}).status_code == 403
    for act, fields in (("change", {"weight": "5"}), ("suspend", {"suspended": "1"}), ("remove", {"name": "anna"}),
                        ("keys/revoke", {"sure": "1"}), ("invite", {})):  # fmt: skip
        assert gil.post(f"{at(idle, 'anna')}/{act}", fields).status_code == 403, act
    assert "<form" not in gil.get(at(idle, "anna")).text.partition("<main")[2].partition("</main>")[0]
    assert (account(idle, "anna").weight, account(idle, "hal").role) == (1, "member")


def test_who_is_suspended_is_out_until_let_go_on(idle, owner, browser):
    ida = browser("ida")
    assert owner.post(f"{at(idle, 'ida')}/suspend", {"suspended": "1"}).status_code == 303
    assert ida.get("/library").status_code == 303 and "suspended" in owner.get("/operator/accounts").text
    assert owner.post(f"{at(idle, 'ida')}/suspend", {"suspended": "0"}).status_code == 303
    assert ida.get("/library").status_code == 200
    last = owner.post(f"{at(idle, 'anna')}/suspend", {"suspended": "1"})
    assert last.status_code == 400 and "last owner" in last.text


def test_a_key_is_revoked_once_that_was_asked(idle, owner):
    key = idle.server.keys.create("jon")
    number = idle.server.keys.caller(f"Bearer {key}").key_id
    where = f"{at(idle, 'jon')}/keys/revoke"
    asked = owner.post(where, {"key": number})
    assert asked.status_code == 200 and "Revoke this key?" in asked.text and f'value="{number}"' in asked.text
    assert idle.server.keys.caller(f"Bearer {key}")
    assert owner.post(where, {"key": number, "sure": "1"}).status_code == 303
    with pytest.raises(ApiError, match="revoked"):
        idle.server.keys.caller(f"Bearer {key}")
    assert owner.post(f"{at(idle, 'anna')}/keys/revoke", {"key": number, "sure": "1"}).status_code == 404


def test_an_account_is_removed_after_its_name_was_typed(idle, owner, browser):
    kim = browser("kim")
    kim.make()
    number, where = number_of(idle, "kim"), at(idle, "kim")
    wrong = owner.post(f"{where}/remove", {"name": "kim "[:2]})
    assert wrong.status_code == 400 and account(idle, "kim")
    assert owner.post(f"{where}/remove", {"name": "kim"}).status_code == 303
    assert owner.get(where).status_code == 404 and kim.get("/library").status_code == 303
    assert acts(idle, number)[-1] == "account.deleted"


def test_the_queue_shows_all_jobs_without_prompts_and_stops_them(idle, owner, browser):
    lou = browser("lou")
    first, second, third = (lou.make(prompt="secret words") for _ in range(3))
    page = owner.get("/operator/queue").text
    assert all(number in page for number in (first, second, third)) and "secret words" not in page
    asked = owner.post("/operator/queue/cancel", {"job": first})
    assert asked.status_code == 200 and status(idle, first) == "queued"
    assert owner.post("/operator/queue/cancel", {"job": first, "sure": "1"}).status_code == 303
    assert status(idle, first) == "failed" and acts(idle, first) == ["job.cancelled"]
    assert owner.post("/operator/queue/cancel", {"job": "video_" + "0" * 32, "sure": "1"}).status_code == 404
    mine = {"account": number_of(idle, "lou")}
    assert owner.post("/operator/queue/cancel-all", mine).status_code == 200 and status(idle, second) == "queued"
    assert owner.post("/operator/queue/cancel-all", mine | {"sure": "1"}).status_code == 303
    assert {status(idle, second), status(idle, third)} == {"failed"}


def status(idle, number):
    with idle.server.database.read() as connection:
        return connection.execute(jobs.select().where(jobs.c.id == number)).one().status


def test_jobs_are_given_out_no_more_and_again(idle, owner):
    assert owner.post("/operator/queue/drain", {"draining": "1"}).headers["location"] == "/operator/queue"
    assert idle.server.queue.draining() and "No jobs are given out" in owner.get("/operator/queue").text
    back = owner.post("/operator/queue/drain", {"draining": "0", "from": "settings"})
    assert back.headers["location"] == "/operator/settings" and not idle.server.queue.draining()
    assert acts(idle, "server") == ["drain.on", "drain.off"]


def test_jobs_that_two_workers_died_of_are_shown(idle, owner, browser):
    number = browser("max").make()
    for _ in range(2):
        while (job := idle.server.queue.claim("cellar")).id != number:
            idle.server.queue.finish(job.id, job.attempts, {}, {})
        idle.server.queue.release("cellar", silent=True)
    assert status(idle, number) == "failed"
    page = told(owner.get("/operator/queue").text).partition("Failed lately")[2]
    assert number in page and "cellar" in page and "laid aside" in page


def test_workers_models_and_the_disk_are_shown(idle, owner, browser):
    workers, queue = idle.server.workers, idle.server.queue
    workers.report(Report("attic", "fake", "1.2", "cpu"))
    number = browser("ned").make()
    while (job := queue.claim("attic")).id != number:
        queue.finish(job.id, job.attempts, {}, {})
    queue.beat(number, job.attempts, 40)
    page = told(owner.get("/operator/workers").text)
    assert "attic" in page and "makes a clip for ned, 40 %" in page and "fake · cpu · 1.2" in page
    assert re.search(r"Disk free [\d.]+ [kMGT]B", page) and "the last hour" in page
    models = told(owner.get("/operator/models").text)
    assert "attic" in models and "sora-2-pro" in models and "what clients get" in models
    queue.fail(number, job.attempts, "model_error", "no")


def test_the_audit_log_is_paged_filtered_and_checked(idle, owner):
    browsing = owner.get("/operator/audit").text
    older = re.search(r'rel="next" href="([^"]+)"', browsing)
    assert browsing.count("<time>") == 50 and older
    assert owner.get(unescape(older[1])).text != browsing
    idle.server.keys.create("olga")
    mine = owner.get(f"/operator/audit?account={number_of(idle, 'olga')}").text
    assert "account.made" in mine.partition("<tbody")[2] and "key.created" in mine.partition("<tbody")[2]
    assert "drain" not in mine.partition("<tbody")[2]
    made = owner.get("/operator/audit?act=account.made").text.partition("<tbody")[2]
    assert set(re.findall(r"<code>([^<]+)</code>", made)) == {"account.made"}
    assert "holds together" in owner.get("/operator/audit?check=1").text


def test_settings_are_shown_with_where_they_came_from(idle, owner):
    page = told(owner.get("/operator/settings").text)
    assert "HIMMEL_POLL_MS 20 --poll-ms" in page and "reserve_bytes" in page


def test_storage_and_computing_are_counted(running, owner, browser):
    pat = browser("pat")
    pat.done(pat.make())
    row = told(owner.get("/operator/accounts").text).partition(" pat ")[2]
    assert re.match(r" *Member 1 \S+.*? [\d.]+ (B|kB|MB) 0 0", row), row[:80]
