"""Challenges: random, good once, for a while, for one browser, act and place; nobody's flood takes those of others.

What passkeys answer is tried in the acceptance tests, which have one in software.
"""

import pytest

from himmel.errors import SignInRefused
from himmel.studio.passkeys import ADD, CHALLENGE_SECONDS, MOST_OF_ADDRESS, SIGN_IN, Challenges, Passkeys, Place

HERE = Place("studio.test", "https://studio.test")


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def challenges(clock):
    return Challenges(lambda: clock[0])


def test_a_challenge_is_good_once_and_the_next_one_is_another(challenges):
    first = challenges.make("anna", SIGN_IN, HERE)
    second = challenges.make("anna", SIGN_IN, HERE)
    assert len(first) == 32 and first != second == challenges.take("anna", SIGN_IN, HERE)
    with pytest.raises(SignInRefused, match="took too long"):
        challenges.take("anna", SIGN_IN, HERE)


@pytest.mark.parametrize(
    "asked",
    [
        ("boris", SIGN_IN, HERE),
        ("anna", ADD, HERE),
        ("anna", SIGN_IN, Place("studio.test", "http://studio.test")),
        ("", SIGN_IN, HERE),
    ],
)
def test_it_is_for_one_browser_one_act_and_one_place(challenges, asked):
    challenges.make("anna", SIGN_IN, HERE)
    with pytest.raises(SignInRefused):
        challenges.take(*asked)


def test_it_is_over_soon(challenges, clock):
    challenges.make("anna", SIGN_IN, HERE)
    clock[0] += CHALLENGE_SECONDS
    with pytest.raises(SignInRefused):
        challenges.take("anna", SIGN_IN, HERE)


def test_who_asks_again_and_again_loses_only_their_own(challenges):
    kept = challenges.make("anna", SIGN_IN, HERE, "192.0.2.1")
    for number in range(MOST_OF_ADDRESS + 1):
        challenges.make(f"flood {number}", SIGN_IN, HERE, "192.0.2.2")
    assert challenges.take("anna", SIGN_IN, HERE) == kept
    with pytest.raises(SignInRefused):
        challenges.take("flood 0", SIGN_IN, HERE)
    assert challenges.take("flood 1", SIGN_IN, HERE)


def test_nonsense_is_refused_and_uses_the_challenge_up(database, clock):
    book = Passkeys(database, lambda: clock[0])
    options = book.options("anna", SIGN_IN, HERE)
    assert (options["rpId"], options["userVerification"]) == ("studio.test", "required")
    for match in ("not accepted", "took too long"):
        with pytest.raises(SignInRefused, match=match):
            book.prove("anna", SIGN_IN, HERE, '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}')
    assert not book.any_at("studio.test")
