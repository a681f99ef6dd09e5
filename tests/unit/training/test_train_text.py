"""The questions that the text encoder is trained by."""

import torch

from himmel.engine.presets import TINY
from himmel.training.train_text import TextReader
from himmel.world.scene import Actor, Scene
from himmel.world.vocabulary import LAPTOP, PLAIN


def answered(reader, scene):
    """The right answers in words."""
    numbers = reader.truth([scene])[0].tolist()
    return {name: known[number] for (name, known), number in zip(reader.questions.items(), numbers, strict=True)}


def test_every_actor_is_asked_after():
    pair = (Actor("cat", ("jump",), colour="red"), Actor("bus", ("grow",), size="big"))
    told = answered(TextReader(TINY.text, LAPTOP), Scene(pair, "beach", relation="left_of", light="night"))
    assert (told["noun 0"], told["motion 0"], told["colour 0"]) == ("cat", "jump", "red")
    assert (told["noun 1"], told["motion 1"], told["size 1"]) == ("bus", "grow", "big")
    assert (told["setting"], told["light"], told["relation"]) == ("beach", "night", "left_of")


def test_what_is_not_there_has_an_answer_too():
    told = answered(TextReader(TINY.text, LAPTOP), Scene((Actor("cat", ("jump", "spin"), count=1),), "road"))
    assert (told["noun 1"], told["relation"], told["colour 0"], told["then"]) == ("-", "-", "-", "spin")


def test_training_teaches_the_answers():
    torch.manual_seed(0)
    reader = TextReader(TINY.text, PLAIN)
    scenes = [Scene((Actor(noun),), setting) for noun, setting in (("cat", "beach"), ("bus", "road"), ("owl", "sky"))]
    tokens, truth = torch.tensor([[1, 20], [1, 21], [1, 22]]), reader.truth(scenes)
    optimiser = torch.optim.Adam(reader.parameters(), 0.01)
    before = reader.loss(tokens, truth).item()
    for _ in range(30):
        optimiser.zero_grad()
        reader.loss(tokens, truth).backward()
        optimiser.step()
    assert reader.loss(tokens, truth).item() < before / 4
    accuracy = reader.accuracy(tokens, truth)
    assert (accuracy["noun 0"], accuracy["setting"]) == (1, 1)
