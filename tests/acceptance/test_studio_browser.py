"""The studio in a real browser, scripts and all: from a prompt to the library, a reload in the middle, a phone."""

import re

import pytest
from playwright.sync_api import expect


def make(page, prompt):
    page.fill("#prompt", prompt)
    page.select_option("[name=seconds]", "2")
    with page.expect_navigation(url="**/create?from=*"):
        page.get_by_role("button", name="Make", exact=True).click()
    return re.search(r"video_[0-9a-f]{32}", page.url)[0]


def test_from_words_to_a_clip_that_plays(page):
    page.fill("#prompt", "a quokka on the beach")
    page.locator(".unknown b").get_by_text("quokka").wait_for()
    page.get_by_role("button", name="kangaroo").click()
    assert page.input_value("#prompt") == "a kangaroo on the beach"
    number = make(page, page.input_value("#prompt"))
    card = page.locator(f'[data-clip="{number}"][data-status="completed"]')
    card.wait_for()  # without a reload
    assert page.input_value("#prompt") == "a kangaroo on the beach"
    card.locator("himmel-scrub").hover()
    card.locator(".sheet").wait_for()
    card.get_by_role("link").click()
    clock = page.locator("[data-clock]")
    clock.filter(has_text="/ 2.0 s").wait_for()
    for key in ("ArrowLeft", "Home", "ArrowRight"):  # the first one pauses
        page.keyboard.press(key)
    clock.filter(has_text="2 / 24").wait_for()
    page.goto("/library?q=kangaroo")
    assert page.locator(".card").count() == 1


@pytest.mark.parametrize(
    ("word", "prompt", "became"),
    [
        ("yak", "a kayak, a yak-ox and ãyak with a yak.", "a kayak, a yak-ox and ãyak with a cat."),
        ("Öl", "Ölofen mit Möl und Öl", "Ölofen mit Möl und cat"),
        ("ヤク", "大きなヤクと雪", "大きなcatと雪"),
        ("yak", "大きなyakと雪", "大きなcatと雪"),
    ],
)
def test_an_unknown_word_is_marked_and_replaced_where_it_stands_by_itself(page, word, prompt, became):
    told = {"unknown": [{"word": word, "nearest": ["cat"], "examples": []}], "notes": []}
    page.route("**/create/words", lambda route: route.fulfill(json=told))
    page.fill("#prompt", prompt)
    page.locator(".unknown b").get_by_text(word).wait_for()
    assert page.locator("[data-marks] mark").all_text_contents() == [word]
    page.get_by_role("button", name="cat", exact=True).click()
    assert page.input_value("#prompt") == became


def test_a_preset_speaks_the_language_of_the_prompt_and_yields_to_it(page):
    page.fill("#prompt", "eine Katze am Strand, zoomt heran")
    page.get_by_text("Presets", exact=True).click()
    page.get_by_role("button", name="film noir").click()
    page.locator("[data-words] [lang=en]").filter(has_text="'feste Kamera' is left out").wait_for()
    assert page.input_value("#prompt") == "eine Katze am Strand, zoomt heran, bei Nacht, im Regen"
    page.context.set_offline(True)  # then it goes in as it stands there
    page.get_by_role("button", name="table top").click()
    expect(page.locator("#prompt")).to_have_value(re.compile("static camera$"))


def test_presets_touched_quickly_and_what_is_typed_meanwhile_are_all_there(page):
    page.fill("#prompt", "a cat")
    page.get_by_text("Presets", exact=True).click()
    held = []
    page.route("**/create/look", lambda route: held.append(route) if len(held) < 2 else route.continue_())
    page.get_by_role("button", name="film noir").click()
    page.get_by_role("button", name="table top").click()
    page.locator("#prompt").press("End")
    page.locator("#prompt").press_sequentially(" on the beach")
    for route in held:
        route.continue_()
    prompt = page.locator("#prompt")
    for words in ("^a cat on the beach, ", "at night", "in 3D style"):
        expect(prompt).to_have_value(re.compile(words))


def test_a_clip_is_followed_where_streams_do_not_get_through(page):
    page.route(re.compile(r"/events\?"), lambda route: route.abort())
    with page.expect_request(re.compile(r"/events/latest\?")):
        number = make(page, "a cat without a stream")
    page.locator(f'[data-clip="{number}"][data-status="completed"]').wait_for()


