"""The studio by keys: all is reached, cards and clips are changed and chosen, the player obeys; motion can end."""

import re

import pytest


@pytest.fixture
def page(window, studio, furnished):
    """Signed in, with two finished clips at least."""
    return furnished(window(studio.address))


def test_every_control_of_a_page_is_reached_by_the_tab_key_and_shows_it(page):
    page.emulate_media(reduced_motion="reduce")
    first, second = [link.get_attribute("href").split("/")[-1] for link in page.locator(".card-link").all()[:2]]
    compare = f"/compare?a={first}&b={second}"
    for address in ("/create", "/library", "/account", f"/clips/{first}", "/storyboard", compare, "/queue"):
        page.goto(address)
        wanted = page.evaluate(
            """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter(one =>
                !one.disabled && one.tabIndex >= 0 && one.checkVisibility() && !one.closest('dialog')
                && !(one.type === 'radio' && !one.checked)).length"""
        )
        page.evaluate("document.activeElement.blur()")
        reached = set()
        for _ in range(wanted + 40):
            page.keyboard.press("Tab")
            told = page.evaluate(
                """() => { const one = document.activeElement; if (one === document.body) return null;
                one.dataset.reached ??= String(Math.random());
                const near = [one, one.nextElementSibling, one.closest('label'), one.parentElement];
                const looks = () => near.filter(e => e).map(getComputedStyle).map(s =>
                    [s.outline, s.boxShadow, s.borderColor, s.backgroundColor, s.opacity].join()).join();
                const focused = looks(); one.blur();
                return [one.dataset.reached, one.outerHTML.slice(0, 120),
                        focused !== looks() || one.matches('textarea')] }"""
            )
            if told is not None:
                assert told[2], f"{address}: no sign of the focus on {told[1]}"
                reached.add(told[0])
        assert len(reached) >= wanted, address


def test_the_keys_are_told_by_a_question_mark(page):
    page.goto("/library")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.wait_for_url("**/storyboard")


def test_keys_of_one_letter_can_be_switched_off(page):
    page.goto("/account")
    page.get_by_role("button", name="Show the keys").click()
    page.get_by_label("Keys of one letter or sign").uncheck()
    page.keyboard.press("Escape")
    page.goto("/library")
    page.keyboard.press("ArrowRight")
    for key in ("a", "s", "?", "/", "b"):
        page.keyboard.press(key)
    assert chosen(page) == [False, False] and page.url.endswith("/library")
    assert page.locator(".card-link").first.evaluate("one => one === document.activeElement")
    page.keyboard.press("Space")
    assert chosen(page) == [True, False], "other keys are not"
    page.locator(".card-link").first.click()
    page.keyboard.press("o")
    assert page.locator("himmel-player video").evaluate("one => one.loop")
    page.goto("/account")
    page.get_by_role("button", name="Show the keys").click()
    page.get_by_label("Keys of one letter or sign").check()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.wait_for_url("**/storyboard")


def test_who_wants_it_still_gets_it_still(page):
    page.emulate_media(reduced_motion="reduce")
    page.goto("/library")
    moving = """() => [...document.querySelectorAll('*')].filter(one => {
        const style = getComputedStyle(one), long = text => text.split(',').some(part => parseFloat(part) > 0.02);
        return long(style.transitionDuration)
            || (style.animationName !== 'none' && long(style.animationDuration)) }).length"""
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0


def seconds(page):
    """How long each card of a storyboard lasts."""
    return page.locator("[data-shots] [name='cards[][seconds]']").evaluate_all("all => all.map(one => +one.value)")


def test_cards_are_stretched_and_removed_by_keys(page):
    page.goto("/storyboard")
    page.get_by_role("button", name="Add words").click()
    before = seconds(page)
    edge = page.get_by_role("slider", name="Length").nth(1)
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowLeft", "ArrowUp"):
        edge.press(key)
    assert seconds(page) == [before[0], pytest.approx(before[1] + 1.1)]
    assert edge.get_attribute("aria-valuenow") == f"{before[1] + 1.1:.1f}"
    page.locator(".seg-body").nth(0).press("Delete")
    assert seconds(page) == [pytest.approx(before[1] + 1.1)]
    page.locator(".seg-body").press("Delete")
    assert len(seconds(page)) == 1, "the last card stays"


def chosen(page):
    return page.locator(".tick input").evaluate_all("all => all.map(one => one.checked)")[:2]


def test_clips_are_chosen_and_get_stars_by_keys(page):
    page.goto("/library")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert chosen(page) == [True, False]
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == [True, True]
    page.keyboard.press("ArrowLeft")
    assert page.locator(".card-link").first.evaluate("one => one === document.activeElement")
    page.keyboard.press("Escape")
    assert chosen(page) == [False, False]
    star = page.locator(".star").first
    lit = star.get_attribute("aria-pressed")
    with page.expect_response("**/library/act"):
        page.keyboard.press("s")
    page.locator(f".star[aria-pressed={'false' if lit == 'true' else 'true'}]").first.wait_for()


def test_a_player_goes_slower_round_and_where_its_track_is_touched(page):
    page.locator(".card-link").first.click()
    clock, video = page.locator("[data-clock]"), page.locator("himmel-player video")
    clock.filter(has_text="/ 2.0 s").wait_for()
    for rate in (0.5, 0.25, 2, 1):
        page.get_by_role("button", name="×").click()
        assert video.evaluate("one => one.playbackRate") == rate
    page.keyboard.press("o")
    assert not video.evaluate("one => one.loop")
    page.get_by_role("button", name="Loop", exact=True).click()
    assert video.evaluate("one => one.loop")
    box = page.locator("[data-track]").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.75 * box["width"], middle)
    page.mouse.down()
    clock.filter(has_text=re.compile(r"^1\.5 / ")).wait_for()
    page.mouse.move(box["x"] + 0.25 * box["width"], middle, steps=3)
    page.mouse.up()
    clock.filter(has_text=re.compile(r"^0\.5 / ")).wait_for()
    assert video.evaluate("one => one.paused")
    page.keyboard.press("f")
    page.locator("himmel-player:fullscreen").wait_for()
