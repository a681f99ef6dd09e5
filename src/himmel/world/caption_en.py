"""Says a scene in English.

Owns: English grammar (articles, plurals, conjugation, word order). Wordings are in ``phrases_en.toml``;
which terms are said is settled by ``caption``.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from himmel.world.nouns import NAMED
from himmel.world.phrases import Extras, cut, phrases, pick, synonyms
from himmel.world.scene import Actor, Scene

# Names that take no article: what is not counted, and what is always many.
MASS = (
    "bread", "cheese", "coffee", "corn", "maize", "yarn", "cattle", "luggage", "earth", "planet earth", "Saturn",
    "broccoli", "butter", "champagne", "chocolate", "DNA", "garlic", "honey", "juice", "lavender", "lettuce",
    "lightning", "milk", "noodle soup", "oden", "parchment", "pasta", "popcorn", "ramen", "rice", "sake", "sakura",
    "salt", "shaved ice", "soap", "spaghetti", "sun cream", "sushi", "tea", "tempura", "thread", "toilet paper",
    "yerba mate", "bok choy", "mate tea", "meat on the bone", "bubble tea", "boba tea", "beer", "wine", "bowling",
    "lotion", "Santa", "Father Christmas",
)  # fmt: skip
ALWAYS_MANY = (
    "glasses", "spectacles", "sunglasses", "scissors", "grapes", "cherries",
    "ballet shoes", "blueberries", "chopsticks", "comedy masks", "french fries", "fries", "gloves", "goggles",
    "headphones", "jeans", "maracas", "mittens", "pancakes", "piano keys", "scales", "shorts", "socks", "trousers",
)  # fmt: skip
NUMBERS = ("no", "one", "two", "three", "four")
P_DEFINITE = 0.06  # how often "the penguin" instead of "a penguin"
STARTS = (
    "a video of",
    "a clip of",
    "video of",
    "a short video of",
    "an animation of",
    "show",
    "show me",
    "make a video of",
)
DOUBLED = ("spin", "hop", "run", "trot", "drop", "pan", "flip", "get", "jog", "swim", "zip", "sit", "step", "bob")


def say(scene: Scene, extras: Extras, rng: random.Random) -> str:
    """One English caption of the scene."""
    names = [name(actor, rng) for actor in scene.actors]
    form = rng.choices((_sentence, _progressive, _keywords), (30, 36, 34))[0]
    return form(scene, extras, names, rng)


def _sentence(scene: Scene, extras: Extras, names: list[str], rng: random.Random) -> str:
    """A penguin jumps on the beach at sunset while the camera zooms in."""
    subject, tail = _told(scene, names, rng, "is" if rng.random() < 0.3 else "s")
    adverbs = _adverbs(scene, extras, rng)
    text = subject + _spread(tail, adverbs, rng)
    if len(adverbs) and rng.random() < 0.15:
        front, *rest = rng.sample(adverbs, len(adverbs))
        text = f"{front}, {subject}{_spread(tail, rest, rng)}"
    elif extras.style is None and rng.random() < 0.08:
        seen, tail = _told(scene, names, rng, "ing")
        text = f"{rng.choice(('there is', 'we see', 'the scene shows'))} {seen}{_spread(tail, adverbs, rng)}"
    text = _with_style(text, extras, rng, titled=False)
    text = _with_camera(text, extras, rng, full=True)
    return _finish(text, rng, stop=0.7, lower=0.3)


def _progressive(scene: Scene, extras: Extras, names: list[str], rng: random.Random) -> str:
    """a penguin jumping in the snow, the camera zooms in"""
    subject, tail = _told(scene, names, rng, "ing")
    if tail and rng.random() < 0.07:
        _, tail = _told(scene, names, rng, "is" if rng.random() < 0.3 else "s")
        tail = f" that{tail}" if tail else ""
    text = subject + _spread(tail, _adverbs(scene, extras, rng), rng)
    if extras.style is None and rng.random() < 0.08:
        text = f"{rng.choice(STARTS)} {text}"
    text = _with_style(text, extras, rng, titled=True)
    text = _with_camera(text, extras, rng, full=rng.random() < 0.6)
    return _finish(text, rng, stop=0.15, lower=0.75)


def _keywords(scene: Scene, extras: Extras, names: list[str], rng: random.Random) -> str:
    """penguin, snow, jumping"""
    article = rng.random() < 0.15
    nouns = [phrase(actor, name, rng, article=article) for actor, name in zip(scene.actors, names, strict=True)]
    bare = phrases("en")
    form = rng.choices(("ing", "s", "base"), (70, 15, 15))[0]
    acts = [event(actor, name, rng, form) for actor, name in zip(scene.actors, names, strict=True)]
    pieces = [nouns[0]]
    if scene.relation:
        pieces = [f"{nouns[0]} {pick(rng, bare.of('relation', scene.relation, 'full'))} {nouns[1]}"]
        told = (*map(_numbered, scene.actors[:2], names), *nouns[2:])
        pieces += [f"{one} {act}".strip() for one, act in zip(told, acts, strict=True) if act or one in nouns[2:]]
    elif acts[0]:
        pieces = [f"{nouns[0]} {acts[0]}"] if rng.random() < 0.5 else [nouns[0], acts[0]]
    said = {"setting": scene.setting, "style": extras.style, "light": extras.light, "weather": extras.weather}
    pieces += [
        _setting(key, rng, "bare") if table == "setting" else pick(rng, bare.of(table, key, "bare"))
        for table, key in said.items()
        if key
    ]
    # Without commas only plain, short prompts stay readable.
    short = len(pieces) <= 3 and not scene.relation and len(scene.actors[0].motions) == 1
    camera = extras.camera
    if camera and rng.random() < 0.6:
        pieces.append(pick(rng, bare.of("camera", camera, "bare")))
        camera, short = None, False
    text = " ".join(pieces) if short and rng.random() < 0.4 else ", ".join(cut(rng, pieces))
    text = _with_camera(text, Extras(camera=camera), rng, full=False)
    return _finish(text, rng, stop=0.03, lower=0.9)


def _told(scene: Scene, names: list[str], rng: random.Random, form: str) -> tuple[str, str]:
    """Who does what, in two parts; the setting may come between them or after."""
    if scene.relation:
        return _related(scene, names, rng, form), ""
    (actor,) = scene.actors
    act = event(actor, names[0], rng, form)
    who = phrase(actor, names[0], rng)
    if not act and form != "ing":
        return ("there are " if actor.count > 1 or names[0] in ALWAYS_MANY else "there is ") + who, ""
    return who, f" {act}" if act else ""


def _related(scene: Scene, names: list[str], rng: random.Random, form: str) -> str:
    """a dog left of a bicycle, the dog jumping, the bicycle spinning"""
    who = [phrase(actor, name, rng) for actor, name in zip(scene.actors, names, strict=True)]
    where = pick(rng, phrases("en").of("relation", str(scene.relation), "full"))
    others = f", also {who[2]}" if len(who) > 2 else ""
    if all(actor.motions == ("stand",) for actor in scene.actors) and rng.random() < 0.6:
        return ("there is " if form != "ing" else "") + f"{who[0]} {where} {who[1]}{others}"
    acts = [event(a, name, rng, form, silent=False) for a, name in zip(scene.actors, names, strict=True)]
    alike = len({actor.motions for actor in scene.actors}) == 1 and len(scene.actors) == 2
    if alike and rng.random() < 0.4:
        pair = replace(scene.actors[0], count=2)
        return f"{who[0]} {where} {who[1]}, both {event(pair, names[0], rng, form, silent=False)}"
    doing = [f"{one} {act}" for one, act in zip(who, acts, strict=True)]
    last = f", also {doing[2]}" if others else ""
    if rng.random() < 0.3 and not (form != "ing" and others):
        apart = pick(rng, phrases("en").of("apart", str(scene.relation), "full"))
        return apart.format(*doing[:2]) + last
    if rng.random() < 0.4 and form == "ing":
        return f"{who[0]} {acts[0]}, {where} {doing[1]}{last}"
    told = [f"the {_numbered(actor, name)} {act}" for actor, name, act in zip(scene.actors, names, acts, strict=True)]
    return f"{who[0]} {where} {who[1]}{others}, {', '.join(told[:-1])} and {told[-1]}"


def event(actor: Actor, name: str, rng: random.Random, form: str, *, silent: bool = True) -> str:
    """What an actor does: ``form`` is "s", "is", "ing" or "base". Standing may be passed over in silence."""
    if silent and actor.motions == ("stand",) and rng.random() < 0.7:
        return ""
    kind = NAMED[actor.noun].kind
    many = actor.count > 1 or name in ALWAYS_MANY
    steps = [conjugated(motion(key, kind, rng), "ing" if form == "is" else form, plural=many) for key in actor.motions]
    if form == "base" and steps[0] in ("rock", "drop"):  # nouns too
        return f"{steps[0]}ing" if steps[0] == "rock" else "dropping"
    if form == "is":
        steps[0] = f"{'are' if many else 'is'} {steps[0]}"
    if len(steps) == 1:
        return steps[0]
    first, second = steps
    pattern = rng.choice(("{}, then {}", "{} and then {}", "first {}, then {}", "{} then {}", "first {} and then {}"))
    return pattern.format(first, second)


def motion(key: str, kind: str, rng: random.Random) -> str:
    """A wording of a motion, fit for a kind of noun, verbs still in braces."""
    table = phrases("en")
    own = table.of("motion", key, kind)
    wording = pick(rng, own) if own and rng.random() < 0.6 else pick(rng, table.of("motion", key, "any"))
    chance = rng.random()
    source = kind if chance < 0.6 else "any" if chance < 0.94 else "mistaken"
    return wording.replace("{go}", "{" + pick(rng, table.of("go", source, "verbs")) + "}")


def conjugated(wording: str, form: str, *, plural: bool = False) -> str:
    """The wording with its verbs as "s" (jumps; jump in the plural), "ing" or "base"."""
    return re.sub(r"\{(\w+)\}", lambda found: conjugate(found[1], form, plural=plural), wording)


def conjugate(verb: str, form: str, *, plural: bool = False) -> str:
    """One verb: jump → jumps, jump, jumping."""
    if form == "ing":
        if verb == "be":
            return "being"
        if verb in DOUBLED:
            return verb + verb[-1] + "ing"
        if verb == "zigzag":
            return "zigzagging"
        return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"
    if verb == "be":
        return "are" if plural else "is"
    if form == "base" or plural:
        return verb
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def phrase(actor: Actor, name: str, rng: random.Random, *, article: bool = True) -> str:
    """a small blue penguin; three small blue penguins"""
    table = phrases("en")
    words = [pick(rng, table.of("size", actor.size, "full"))] if actor.size != "normal" else []
    words += [pick(rng, table.of("colour", actor.colour, "full"))] if actor.colour else []
    words.append(_numbered(actor, name))
    if actor.count > 1:
        return " ".join([NUMBERS[actor.count] if rng.random() < 0.85 else str(actor.count), *words])
    if not article or name in MASS + ALWAYS_MANY:
        return " ".join(words)
    return " ".join(["the" if rng.random() < P_DEFINITE else _article(words[0], actor.noun), *words])


def name(actor: Actor, rng: random.Random) -> str:
    """A singular name of the actor's noun, or one that has no singular where one is meant."""
    others = synonyms("en").get(actor.noun, ())
    if actor.count > 1:
        others = tuple(other for other in others if other not in MASS + ALWAYS_MANY)
    return rng.choice(others) if others and rng.random() < 0.2 else NAMED[actor.noun].en


