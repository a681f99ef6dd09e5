"""The studio for everybody: axe finds nothing on any page, in either theme; keys reach everything; motion can end."""

import sys
from pathlib import Path
from pprint import pformat
from urllib.parse import urlsplit

import pytest
from walk import pages

AXE = Path(sys.prefix) / "node/node_modules/axe-core/axe.min.js"
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

pytestmark = pytest.mark.skipif(not AXE.exists(), reason=f"no axe-core for node in {AXE.parent}: make test")


def violations(page):
    page.add_script_tag(path=AXE) if not page.evaluate("'axe' in window") else None
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)["violations"]
    return [(rule["id"], node["html"][:160], node["failureSummary"][:300]) for rule in found for node in rule["nodes"]]


@pytest.fixture
def page(window, studio, enter):
    """Signed in, with clips; axe may be put in, which our policy would forbid."""
    page = enter(window(studio.address, bypass_csp=True, color_scheme="dark"), "owner")
    if not page.locator(".card").count():
        page.fill("#prompt", "a cat on the beach")
        page.select_option("[name=seconds]", "2")
        page.check("[name=n][value='2']", force=True)
        page.get_by_role("button", name="Make", exact=True).click()
        page.locator('.card[data-status="completed"]').nth(1).wait_for()
    return page


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_on_any_page(page, theme):
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found, seen = {}, []
    for address in pages(page):
        seen.append(address)
        page.eval_on_selector_all("details", "all => all.forEach(one => one.open = !one.matches('.pop'))")
        if wrong := violations(page):
            found[address] = wrong
    assert not found, pformat(found, width=160)
    assert {urlsplit(address).path for address in seen} >= {"/create", "/storyboard", "/library", "/queue", "/account"}


def test_axe_finds_nothing_at_the_door(window, studio):
    for theme in ("dark", "light"):
        page = window(studio.address, bypass_csp=True, color_scheme=theme)
        page.goto("/sign-in")
        assert violations(page) == []


def test_every_control_of_a_page_is_reached_by_the_tab_key_and_shows_it(page):
    page.emulate_media(reduced_motion="reduce")
    for address in ("/create", "/library", "/account"):
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
