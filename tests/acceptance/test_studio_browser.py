"""The studio in a real browser, scripts and all: from a prompt to the library, a reload in the middle, a phone."""

import re


def make(page, prompt):
    page.fill("#prompt", prompt)
    page.select_option("[name=seconds]", "2")
    page.get_by_role("button", name="Make", exact=True).click()
    page.wait_for_url("**/create?from=*")
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
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    clock.filter(has_text="2 / 24").wait_for()
    page.goto("/library?q=kangaroo")
    assert page.locator(".card").count() == 1


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
    for path in ("/create", "/storyboard", "/library", "/queue", "/account"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
