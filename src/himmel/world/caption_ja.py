"""Says a scene in Japanese.

Owns: Japanese grammar (particles, counters, plain, progressive and joining verb forms, word order).
Wordings are in ``phrases_ja.toml``; which terms are said is settled by ``caption``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from himmel.world.nouns import NAMED
from himmel.world.phrases import Extras, cut, phrases, pick, synonyms
from himmel.world.scene import Actor, Scene

NUMBERS = ("零", "一", "二", "三", "四")
ANIMATE = ("person", "walker", "flyer", "swimmer")
ALIVE = ("ghost", "robot")  # things that are there as people are: いる


@dataclass(frozen=True)
class Verb:
    """One act in the three forms that captions need: する, して, している."""

    plain: str
    te: str
    progressive: str

    @classmethod
    def parse(cls, wording: str) -> Verb:
        """Read ``"回転する|回転して"`` or, with its own progressive, ``"落ちる|落ちて|落ちていく"``."""
        plain, te, *own = wording.split("|")
        # 歩いていっている would be odd: what goes away or comes near stays plain.
        moving = te.endswith(("いって", "きて"))
        return cls(plain, te, own[0] if own else plain if moving else te + "いる")

    @property
    def keyword(self) -> str:
        """ジャンプ for ジャンプする, else the plain form."""
        return self.plain.removesuffix("する")

    def finite(self, rng: random.Random) -> str:
        """Plain, progressive or polite progressive."""
        form = rng.choices(("plain", "progressive", "polite"), (50, 40, 10))[0]
        if form == "polite" and self.progressive.endswith(("ている", "でいる")):
            return self.progressive.removesuffix("る") + "ます"
        return self.plain if form == "plain" else self.progressive


def say(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """One Japanese caption of the scene."""
    if scene.relation:
        text = _related(scene, extras, rng)
        return _with_camera(_with_style(text, extras, rng), extras, rng)
    form = rng.choices((_sentence, _nominal, _keywords), (36, 34, 30))[0]
    return form(scene, extras, rng)


def _sentence(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """夕暮れに、雪の中でペンギンがジャンプする。"""
    (actor,) = scene.actors
    who, when = phrase(actor, rng), _when(extras, rng)
    place = _setting(scene.setting, rng)
    if _silent(actor, rng):
        text = _present(place, who, actor, rng)
    else:
        act = event(actor, rng)
        text = f"{place}で{who}が{act}" if rng.random() < 0.6 else f"{who}が{place}で{act}"
    return _with_camera(_with_style(when + text, extras, rng), extras, rng)


def _present(place: str, who: str, actor: Actor, rng: random.Random) -> str:
    """雪の中にペンギンがいる"""
    be = _be(actor)
    if rng.random() < 0.15:
        be = be.replace("いる", "います").replace("ある", "あります")
    return f"{place}に{who}が{be}" if rng.random() < 0.6 else f"{who}が{place}に{be}"


def _nominal(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """雪の中でジャンプするペンギン、カメラがズームイン"""
    (actor,) = scene.actors
    place, when = _setting(scene.setting, rng), _when(extras, rng)
    style = ""
    if extras.style and rng.random() < 0.5:
        style = pick(rng, phrases("ja").of("style", extras.style, "of"))
        extras = Extras(camera=extras.camera)
    who = style + phrase(actor, rng)
    if _silent(actor, rng):
        text = f"{place}の{who}" if rng.random() < 0.5 else f"{place}に{_be(actor)}{who}"
    else:
        text = f"{place}で{event(actor, rng, polite=False)}{who}"
    if rng.random() < 0.08:
        text += rng.choice(("の動画", "の映像", "のアニメ"))
    return _with_camera(_with_style(when + text, extras, rng), extras, rng, stop=0.1)


def _keywords(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """ペンギン、雪、ジャンプ"""
    (actor,) = scene.actors
    table = phrases("ja")
    pieces = [phrase(actor, rng)]
    if not _silent(actor, rng):
        acts = [verb.keyword for verb in verbs(actor, rng)]
        pieces.append("、次に".join(acts) if rng.random() < 0.5 else "、それから".join(acts))
    said = {"style": extras.style, "light": extras.light, "weather": extras.weather, "camera": extras.camera}
    place = _setting(scene.setting, rng)
    # 雪 is the snow, but 海 is not what 海の中 is.
    pieces.append(place if scene.setting == "underwater" else place.removesuffix("の中"))
    pieces += [pick(rng, table.of(kind, key, "bare")) for kind, key in said.items() if key]
    return rng.choices(("、", " ", "　"), (60, 32, 8))[0].join(cut(rng, pieces))


def _related(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """自転車の左に犬がいる。犬はジャンプし、自転車は回転する"""
    first, *third = scene.actors[0], *scene.actors[2:]
    side = pick(rng, phrases("ja").of("relation", str(scene.relation), "full"))
    place, when = _setting(scene.setting, rng), _when(extras, rng)
    who = [phrase(actor, rng, plain=True) for actor in scene.actors]
    there = f"{place}で、{who[1]}の{side}に{who[0]}が{_be(first)}"
    if rng.random() < 0.3:
        apart = pick(rng, phrases("ja").of("apart", str(scene.relation), "full"))
        there = f"{place}で、{apart.format(*who[:2])}"
    if third:
        there = f"{there.removesuffix('いる').removesuffix('ある')}{_and_also(there)}{who[2]}も{_be(third[0])}"
    if all(actor.motions == ("stand",) for actor in scene.actors) and rng.random() < 0.6:
        return when + there
    acts = [verbs(actor, rng) for actor in scene.actors]
    names = [NAMED[actor.noun].ja for actor in scene.actors]
    if rng.random() < 0.3 and not third:
        return f"{when}{place}で、{who[1]}の{side}で{who[0]}が{_joined(acts[0])}、{names[1]}は{_event(acts[1], rng)}"
    told = [f"{one}は{_joined(steps)}" for one, steps in zip(names[:-1], acts[:-1], strict=True)]
    return f"{when}{there}。{'、'.join((*told, f'{names[-1]}は{_event(acts[-1], rng)}'))}"


def _and_also(there: str) -> str:
    """How a clause goes on: 犬がいて、 or, where it has no verb, 左に犬、右に自転車、"""
    return there[-2] + "て、" if there.endswith("いる") else "あって、" if there.endswith("ある") else "、"


def _be(actor: Actor) -> str:
    """いる of what lives, ある of things."""
    return "いる" if NAMED[actor.noun].kind in ANIMATE or actor.noun in ALIVE else "ある"


def _joined(steps: list[Verb]) -> str:
    return "、次に".join(verb.te for verb in steps)


def event(actor: Actor, rng: random.Random, *, polite: bool = True) -> str:
    """What an actor does, as the end of a sentence or, not polite, before a noun."""
    steps = verbs(actor, rng)
    if len(steps) > 1:
        return _event(steps, rng)
    return steps[0].finite(rng) if polite else rng.choice((steps[0].plain, steps[0].progressive))


def _event(steps: list[Verb], rng: random.Random) -> str:
    """ジャンプしてから回転する"""
    if len(steps) == 1:
        return steps[0].finite(rng)
    pattern = rng.choice(("{}から{}", "{}、次に{}", "{}、それから{}", "まず{}、次に{}", "{}、そのあと{}"))
    return pattern.format(steps[0].te, steps[1].plain)


def verbs(actor: Actor, rng: random.Random) -> list[Verb]:
    """One wording per step."""
    kind = NAMED[actor.noun].kind
    return [Verb.parse(motion(key, kind, rng)) for key in actor.motions]


def motion(key: str, kind: str, rng: random.Random) -> str:
    """A wording of a motion, fit for a kind of noun."""
    table = phrases("ja")
    own = table.of("motion", key, kind)
    wording = pick(rng, own) if own and rng.random() < 0.6 else pick(rng, table.of("motion", key, "any"))
    if "{go}" not in wording:
        return wording
    chance = rng.random()
    source = kind if chance < 0.6 else "any" if chance < 0.95 else "mistaken"
    return going(wording, pick(rng, table.of("go", source, "verbs")))


def going(wording: str, verb: str) -> str:
    """右へ{go} with 歩く|歩いて: 右へ歩く|右へ歩いて"""
    return "|".join(wording.replace("{go}", form) for form in verb.split("|"))


def phrase(actor: Actor, rng: random.Random, *, plain: bool = False) -> str:
    """三羽の小さな青いペンギン; ``plain`` keeps to the usual name, for scenes that name a thing twice."""
    table, noun = phrases("ja"), NAMED[actor.noun]
    adjectives = [pick(rng, table.of("size", actor.size, "full"))] if actor.size != "normal" else []
    adjectives += [pick(rng, table.of("colour", actor.colour, "full"))] if actor.colour else []
    others = synonyms("ja").get(actor.noun, ())
    text = "".join(adjectives) + (rng.choice(others) if others and not plain and rng.random() < 0.2 else noun.ja)
    if actor.count == 1:
        return text
    number = NUMBERS[actor.count] if rng.random() < 0.5 else str(actor.count)
    return f"{number}{noun.ja_counter}の{text}"


def _silent(actor: Actor, rng: random.Random) -> bool:
    return actor.motions == ("stand",) and rng.random() < 0.7


def _setting(key: str, rng: random.Random) -> str:
    return pick(rng, phrases("ja").of("setting", key, "bare") or (key.replace("_", " "),))


def _when(extras: Extras, rng: random.Random) -> str:
    """夕暮れに、雨の中、"""
    table = phrases("ja")
    said = [
        pick(rng, table.of(kind, key, "full"))
        for kind, key in (("light", extras.light), ("weather", extras.weather))
        if key
    ]
    return "".join(f"{word}、" for word in said)


def _with_style(text: str, extras: Extras, rng: random.Random) -> str:
    if extras.style is None:
        return text
    style = pick(rng, phrases("ja").of("style", extras.style, "bare"))
    return f"{style}：{text}" if rng.random() < 0.4 else f"{text}、{style}"


def _with_camera(text: str, extras: Extras, rng: random.Random, *, stop: float = 0.5) -> str:
    """The camera after the sentence, and the full stop that Japanese prompts often leave out."""
    end = "。" if rng.random() < stop else ""
    if extras.camera is None:
        return text + end
    table = phrases("ja")
    if rng.random() < 0.12:
        command = f"[{pick(rng, table.of('camera', extras.camera, 'command'))}]"
        return f"{text} {command}" if rng.random() < 0.7 else f"{command} {text}"
    form = "full" if rng.random() < 0.7 else "bare"
    return f"{text}{end or '、'}{pick(rng, table.of('camera', extras.camera, form))}{end}"
