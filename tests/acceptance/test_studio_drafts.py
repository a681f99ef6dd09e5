"""Half-filled forms in a real browser: over a reload, a broken line and a server that is away nothing is lost."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

PROMPT, TEXTS = "#prompt", "[data-shots] textarea"

WRITTEN = 800  # milliseconds after which a change is kept
KEPT = """() => new Promise(told => indexedDB.open("himmel").onsuccess = ({ target }) =>
    target.result.transaction("pictures").objectStore("pictures").count().onsuccess = (found) =>
        told(found.target.result))"""


def size_of(page, field):
    return page.eval_on_selector(field, "one => one.files[0].size")


@pytest.fixture(scope="module")
def png():
    packed = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(packed, "PNG")
    return packed.getvalue()


def jobs(studio):
    with studio.server.database.read() as connection:
        return connection.exec_driver_sql("select count(*) from jobs").scalar()


def test_create_comes_back_after_a_reload_and_can_be_begun_anew(page, png):
    page.fill(PROMPT, "half a sent")
    page.check("[name=n][value='3']", force=True)
    page.get_by_text("More", exact=True).click()
    page.fill("[name=negative_prompt]", "fog")
    page.set_input_files("[name=last_frame]", {"name": "a.png", "mimeType": "image/png", "buffer": png})
    page.set_input_files("[name=material]", {"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"none"})
    page.wait_for_timeout(WRITTEN)
    seed = page.input_value("[name=seed]")
    page.reload()
    assert page.input_value(PROMPT) == "half a sent" and page.input_value("[name=seed]") == seed
    assert page.is_checked("[name=n][value='3']") and page.input_value("[name=negative_prompt]") == "fog"
    page.locator("[data-given=last_frame]").get_by_text("a.png").wait_for()
    assert size_of(page, "[name=last_frame]") == len(png)
    assert not page.locator("[data-given=input_reference]").is_visible()
    assert "A file could not be kept" in page.locator("[data-restored]").inner_text()  # for clips are too large for it
    page.get_by_role("button", name="Begin anew").click()
    expect(page.locator(PROMPT)).to_have_value("")
    assert not page.locator("[data-restored]").is_visible()
    assert page.locator("[data-given]:visible").count() == 0


def test_a_storyboard_comes_back_card_by_card(page):
    page.goto("/storyboard")
    page.fill(TEXTS, "first")
    page.get_by_role("button", name="Add words").click()
    page.locator(TEXTS).nth(1).fill("second")
    page.locator("[name='cards[][seconds]']").nth(1).fill("3.5")
    page.get_by_role("button", name="Add a picture").click()
    page.select_option("[name=size]", "512x512")
    page.reload()
    assert [box.input_value() for box in page.locator(TEXTS).all()] == ["first", "second", ""]
    assert page.locator("[name='cards[][seconds]']").nth(1).input_value() == "3.5"
    assert page.locator("[data-reel-cards] .seg").count() == 3
    assert page.input_value("[name=size]") == "512x512"


def test_pictures_of_cards_come_back_to_their_cards_until_they_are_sent(page, png):
    page.goto("/storyboard")
    page.fill(TEXTS, "first")
    for name in ("a.png", "b.png"):
        page.get_by_role("button", name="Add a picture").click()
        files = page.locator("[data-shots] [name='cards[][picture]']:visible")
        files.set_input_files({"name": name, "mimeType": "image/png", "buffer": png + name.encode()})
    page.wait_for_timeout(WRITTEN)
    page.reload()
    page.locator(".seg-body.pictured").nth(1).wait_for()
    page.locator(".seg-body").nth(2).click()
    page.keyboard.press("Alt+ArrowLeft")  # b before a
    page.wait_for_timeout(WRITTEN)
    page.reload()
    page.locator(".seg-body.pictured").nth(1).wait_for()
    script = "all => all.map(one => one.files[0].name)"
    assert page.eval_on_selector_all("[data-shots] [type=file]", script) == ["b.png", "a.png"]
    assert not page.locator("[data-restored-files]").is_visible()
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.wait_for_url("**/clips/*")
    page.goto("/storyboard")
    assert page.locator("[data-shots] [data-shot]").count() == 1 and page.input_value(TEXTS) == ""
    assert page.evaluate(KEPT) == 0, "pictures stay behind in the browser"


@pytest.mark.parametrize("path", ["/create", "/storyboard"])
def test_what_is_sent_while_offline_stays_and_is_made_once(page, studio, path):
    page.goto(path)
    page.fill(PROMPT if path == "/create" else TEXTS, f"offline at {path}")
    before = jobs(studio)
    page.context.set_offline(True)
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.get_by_role("alert").filter(has_text="cannot be reached. Nothing is lost").wait_for()
    page.context.set_offline(False)
    page.get_by_role("alert").wait_for(state="detached")
    # The server takes it, and the line breaks before it can say so.
    page.route(f"**{path}", lambda route: (route.fetch(max_redirects=0), route.abort())[1])
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.get_by_role("alert").filter(has_text="cannot be reached").wait_for()
    assert jobs(studio) == before + 1
    page.unroute(f"**{path}")
    page.reload()
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.wait_for_url("**/clips/*" if path == "/storyboard" else "**/create?from=*")
    assert jobs(studio) == before + 1
    page.goto(path)
    assert page.input_value(PROMPT if path == "/create" else TEXTS) == ""


@pytest.fixture
def clips(page):
    """Two finished clips of the page's account; where the first is published."""
    page.fill(PROMPT, "a cat")
    page.select_option("[name=seconds]", "2")
    page.check("[name=n][value='2']", force=True)
    page.get_by_role("button", name="Make", exact=True).click()
    page.wait_for_url("**/create?from=*")
    page.locator('.card[data-status="completed"]').nth(1).wait_for()
    clip = page.locator(".card-link").first.get_attribute("href")
    page.goto(clip)
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url(f"**{clip}")
    return clip, clip.replace("/clips/", "/explore/")


