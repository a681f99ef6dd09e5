"""A storyboard: cards on a timeline, and the shots between its cuts, each of which is made by itself.

Owns: what a card says about its stretch of time, what a shot knows and is told when, and the key under which a finished
shot is kept. Standard library only; reading files of YAML is ``storyboard_file``'s, making pixels a backend's.

Times are seconds. Those of cards count from the beginning of the storyboard, those within a shot from its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from himmel.errors import BadStoryboard, UnreadableMedia
from himmel.spec import RANGES, Character, Size, VideoRequest

KEY_VERSION = 1  # counts up when the same shot shall be made anew
TEXT, IMAGE, CLIP = "text", "image", "clip"
KINDS = (TEXT, IMAGE, CLIP)


@dataclass(frozen=True)
class ShotSettings:
    """What holds for a whole shot. None means the model's own default, as in a :class:`VideoRequest`."""

    model: str = VideoRequest.model
    size: Size | None = None
    fps: int | None = None
    seed: int = VideoRequest.seed
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str = ""
    turbo: bool | None = None


@dataclass(frozen=True)
class Card:
    """One card, from ``start`` to ``end``; a picture that is one frame has both the same.

    ``prompt`` is the text of a text card, or what is told from a picture or clip on; it holds until another
    replaces it. ``gap`` is told from ``end`` on. ``source_start`` is where in its file a clip begins.
    """

    line: int
    kind: str
    start: float
    end: float
    prompt: str | None = None
    file: Path | None = None
    source_start: float = 0.0
    gap: str | None = None
    cut: bool = False
    seed: int | None = None


@dataclass(frozen=True)
class Storyboard:
    """All cards in the order of time, and the length of the whole."""

    path: Path
    settings: ShotSettings
    seconds: float
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Stretch:
    """What is told from ``start`` to ``end`` of a shot."""

    start: float
    end: float
    prompt: str


@dataclass(frozen=True)
class Known:
    """Frames that are given: those of a clip from ``source_start`` on, or one picture.

    They fill the shot from ``start`` to ``end``; where both are the same it is one frame, the shot's last if
    ``start`` is its length. A picture with an ``end`` stands still so long.
    """

    start: float
    end: float
    kind: str
    file: Path
    source_start: float = 0.0


@dataclass(frozen=True)
class Shot:
    """One shot, made without a look at the others: stretches without a gap from 0 to ``seconds``, and known frames.

    ``number`` counts from one; ``line`` and ``start`` say where it stands in the storyboard. None of these three
    has a part in how it looks.
    """

    number: int
    line: int
    start: float
    seconds: float
    settings: ShotSettings
    stretches: tuple[Stretch, ...]
    known: tuple[Known, ...]


def shots(storyboard: Storyboard) -> tuple[Shot, ...]:
    """The shots between the cuts. Raises BadStoryboard for one that is told nothing, or lasts no time."""
    firsts = [index for index, card in enumerate(storyboard.cards) if card.cut or index == 0]
    found = []
    for number, (first, after) in enumerate(pairwise([*firsts, len(storyboard.cards)]), 1):
        start = storyboard.cards[first].start if first else 0.0
        end = storyboard.cards[after].start if after < len(storyboard.cards) else storyboard.seconds
        found.append(_shot(storyboard, number, storyboard.cards[first:after], start, end))
    return tuple(found)


def shot_key(shot: Shot, maker: Mapping[str, str], characters: Sequence[Character] = ()) -> str:
    """The SHA-256, in hex, of all that a shot's frames depend on: the same key, the same clip.

    That is times, prompts, settings, what is in the files of known frames (not their names), who appears and how that
    looks, and its ``maker``: the hash of the model's weights, build and device, as in a recipe. Where the shot stands
    in the storyboard does not count, so that it may be moved. Raises UnreadableMedia for a file that cannot be read.
    """
    content = {
        "version": KEY_VERSION,
        "maker": dict(maker),
        "seconds": shot.seconds,
        "settings": {**asdict(shot.settings), "size": str(shot.settings.size)},
        "stretches": [asdict(stretch) for stretch in shot.stretches],
        "known": [{**asdict(known), "file": _file_hash(known.file)} for known in shot.known],
        "characters": {character.name: _file_hash(Path(character.path)) for character in characters},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def apart(end: float, start: float) -> float:
    """The time from ``start`` to ``end`` in whole microseconds, free of the noise of binary fractions."""
    return round(float(end - start), 6)


def _shot(board: Storyboard, number: int, cards: tuple[Card, ...], start: float, end: float) -> Shot:
    line, seconds = cards[0].line, apart(end, start)
    if seconds < RANGES["seconds"][0]:
        raise BadStoryboard(board.path, line, f"this shot lasts {seconds:g} s; allowed: from {RANGES['seconds'][0]} s")
    stretches = _stretches(cards, start, seconds)
    if not stretches:
        raise BadStoryboard(board.path, line, "this shot is told nothing; give one of its cards a 'text' or a 'prompt'")
    known = tuple(
        Known(apart(card.start, start), apart(card.end, start), card.kind, card.file, card.source_start)
        for card in cards
        if card.file
    )
    seed = board.settings.seed if cards[0].seed is None else cards[0].seed
    return Shot(number, line, start, seconds, replace(board.settings, seed=seed), stretches, known)


def _stretches(cards: tuple[Card, ...], start: float, seconds: float) -> tuple[Stretch, ...]:
    """What is told when: each prompt until the next; what comes before the first is told the first."""
    told = [(card.start, card.prompt) for card in cards] + [(card.end, card.gap) for card in cards]
    changes = sorted((apart(time, start), prompt) for time, prompt in told if prompt)
    found: list[Stretch] = []
    for (time, prompt), (until, _) in pairwise([*changes, (seconds, "")]):
        if until == time:
            continue
        if found and found[-1].prompt == prompt:
            found[-1] = replace(found[-1], end=until)
        else:
            found.append(Stretch(time if found else 0.0, until, prompt))
    if not found and changes:  # told at the very end only, by a last frame
        found.append(Stretch(0.0, seconds, changes[0][1]))
    return tuple(found)


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableMedia(path, error.strerror or str(error)) from None