def plural(key: str, name: str) -> str:
    """The plural of one of a noun's names."""
    noun = NAMED[key]
    if name == noun.en:
        return noun.en_plural
    if name in MASS + ALWAYS_MANY or name.endswith("craft"):
        return name
    if found := re.match(r"(.+?) ((?:of|on|in|with|doing|and) .+)", name):  # bunch of flowers: bunches of flowers
        return f"{plural(key, found[1])} {found[2]}"
    if re.search(r"(?<!hu)man$", name):  # fireman, old woman
        return name[:-2] + "en"
    if name.endswith(("s", "sh", "ch", "x", "z")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def _numbered(actor: Actor, name: str) -> str:
    return plural(actor.noun, name) if actor.count > 1 else name


def _article(word: str, key: str) -> str:
    noun = NAMED[key]
    if word == noun.en:
        return noun.en_article
    return "an" if re.match(r"[aeio]|u(?!ni)[mn]", word.lower()) else "a"


def _setting(key: str, rng: random.Random, form: str) -> str:
    words = phrases("en").of("setting", key, form)
    plain = key.replace("_", " ")
    return pick(rng, words) if words else plain if form == "bare" else f"in the {plain}"


def _adverbs(scene: Scene, extras: Extras, rng: random.Random) -> list[str]:
    """Where, when and in which weather, where first."""
    table = phrases("en")
    later = [
        pick(rng, table.of(kind, key, "full"))
        for kind, key in (("light", extras.light), ("weather", extras.weather))
        if key
    ]
    rng.shuffle(later)
    return [_setting(scene.setting, rng, "full"), *later]


def _spread(tail: str, adverbs: list[str], rng: random.Random) -> str:
    return tail + "".join(f" {adverb}" for adverb in adverbs)


def _with_style(text: str, extras: Extras, rng: random.Random, *, titled: bool) -> str:
    if extras.style is None:
        return text
    table = phrases("en")
    if titled and rng.random() < 0.45:
        return f"{pick(rng, table.of('style', extras.style, 'of'))} {text}"
    if rng.random() < 0.2:
        return f"{pick(rng, table.of('style', extras.style, 'bare'))}: {text}"
    return f"{text}{rng.choice((',', ''))} {pick(rng, table.of('style', extras.style, 'full'))}"


def _with_camera(text: str, extras: Extras, rng: random.Random, *, full: bool) -> str:
    if extras.camera is None:
        return text
    table = phrases("en")
    if rng.random() < 0.12:
        command = f"[{pick(rng, table.of('camera', extras.camera, 'command'))}]"
        return f"{text} {command}" if rng.random() < 0.7 else f"{command} {text}"
    if full:
        clause = conjugated(pick(rng, table.of("camera", extras.camera, "full")), "s")
        return text + rng.choice((", ", " while ", " as ", ". ", " and ", ", ")) + clause
    return f"{text}, {pick(rng, table.of('camera', extras.camera, 'bare'))}"


def _finish(text: str, rng: random.Random, *, stop: float, lower: float) -> str:
    """Capitals and the full stop, as people type them or leave them out."""
    if rng.random() < lower:
        text = text.lower() if rng.random() < 0.5 else text
    else:
        text = re.sub(r"(^|\. )([a-z])", lambda found: found[1] + found[2].upper(), text)
    return text + "." if rng.random() < stop and not text.endswith("]") else text
