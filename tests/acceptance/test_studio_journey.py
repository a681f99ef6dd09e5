"""One maker's way through the whole studio, in a browser, on a server that is killed in the middle of it."""

import pytest
from walk import Studio, begun, finished


@pytest.fixture(params=["fake", "papercut"])
def studio(request, tmp_path):
    """A server that nobody has an account on."""
    studio = Studio(tmp_path / "data", request.param)
    yield studio
    studio.kill()


def sent(page, button):
    page.get_by_role("button", name=button, exact=True).click()


def test_from_the_first_link_to_a_library_that_is_taken_along(studio, window, tmp_path):
    page = window(studio.address)
    begun(page, studio.start())
    for number in (2, 1, 0):
        page.goto("/create")
        with page.expect_response("**/create/words") as looked_up:
            page.locator(".examples a").nth(number).click()
        assert page.input_value("#prompt")
        unknown = looked_up.value.json()["unknown"]
        assert not unknown or studio.model == "fake", "an example that the model does not know"
    page.select_option("[name=seconds]", "2")
    sent(page, "Make")
    page.wait_for_url("**/create?from=*")
    page.reload()
    finished(page).first.get_by_role("link").first.click()
    page.locator("himmel-player video").wait_for()

    first = page.url
    sent(page, "Remix")
    page.wait_for_url(lambda url: "/clips/" in url and url != first)
    page.context.set_offline(True)
    page.wait_for_timeout(1500)
    page.context.set_offline(False)
    page.locator("himmel-player").wait_for()  # without a hand's turn: the page itself finds back

    page.goto("/storyboard")
    for words in page.locator("textarea").all():
        words.fill("a cat on the beach")
    for seconds in page.locator("[name='cards[][seconds]']").all():
        seconds.fill("1")
    sent(page, "Make")
    page.wait_for_url("**/clips/*")
    page.reload()
    studio.kill()
    page.wait_for_timeout(500)
    assert studio.start() is None, "a link for a first account that is there already"
    page.locator("himmel-player").wait_for()  # without a hand's turn: the page itself finds back

    page.goto("/library")
    assert page.locator(".card").count() == 3
    page.goto("/account")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Export everything").click()
    taken.value.save_as(tmp_path / "all.zip")
    page.goto("/library")
    page.keyboard.press("a")
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Undo").first.wait_for()
    page.goto("/library")
    assert page.locator(".card").count() == 0
    page.goto("/account")
    page.set_input_files("[name=file]", tmp_path / "all.zip")
    sent(page, "Import")
    page.get_by_text("3 clips came").wait_for()
    page.goto("/library")
    assert page.locator(".card").count() == 3