@pytest.mark.parametrize(("language", "words"), [("de", "Erschaffen"), ("ja", "作成")])
def test_create_works_without_scripts_and_in_every_language(studio, window, language, words):
    page = window(studio.address, java_script_enabled=False, locale=language)
    page.goto("/sign-in")
    page.locator("details summary").click()
    page.fill("[name=key]", studio.server.keys.create("without scripts"))
    page.locator("form:has([name=key]) button:not([type=button])").last.click()
    page.wait_for_url("**/create")
    assert page.locator("html").get_attribute("lang") == language and page.title().startswith(words)
    if page.locator(".examples").count():
        page.locator(".examples a").first.click()
        page.wait_for_url("**/create?prompt=*")
    else:
        page.fill("#prompt", "猫")
    page.locator("form.composer .go button").click()
    page.wait_for_url("**/create?from=*")
    assert page.locator(".card").count() >= 1


def test_nothing_is_lost_by_a_reload_and_the_theme_stays(page):
    page.fill("#prompt", "three words unsent")
    page.reload()
    assert page.input_value("#prompt") == "three words unsent"
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_a_phone_sees_everything_by_scrolling_down_alone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/create", "/storyboard", "/library", "/explore", "/queue", "/account"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def seen_at(page, share):
    """How many of the two clips lie at this share of the stage's width: right of the wipe both, left of it one."""
    box = page.locator("[data-stage]").bounding_box()
    script = "([x, y]) => document.elementsFromPoint(x, y).filter((one) => one.matches('video')).length"
    return page.evaluate(script, [box["x"] + share * box["width"], box["y"] + box["height"] / 4])


def until(page, script):
    """Wait until a page says so; its policy keeps the browser from asking itself."""
    for _ in range(600):
        if page.evaluate(script):
            return
        page.wait_for_timeout(100)
    raise AssertionError(script)


def times(page):
    return page.evaluate("[...document.querySelectorAll('video')].map((video) => video.currentTime)")


@pytest.fixture
def compared(page):
    """A page that compares two clips, found by ticking both in the library."""
    for prompt in ("a cat beside", "a dog beside"):
        number = make(page, prompt)
        page.locator(f'[data-clip="{number}"][data-status="completed"]').wait_for()
    page.goto("/library?q=beside")
    ticks, button = page.locator(".tick input"), page.locator("[data-two]")
    ticks.nth(0).check()
    assert button.is_hidden()
    ticks.nth(1).check()
    button.click()
    page.wait_for_url("**/compare?a=*")
    until(page, "[...document.querySelectorAll('video')].every((video) => video.readyState > 1)")
    return page


def test_two_clips_go_in_step(compared):
    page = compared
    until(page, "document.querySelector('video').currentTime > 0.2")  # of itself
    speed = page.locator("[data-speed]")
    speed.click()
    speed.click()  # a quarter
    page.keyboard.press("Home")
    page.evaluate("document.querySelectorAll('video')[1].currentTime = 1.2")
    one, other = before, _ = times(page)
    while abs(one - other) > 0.12:  # the one waits for the other
        page.wait_for_timeout(50)
        one, other = times(page)
        assert one >= before, "they began anew before they met"
        before = one
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.locator("[data-clock]").filter(has_text="2 / 24").wait_for()
    page.get_by_role("button", name="One frame on").click()
    page.locator("[data-clock]").filter(has_text="3 / 24").wait_for()
    one, other = times(page)
    assert one == other == pytest.approx(2.5 / 12, abs=1e-4)


def test_a_wipe_goes_where_mouse_keys_and_fingers_want_it(compared):
    page = compared
    assert seen_at(page, 0.2) == seen_at(page, 0.8) == 1
    page.keyboard.press("w")
    assert (seen_at(page, 0.45), seen_at(page, 0.55)) == (1, 2)
    wipe, box = page.get_by_role("slider", name="Where A ends"), page.locator("[data-stage]").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], middle, steps=4)
    page.mouse.up()
    assert (seen_at(page, 0.28), seen_at(page, 0.32)) == (1, 2)
    at = float(wipe.input_value())
    page.keyboard.press("ArrowRight")
    page.keyboard.press("]")
    assert float(wipe.input_value()) == at + 2.5
    wipe.press("End")
    assert seen_at(page, 0.8) == 1
    state, size = page.context.storage_state(), {"width": 390, "height": 844}
    with page.context.browser.new_context(storage_state=state, viewport=size, has_touch=True) as phone:
        finger = phone.new_page()
        finger.goto(page.url + "&mode=wipe")
        box = finger.locator("[data-stage]").bounding_box()
        finger.touchscreen.tap(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
        assert (seen_at(finger, 0.68), seen_at(finger, 0.72)) == (1, 2)
        assert finger.evaluate("document.documentElement.scrollWidth <= innerWidth")
