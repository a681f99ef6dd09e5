"""From scenes to poses: where every single cut-out stands, how large, and what the camera does.

Owns: placement of actors, their poses over time, the camera path. Knows no pixels.
Units as in ``motion``: the frame spans -1 … 1 both ways, y grows downwards.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from himmel.world.motion import Pace, offsets
from himmel.world.scene import Actor, Scene
from himmel.world.sets import ground_line
from himmel.world.walks import WALKED, frames_at

CAMERA_SECONDS = 4.0
MOMENT = 1 / 24  # seconds, within which one sees whether somebody moves
STILL = 0.03  # half frame heights a second: as good as standing
HEIGHT_OF = {"small": 0.75, "normal": 1.1, "big": 1.4}  # of a lone actor, in half frame heights
CROWD = {1: 1.0, 2: 0.78, 3: 0.62, 4: 0.5}  # the more there are, the smaller
FLOATING = -0.1  # resting height where a setting has no ground
FLOATING_LOW = 0.35  # and of what needs room above
HIGHEST = -0.45  # what stands above something stays in the frame when the camera zooms in
UPRIGHT = frozenset({"rise", "fall", "jump", "bounce"})


@dataclass(frozen=True)
class CutOut:
    """One cut-out of one clip: what it is, where it rests, and its pace. Higher layers cover lower ones.

    ``faces_left`` before and after its turn; ``turn`` is the second at which an event of two steps changes over.
    """

    clip: int
    noun: str
    style: str
    colour: str | None
    steps: tuple[str, ...]
    x: float
    y: float
    height: float
    faces_left: tuple[bool, bool]
    layer: int
    course: float
    period: float
    reach: float
    easing: float
    sign: float
    turn: float


@dataclass(frozen=True)
class Poses:
    """Poses of many cut-outs over time; every field has shape (cut-outs, frames).

    ``x``, ``y`` centre; ``width``, ``height`` half extents (width negative where mirrored); ``angle`` radians.
    """

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    angle: Tensor


@dataclass(frozen=True)
class CameraPath:
    """What the camera does, shape (clips, frames): magnification 1 … 1.6 and shift of the backdrop."""

    zoom: Tensor
    x: Tensor
    y: Tensor


def cut_outs(scenes: Sequence[Scene]) -> list[CutOut]:
    """Place every actor of every scene; the same scene is always staged in the same way."""
    return [cut_out for clip, scene in enumerate(scenes) for cut_out in _stage(clip, scene)]


def poses(cast: list[CutOut], time: Tensor) -> Poses:
    """Poses at ``time`` (frames,) in seconds."""

    def column(name: str) -> Tensor:
        return torch.tensor([[float(getattr(c, name))] for c in cast])

    pace = Pace(*(column(name) for name in ("course", "period", "reach", "easing", "sign")))
    turn = column("turn")
    moved = offsets([c.steps for c in cast], time, pace, turn)
    half = column("height") / 2
    before, after = torch.tensor([c.faces_left for c in cast]).float().split(1, dim=1)
    mirror = 1 - 2 * torch.where(time < turn, before, after)
    # Growing and squashing keep the feet where they are.
    feet = half * (1 - moved.scale * moved.stretch_y)
    return Poses(
        x=column("x") + moved.x,
        y=column("y") + moved.y + feet,
        width=half * moved.scale * moved.stretch_x * mirror,
        height=half * moved.scale * moved.stretch_y,
        angle=moved.angle,
    )


def strides(cast: list[CutOut], time: Tensor) -> Tensor:
    """Which frame of its walk cycle each of a cast shows at ``time`` (frames,): (cut-outs, frames), see ``walks``."""

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values)[:, None]

    moved = (poses(cast, time + MOMENT).x - poses(cast, time).x).abs() / MOMENT
    before, after = (column([float(c.steps[place] in WALKED) for c in cast]) > 0 for place in (0, -1))
    on_foot = torch.where(time < column([c.turn for c in cast]), before, after)
    speed = column([1.1 * c.reach / c.course for c in cast])
    return frames_at(time, speed, column([c.height for c in cast]), on_foot & (moved > STILL))


def camera_path(scenes: Sequence[Scene], time: Tensor) -> CameraPath:
    """The camera of each scene at ``time`` (frames,); it eases over four seconds and then rests."""
    u = (time / CAMERA_SECONDS).clamp(0, 1)
    u = 0.5 * u + 0.5 * u * u * (3 - 2 * u)
    zoom, x, y = (torch.stack([_camera(s.camera, u)[i] for s in scenes]) for i in range(3))
    return CameraPath(zoom, x, y)


def usual_zoom(camera: str) -> float:
    """A camera's magnification halfway through its move, by which the size of pictures is chosen."""
    return float(_camera(camera, torch.tensor(0.5))[0])


