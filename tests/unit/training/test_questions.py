from dataclasses import replace

import pytest

from himmel.training.questions import asked_for, questions_for, truth
from himmel.world.scene import Actor, Scene, sample_scene
from himmel.world.vocabulary import LAPTOP, PLAIN, Vocabulary


def test_every_scene_is_told_in_known_answers() -> None:
    answers = {question.name: question.answers for question in questions_for(LAPTOP)}
    seen = set()
    for seed in range(300):
        told = truth(sample_scene(LAPTOP, seed))
        seen |= set(told)
        for name, answer in told.items():
            assert name in ("relation", "order", "style") or answer in answers[name]
    assert seen >= set(answers)


def test_questions_with_one_answer_are_not_asked() -> None:
    names = {question.name for question in questions_for(replace(PLAIN, max_actors=1, max_count=1))}
    assert "style" not in names  # one style only
    assert not names & {"axis", "former", "count"}


@pytest.mark.parametrize(("relation", "left"), [("left_of", "cat"), ("right_of", "dog")])
def test_two_relations_of_one_picture_have_one_truth(relation: str, left: str) -> None:
    told = truth(Scene((Actor("cat"), Actor("dog")), "beach", relation=relation))
    assert told["former"] == left
    assert told["relation"] == relation
    assert "noun" not in told


def test_two_steps_have_an_order_and_no_single_motion() -> None:
    told = truth(Scene((Actor("cat", ("jump", "spin")),), "beach"))
    assert (told["first"], told["then"], told["order"]) == ("jump", "spin", "jump > spin")
    assert "motion" not in told


def test_the_usual_goes_without_saying(vocabulary: Vocabulary) -> None:
    assert not asked_for("light", "day")
    assert asked_for("light", "night")
    assert asked_for("noun", vocabulary.nouns[0])