def test_what_is_typed_on_a_clip_comes_back_and_is_made_once(page, studio, clips):
    forms = [(clips[0], act) for act in ("remix", "extend", "loop", "recut", "blend")] + [(clips[1], "remix")]
    for at, act in forms:
        page.goto(at)
        form, words = f"form[action='{at}/{act}']", f"{act} at {at}"
        page.fill(f"{form} [name=prompt]", words)
        if act == "recut":
            page.locator(".track-handle").first.press("Shift+ArrowRight")
        if act == "blend":
            page.locator(f"{form} [name=other]").last.check(force=True)  # the cut before is too short
        page.wait_for_timeout(WRITTEN)
        page.reload()
        assert page.input_value(f"{form} [name=prompt]") == words
        assert page.locator("[data-restored]:visible").count() == 1, "of another form, too"
        before = jobs(studio)
        # The server takes it, and the line breaks before it can say so.
        page.route(f"**{at}/{act}", lambda route: (route.fetch(max_redirects=0), route.abort())[1])
        page.locator(f"{form} > button").click()
        page.locator(f"{form} [role=alert]").filter(has_text="Nothing is lost").wait_for()
        page.unroute(f"**{at}/{act}")
        page.reload()
        if act == "recut":
            assert page.input_value(f"{form} [name=start]") == "1"
        page.locator(f"{form} > button").click()
        page.wait_for_url(re.compile(rf"/clips/(?!{at.split('/')[-1]})"))
        assert jobs(studio) == before + 1, act
        page.goto(at)
        assert page.input_value(f"{form} [name=prompt]") != words


def test_what_the_server_refuses_is_said_and_nothing_goes(page, png):
    page.goto("/storyboard")
    page.fill(TEXTS, "mine")
    page.get_by_role("button", name="Add a picture").click()
    page.set_input_files(
        "[data-shots] [name='cards[][picture]']", {"name": "a.png", "mimeType": "image/png", "buffer": b"none"}
    )
    page.get_by_role("button", name="Make", exact=True).last.click()
    page.get_by_role("alert").filter(has_text="card 2: this is not a JPEG, PNG or WebP picture").wait_for()
    assert page.input_value(TEXTS) == "mine"
    assert page.evaluate("document.querySelector('[data-shots] [type=file]').files.length") == 1


def test_a_draft_about_a_clip_takes_the_place_of_no_other(page, clips):
    number = clips[0].split("/")[-1]
    for path, field in (("/create", PROMPT), ("/storyboard", "[name=seed]")):
        about, box = f"{path}?from={number}", page.locator(field)
        page.goto(about)
        box.fill("11")
        page.goto(path)  # which goes on with the latest
        expect(box).to_have_value("11")
        page.get_by_role("button", name="Begin anew").click()
        expect(box).to_have_value("")
        box.fill("22")
        page.goto(about)
        assert box.input_value() not in ("11", "22")
        box.fill("33")
        page.goto(path)
        expect(box).to_have_value("22")
        page.goto(about)
        expect(box).to_have_value("33")


def test_a_restored_form_says_its_own_cost(page):
    page.check("[name=n][value='4']", force=True)
    page.select_option("[name=seconds]", "20")
    cost = page.locator("[data-estimate]")
    usual = cost.inner_text()
    expect(cost).not_to_have_text(usual)
    page.wait_for_timeout(WRITTEN)
    page.reload()
    expect(cost).not_to_have_text(usual)


def test_other_words_for_a_remix_outlast_a_reload(page, studio, clips):
    page.goto(clips[0])
    page.locator("[action$='/remix'] > button").click()
    page.wait_for_url(re.compile(rf"/clips/(?!{clips[0].split('/')[-1]})"))
    page.locator("himmel-player").wait_for()
    page.get_by_text("Change the words", exact=True).click()
    words = page.locator("[action$='/again'] [name=prompt]")
    words.fill("an owl")
    before, at = jobs(studio), page.url
    page.reload()  # as the page does itself when the clip is there
    assert words.is_visible() and words.input_value() == "an owl"
    page.locator("[data-draft^=again] > button").click()
    page.wait_for_url(lambda url: "/clips/" in url and url != at)
    assert jobs(studio) == before + 1


def test_who_ends_the_account_leaves_no_draft(page, enter, png):
    enter(page, "goer")
    page.fill(PROMPT, "mine alone")
    page.set_input_files("[name=last_frame]", {"name": "a.png", "mimeType": "image/png", "buffer": png})
    page.wait_for_timeout(WRITTEN)
    page.goto("/account")
    form, drafts = page.locator("[action='/account/delete']"), "Object.keys(localStorage).join()"
    form.locator("[name=name]").fill("somebody else")
    form.get_by_role("button").click()
    page.get_by_role("alert").filter(has_text="nothing was deleted").wait_for()
    assert "himmel.draft.create" in page.evaluate(drafts)
    form.locator("[name=name]").fill("goer")
    form.get_by_role("button").click()
    page.wait_for_url("**/sign-in")
    assert page.evaluate(drafts) == ""
    assert page.evaluate("indexedDB.databases()") == []


def test_drafts_belong_to_an_account(page, enter):
    page.goto("/create")
    page.fill(PROMPT, "mine alone")
    page.goto("/account")
    page.get_by_role("button", name="Sign out").first.click()
    enter(page, "somebody")
    assert page.input_value(PROMPT) == ""