def _camera(kind: str, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    zero = torch.zeros_like(u)
    match kind:
        case "zoom_in":
            return 1 + 0.6 * u, zero, zero
        case "zoom_out":
            return 1.6 - 0.6 * u, zero, zero
        case "pan_left":
            return zero + 1, 0.7 * (0.5 - u), zero
        case "pan_right":
            return zero + 1, 0.7 * (u - 0.5), zero
        case "tilt_up":
            return zero + 1.3, zero, 0.44 * (0.5 - u)
        case "tilt_down":
            return zero + 1.3, zero, 0.44 * (u - 0.5)
        case _:
            return zero + 1, zero, zero


def _stage(clip: int, scene: Scene) -> list[CutOut]:
    return [
        _cut_out(clip, scene, actor, place)
        for actor, row in zip(scene.actors, _places(scene), strict=True)
        for place in row
    ]


@dataclass(frozen=True)
class _Place:
    x: float
    lift: float  # above the resting height
    size: float  # factor on the lone actor's height
    layer: int


# Where the first and the second actor of a relation stand. What is in front, or above, is drawn last.
_PAIRS = {
    "left_of": (_Place(-0.48, 0, 0.72, 0), _Place(0.48, 0, 0.72, 1)),
    "right_of": (_Place(0.48, 0, 0.72, 0), _Place(-0.48, 0, 0.72, 1)),
    "above": (_Place(0.0, 0.85, 0.62, 1), _Place(0.0, 0, 0.7, 0)),
    "below": (_Place(0.0, 0, 0.7, 0), _Place(0.0, 0.85, 0.62, 1)),
    "in_front_of": (_Place(-0.2, -0.08, 0.8, 1), _Place(0.22, 0.2, 0.8, 0)),
    "behind": (_Place(0.22, 0.2, 0.8, 0), _Place(-0.2, -0.08, 0.8, 1)),
}
# The third is behind them all, where they leave room.
_THIRD = {"left_of": (0.0, 0.65), "right_of": (0.0, 0.65), "above": (0.6, 0.0), "below": (0.6, 0.0)}
_THIRD_OF_DEEP = (-0.55, 0.55)


def _places(scene: Scene) -> list[list[_Place]]:
    """A row of places per actor."""
    if len(scene.actors) == 1:
        return [_row(scene.actors[0], random.Random(scene.seed))]
    relation = scene.relation or "left_of"
    third = _Place(*_THIRD.get(relation, _THIRD_OF_DEEP), 0.48, -1)
    return [[place] for place in (*_PAIRS[relation], third)[: len(scene.actors)]]


def _row(actor: Actor, rng: random.Random) -> list[_Place]:
    size = CROWD[actor.count]
    if actor.count == 1:
        return [_Place(rng.uniform(*_free(actor)), 0, size, 0)]
    step = 1.5 / actor.count
    return [_Place(step * (i - (actor.count - 1) / 2), 0, size, i) for i in range(actor.count)]


def _free(actor: Actor) -> tuple[float, float]:
    """Where a lone actor may rest, across; who goes somewhere may also begin in the middle and leave the frame."""
    ways = [motion for motion in actor.motions if motion in ("go_left", "go_right", "zigzag")]
    if not ways:
        return -0.3, 0.3
    if len(actor.motions) > 1:
        return 0.0, 0.0
    return (-0.5, 0.1) if ways[0] == "go_left" else (-0.1, 0.5)


def _cut_out(clip: int, scene: Scene, actor: Actor, place: _Place) -> CutOut:
    height = HEIGHT_OF[actor.size] * place.size
    pace = random.Random(scene.seed + scene.actors.index(actor))  # a row moves as one
    two = len(actor.motions) > 1
    sides = [motion == "go_left" for motion in actor.motions if motion in ("go_left", "go_right", "zigzag")] or [False]
    return CutOut(
        clip=clip,
        noun=actor.noun,
        style=scene.style,
        colour=actor.colour,
        steps=actor.motions,
        x=place.x,
        y=max(HIGHEST, _resting_height(scene, actor, height) - place.lift),
        height=height,
        faces_left=(sides[0], sides[-1]),
        layer=place.layer,
        course=pace.uniform(1.6, 1.9) if two else pace.uniform(2.8, 3.8),
        period=pace.uniform(0.85, 1.15),
        reach=pace.uniform(0.9, 1.1) * _room(scene, actor),
        easing=pace.random(),
        sign=pace.choice((-1.0, 1.0)),
        turn=pace.uniform(1.8, 2.0),
    )


def _room(scene: Scene, actor: Actor) -> float:
    """How much of a lone actor's way there is, 0 … 1: less beside others, least where one stands above another."""
    room = max(0.25, 1 - 0.35 * (len(scene.actors) - 1)) * (1.0 if actor.count == 1 else 0.35)
    if scene.relation in ("above", "below") and {*UPRIGHT, "circle", "zigzag"} & set(actor.motions):
        return 0.35
    sideways = {"go_left", "go_right", "zigzag", "circle"} & set(actor.motions)
    return room if sideways else min(1.0, 0.6 + 0.4 * room)


def _resting_height(scene: Scene, actor: Actor, height: float) -> float:
    """Where the actor's centre rests: feet on the ground, or, where there is none, about the middle."""
    ground = ground_line(scene.setting)
    if ground is not None:
        return min(2 * ground - 1 - height / 2, 0.95 - height / 2)
    if len(scene.actors) > 2 or scene.relation not in (None, "left_of", "right_of"):
        return FLOATING_LOW  # all alike, so that lifts alone settle who is above
    return FLOATING_LOW if UPRIGHT & set(actor.motions) else FLOATING + 0.3 * ("circle" in actor.motions)
