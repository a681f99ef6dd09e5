"""Says a scene in German.

Owns: German grammar (gender, case, adjective endings, conjugation, separable verbs, word order). Wordings
are in ``phrases_de.toml``; which terms are said is settled by ``caption``.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from himmel.world.nouns import NAMED
from himmel.world.phrases import Extras, cut, phrases, pick, synonyms
from himmel.world.scene import Actor, Scene

P_DEFINITE = 0.06  # how often "der Pinguin" instead of "ein Pinguin"
NUMBERS = ("kein", "ein", "zwei", "drei", "vier")
IRREGULAR = {
    "laufen": "läuft",
    "fahren": "fährt",
    "fallen": "fällt",
    "wachsen": "wächst",
    "werden": "wird",
    "schwellen": "schwillt",
    "schlagen": "schlägt",
    "nehmen": "nimmt",
    "sein": "ist",
}
INDECLINABLE = ("orange", "lila", "rosa", "pink")
INDEFINITE = {
    "nom": {"m": "ein", "f": "eine", "n": "ein"},
    "acc": {"m": "einen", "f": "eine", "n": "ein"},
    "dat": {"m": "einem", "f": "einer", "n": "einem"},
}
STRONG = {
    "nom": {"m": "er", "f": "e", "n": "es"},
    "acc": {"m": "en", "f": "e", "n": "es"},
    "dat": {"m": "en", "f": "en", "n": "en"},
}
DEFINITE = {"m": "der", "f": "die", "n": "das"}
PRONOUN = {"m": "er", "f": "sie", "n": "es"}


@dataclass(frozen=True)
class Verb:
    """One act, taken apart: ``sich``, what stands at the end of the clause, and the separable prefix."""

    infinitive: str
    reflexive: bool
    rest: str
    prefix: str

    @classmethod
    def parse(cls, wording: str) -> Verb:
        """Read ``"{drehen} sich wie eine Karte +um"``."""
        found = re.fullmatch(r"\{(\w+)\}( sich)?((?: [^+ ]+)*)(?: \+(\w+))?", wording)
        if not found:
            raise ValueError(f"German wording not understood: {wording}")
        return cls(found[1], bool(found[2]), found[3].strip(), found[4] or "")

    def finite(self, *, plural: bool) -> str:
        """springt, springen"""
        if plural:
            return "sind" if self.infinitive == "sein" else self.infinitive
        if self.infinitive in IRREGULAR:
            return IRREGULAR[self.infinitive]
        stem = (
            self.infinitive.removesuffix("n").removesuffix("e")
            if self.infinitive.endswith("en")
            else self.infinitive[:-1]
        )
        return stem + ("et" if stem.endswith(("t", "d")) else "t")

    def main(self, between: str, *, plural: bool) -> str:
        """springt im Schnee hoch: ``between`` comes after verb and reflexive."""
        return _join(self.finite(plural=plural), "sich" * self.reflexive, between, self.rest, self.prefix)

    def last(self, before: str, *, plural: bool) -> str:
        """sich im Schnee umdreht: the order of subordinate clauses."""
        return _join("sich" * self.reflexive, before, self.rest, self.prefix + self.finite(plural=plural))

    def bare(self) -> str:
        """sich umdrehen"""
        return _join("sich" * self.reflexive, self.rest, self.prefix + self.infinitive)

    def participle(self) -> str:
        """sich umdrehend, without its ending"""
        return self.bare() + "d"


def say(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """One German caption of the scene."""
    if scene.relation:
        text = _related(scene, extras, rng)
        return _finish(_with_camera(_with_style(text, extras, rng), extras, rng), rng, stop=0.5, lower=0.4)
    if rng.random() < 0.34:
        return _keywords(scene, extras, rng)
    form = rng.choices((_sentence, _inverted, _relative, _participle), (35, 20, 25, 20))[0]
    text = form(scene, extras, rng)
    return _finish(_with_camera(_with_style(text, extras, rng), extras, rng), rng, stop=0.5, lower=0.35)


def _sentence(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """Ein Pinguin springt am Strand."""
    (actor,) = scene.actors
    plural = actor.count > 1
    where = " ".join(_adverbs(scene, extras, rng))
    acts = verbs(actor, rng)
    who = phrase(actor, "nom", rng)
    if len(acts) == 1:
        return f"{who} {acts[0].main(where, plural=plural)}"
    first, second = acts
    if rng.random() < 0.5:
        then = rng.choice(("dann", "danach"))
        return f"{who} {first.main(where, plural=plural)} und {second.main(then, plural=plural)}"
    once = rng.choice(("erst", "zuerst"))
    return f"{who} {first.main(_join(where, once), plural=plural)}, {_pronoun_clause(actor, second)}"


def _pronoun_clause(actor: Actor, act: Verb) -> str:
    """dann dreht er sich"""
    plural = actor.count > 1
    pronoun = "sie" if plural else PRONOUN[NAMED[actor.noun].de_gender]
    return _join("dann", act.finite(plural=plural), pronoun, "sich" * act.reflexive, act.rest, act.prefix)


def _inverted(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """Am Strand springt ein Pinguin."""
    (actor,) = scene.actors
    front, *others = rng.sample(adverbs := _adverbs(scene, extras, rng), len(adverbs))
    first, *second = verbs(actor, rng)
    text = f"{front} {first.main(_join(phrase(actor, 'nom', rng), *others), plural=actor.count > 1)}"
    return f"{text}, {_pronoun_clause(actor, second[0])}" if second else text


def _relative(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """ein Pinguin, der am Strand springt"""
    (actor,) = scene.actors
    where = " ".join(_adverbs(scene, extras, rng))
    start, case = rng.choices(
        (("", "nom"), ("ein Video von", "dat"), ("wir sehen", "acc"), ("man sieht", "acc")), (80, 8, 6, 6)
    )[0]
    who = _join(start, phrase(actor, case, rng))
    if actor.motions == ("stand",) and rng.random() < 0.7:
        return f"{who} {where}"
    relative = _relative_clause(actor, verbs(actor, rng), where if rng.random() < 0.6 else "")
    return f"{who}, {relative}" if where in relative else f"{who} {where}, {relative}"


def _relative_clause(actor: Actor, acts: list[Verb], where: str) -> str:
    """der am Strand springt und sich dann dreht"""
    plural = actor.count > 1
    pronoun = "die" if plural else DEFINITE[NAMED[actor.noun].de_gender]
    text = f"{pronoun} {acts[0].last(where, plural=plural)}"
    return f"{text} und {acts[1].last('dann', plural=plural)}" if len(acts) > 1 else text


def _participle(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """ein springender Pinguin am Strand"""
    (actor,) = scene.actors
    if len(actor.motions) > 1:
        return _relative(scene, extras, rng)
    return _join(_acting(actor, "nom", rng), *_adverbs(scene, extras, rng))


def _acting(actor: Actor, case: str, rng: random.Random, *, article: bool = True) -> str:
    """ein springender blauer Pinguin"""
    if actor.motions == ("stand",) and rng.random() < 0.6:
        return phrase(actor, case, rng, article=article)
    return phrase(actor, case, rng, article=article, doing=verbs(actor, rng)[0].participle())


def _keywords(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """Pinguin, Schnee, springen"""
    (actor,) = scene.actors
    table = phrases("de")
    pieces = _keyword_act(actor, rng)
    said = {"setting": scene.setting, "style": extras.style, "light": extras.light, "weather": extras.weather}
    pieces += [
        _setting(key, rng, "bare") if kind == "setting" else pick(rng, table.of(kind, key, "bare"))
        for kind, key in said.items()
        if key
    ]
    short = len(pieces) <= 3 and len(actor.motions) == 1
    camera = extras.camera
    if camera and rng.random() < 0.6:
        pieces.append(pick(rng, table.of("camera", camera, "bare")))
        camera, short = None, False
    text = " ".join(pieces) if short and rng.random() < 0.35 else ", ".join(cut(rng, pieces))
    return _finish(_with_camera(text, Extras(camera=camera), rng), rng, stop=0.03, lower=0.6)


def _keyword_act(actor: Actor, rng: random.Random) -> list[str]:
    """Noun and act as one or two keywords."""
    other = synonyms("de").get(actor.noun, ())
    plain = actor.count == 1 and actor.colour is None and actor.size == "normal"
    who = (
        rng.choice(other)
        if other and plain and rng.random() < 0.2
        else phrase(actor, "nom", rng, article=rng.random() < 0.1)
    )
    if actor.motions == ("stand",) and rng.random() < 0.7:
        return [who]
    acts = verbs(actor, rng)
    if len(acts) > 1:
        return [who, f"{rng.choice(('', 'erst '))}{acts[0].bare()}, dann {acts[1].bare()}"]
    chance = rng.random()
    if chance < 0.4:
        return [who, acts[0].bare()]
    if chance < 0.75:
        return [f"{who} {acts[0].main('', plural=actor.count > 1)}"]
    return [_acting(actor, "nom", rng, article=False)]


def _related(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """ein Hund links von einem Fahrrad, der Hund springt, das Fahrrad dreht sich"""
    first, second, *third = scene.actors
    relation = pick(rng, phrases("de").of("relation", str(scene.relation), "full"))
    where = " ".join(_adverbs(scene, extras, rng))
    still = all(actor.motions == ("stand",) for actor in scene.actors)
    if still and rng.random() < 0.6:
        more = "".join(f", dazu {phrase(actor, 'nom', rng)}" for actor in third)
        return _join(phrase(first, "nom", rng), relation, phrase(second, "dat", rng), where) + more
    singles = all(len(actor.motions) == 1 for actor in scene.actors)
    if singles and rng.random() < 0.55:
        more = "".join(f", dazu {_acting(actor, 'nom', rng)}" for actor in third)
        if rng.random() < 0.5:
            apart = pick(rng, phrases("de").of("apart", str(scene.relation), "full"))
            return apart.format(_acting(first, "nom", rng), _acting(second, "nom", rng)) + f"{more}, {where}"
        return f"{_acting(first, 'nom', rng)} {relation} {_acting(second, 'dat', rng)} {where}{more}"
    others = [f"dazu {phrase(actor, 'nom', rng)}" for actor in third]
    start = ", ".join((f"{phrase(first, 'nom', rng)} {relation} {phrase(second, 'dat', rng)} {where}", *others))
    told = [_told(actor, rng) for actor in scene.actors]
    return f"{start}{rng.choice((': ', ', ', '; '))}{', '.join(told[:-1])}{rng.choice((', ', ' und '))}{told[-1]}"


def _told(actor: Actor, rng: random.Random) -> str:
    """der Hund springt, dann dreht er sich"""
    noun, plural = NAMED[actor.noun], actor.count > 1
    who = f"die {noun.de_plural}" if plural else f"{DEFINITE[noun.de_gender]} {noun.de}"
    first, *second = verbs(actor, rng)
    text = f"{who} {first.main('', plural=plural)}"
    return f"{text} und {second[0].main('dann', plural=plural)}" if second else text


def verbs(actor: Actor, rng: random.Random) -> list[Verb]:
    """One wording per step."""
    kind = NAMED[actor.noun].kind
    return [Verb.parse(motion(key, kind, rng)) for key in actor.motions]


def motion(key: str, kind: str, rng: random.Random) -> str:
    """A wording of a motion, fit for a kind of noun."""
    table = phrases("de")
    own = table.of("motion", key, kind)
    wording = pick(rng, own) if own and rng.random() < 0.6 else pick(rng, table.of("motion", key, "any"))
    chance = rng.random()
    source = kind if chance < 0.6 else "any" if chance < 0.95 else "mistaken"
    return wording.replace("{go}", pick(rng, table.of("go", source, "verbs")))


def phrase(actor: Actor, case: str, rng: random.Random, *, article: bool = True, doing: str = "") -> str:
    """einem kleinen blauen Pinguin; drei kleine blaue Pinguine. ``doing`` is a participle without ending."""
    table, noun, plural = phrases("de"), NAMED[actor.noun], actor.count > 1
    words = [doing] if doing else []
    words += [pick(rng, table.of("size", actor.size, "full"))] if actor.size != "normal" else []
    words += [pick(rng, table.of("colour", actor.colour, "full"))] if actor.colour else []
    ending = ("en" if case == "dat" else "e") if plural else STRONG[case][noun.de_gender]
    the = article and case == "nom" and rng.random() < P_DEFINITE
    if the:  # der kleine blaue Pinguin, die drei kleinen blauen Pinguine
        ending = "en" if plural else "e"
    words = [word if word in INDECLINABLE else word + ending for word in words]
    if plural:
        number = NUMBERS[actor.count] if rng.random() < 0.85 else str(actor.count)
        name = noun.de_dative_plural if case == "dat" else noun.de_plural
        return _join("die" if the else "", number, *words, name)
    name = noun.de if case == "nom" else noun.de_oblique
    before = DEFINITE[noun.de_gender] if the else INDEFINITE[case][noun.de_gender]
    return _join(before if article else "", *words, name)


def _setting(key: str, rng: random.Random, form: str) -> str:
    words = phrases("de").of("setting", key, form)
    plain = key.replace("_", " ")
    return pick(rng, words) if words else plain if form == "bare" else f"vor der Kulisse {plain}"


def _adverbs(scene: Scene, extras: Extras, rng: random.Random) -> list[str]:
    """Where, when and in which weather, in random order."""
    table = phrases("de")
    said = [
        pick(rng, table.of(kind, key, "full"))
        for kind, key in (("light", extras.light), ("weather", extras.weather))
        if key
    ]
    where = [_setting(scene.setting, rng, "full"), *said]
    return rng.sample(where, len(where))


def _with_style(text: str, extras: Extras, rng: random.Random) -> str:
    if extras.style is None:
        return text
    if rng.random() < 0.3:
        return f"{pick(rng, phrases('de').of('style', extras.style, 'bare'))}: {text}"
    return f"{text}, {pick(rng, phrases('de').of('style', extras.style, 'full'))}"


def _with_camera(text: str, extras: Extras, rng: random.Random) -> str:
    if extras.camera is None:
        return text
    table = phrases("de")
    if rng.random() < 0.12:
        command = f"[{pick(rng, table.of('camera', extras.camera, 'command'))}]"
        return f"{text} {command}" if rng.random() < 0.7 else f"{command} {text}"
    if rng.random() < 0.25:
        return f"{text}, {pick(rng, table.of('camera', extras.camera, 'bare'))}"
    act = Verb.parse(pick(rng, table.of("camera", extras.camera, "full")))
    if rng.random() < 0.35:
        return f"{text}, während die Kamera {act.last('', plural=False)}"
    return f"{text}{rng.choice((', ', '. ', ', '))}die Kamera {act.main('', plural=False)}"


def _finish(text: str, rng: random.Random, *, stop: float, lower: float) -> str:
    """Capitals and the full stop, as people type them or leave them out."""
    if rng.random() < lower:
        text = text.lower() if rng.random() < 0.4 else text
    else:
        text = re.sub(r"(^|\. )([a-zäöü])", lambda found: found[1] + found[2].upper(), text)
    return text + "." if rng.random() < stop and not text.endswith("]") else text


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)
