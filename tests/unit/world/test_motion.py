"""Every motion does what its name says, and two of them join without a leap."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from himmel.world.motion import COURSE_OF, MOTION_OF, PERIOD_OF, Offset, Pace, offsets
from himmel.world.vocabulary import MOTIONS

TIME = torch.linspace(0, 6, 601)
COURSE, TURN = 3.0, 1.9
FIELDS = ("x", "y", "scale", "angle", "stretch_x", "stretch_y")


def paced(**changes: float) -> Pace:
    values = {"course": COURSE, "period": 1.0, "reach": 1.0, "easing": 0.5, "sign": 1.0} | changes
    return Pace(**{name: torch.tensor([[value]]) for name, value in values.items()})


def moved(*steps: str, **changes: float) -> Offset:
    """The offset of one actor over six seconds; every field (601,)."""
    found = offsets([steps], TIME, paced(**changes), torch.tensor([[TURN]]))
    return Offset(**{name: value[0] for name, value in vars(found).items()})


def at(second: float) -> int:
    return round(second * 100)


def test_every_motion_is_there_and_is_periodic_or_takes_its_course() -> None:
    assert set(MOTION_OF) == set(MOTIONS) == {*PERIOD_OF, *COURSE_OF, "stand"}


def test_standing_is_no_motion() -> None:
    still = moved("stand")
    assert all((getattr(still, name) == getattr(Offset.rest(TIME), name)).all() for name in FIELDS)


@pytest.mark.parametrize("easing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("motion", COURSE_OF)
def test_a_one_way_motion_goes_its_way_and_then_rests(motion: str, easing: float) -> None:
    name, sign = COURSE_OF[motion]
    way = sign * getattr(moved(motion, easing=easing), name)
    assert way[at(COURSE)] - way[0] > 0.5
    assert (way.diff() >= -1e-6).all()
    assert way[at(COURSE) :].diff().abs().max() < 1e-6


def test_going_ends_as_far_on_one_side_as_it_began_on_the_other() -> None:
    for motion in ("go_right", "go_left", "zigzag"):
        x = moved(motion).x
        assert x[0] == pytest.approx(-float(x[-1])) and x[at(COURSE / 2)].abs() < 0.02


def test_falling_ends_and_rising_begins_on_the_ground() -> None:
    assert moved("fall").y[0] < -0.5 and moved("fall").y[-1] == 0
    assert moved("rise").y[0] == 0 and moved("rise").y[-1] < -0.5


@pytest.mark.parametrize("motion", sorted(set(PERIOD_OF) - {"spin", "zigzag"}))
@pytest.mark.parametrize("period", [0.9, 1.0])
def test_a_periodic_motion_repeats_itself_and_starts_at_rest(motion: str, period: float) -> None:
    pace = paced(period=period)
    time = torch.linspace(0, 3, 91)[None]
    one, two = (MOTION_OF[motion](t, pace) for t in (time, time + PERIOD_OF[motion] * period))
    for name in FIELDS:
        torch.testing.assert_close(getattr(one, name), getattr(two, name), atol=2e-3, rtol=0)
    start = MOTION_OF[motion](time, pace)
    assert all((getattr(start, n)[:, 0] - getattr(Offset.rest(time), n)[:, 0]).abs() < 1e-6 for n in FIELDS)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_spinning_turns_a_full_turn_in_its_period_and_goes_on(sign: float) -> None:
    angle = sign * moved("spin", sign=sign).angle
    assert angle[at(PERIOD_OF["spin"])] == pytest.approx(2 * math.pi, abs=1e-4)
    assert angle.diff().min() > 0


def test_jumping_leaves_the_ground_and_returns_to_it_again_and_again() -> None:
    y = moved("jump").y
    assert y.max() <= 0 and y.min() < -0.5
    landings = [second for second in range(1, 6) if float(y[at(second * PERIOD_OF["jump"])].abs()) < 0.05]
    assert landings == [1, 2, 3, 4, 5]


def test_bouncing_squashes_on_the_ground_only() -> None:
    bounce = moved("bounce")
    squashed = bounce.stretch_y < 0.99
    assert (bounce.y[squashed] == 0).all() and bounce.stretch_y.min() < 0.8 and bounce.stretch_x.max() > 1.2
    assert bounce.y.min() < -0.35 and bounce.stretch_y.max() == pytest.approx(1)


def test_circling_keeps_its_distance_from_the_middle_and_passes_all_sides() -> None:
    circle = moved("circle")
    radius = 0.34
    assert ((circle.x**2 + (circle.y + radius) ** 2).sqrt() - radius).abs().max() < 1e-5
    assert circle.x.min() < -0.3 and circle.x.max() > 0.3 and circle.y.min() < -0.6 and circle.y.max() > -0.01


def test_rocking_leans_to_both_sides_equally() -> None:
    angle = moved("rock").angle
    assert angle.max() == pytest.approx(-float(angle.min()), abs=1e-3) and angle.max() > 0.3


def test_zigzag_changes_between_up_and_down_on_its_way() -> None:
    up = moved("zigzag").y[: at(COURSE)].diff() < 0
    assert (up[1:] != up[:-1]).sum() >= 3


def test_flipping_shows_the_back_and_the_front_again() -> None:
    stretch = moved("flip").stretch_x
    assert stretch[at(PERIOD_OF["flip"] / 2)] == pytest.approx(-1, abs=1e-3)
    assert stretch[at(PERIOD_OF["flip"])] == pytest.approx(1, abs=1e-3)


def test_shaking_is_small_and_quick_and_pulsing_swells_and_shrinks() -> None:
    x = moved("shake").x
    assert x.abs().max() < 0.1 and (x[1:].sign() != x[:-1].sign()).sum() > 30
    scale = moved("pulse").scale
    assert scale.max() > 1.15 and scale.min() < 0.85


def test_reach_scales_the_way_and_period_the_pace() -> None:
    assert moved("go_right", reach=0.5).x[-1] == pytest.approx(float(moved("go_right").x[-1]) / 2)
    assert moved("spin", period=2.0).angle[-1] == pytest.approx(float(moved("spin").angle[-1]) / 2)


def test_two_steps_join_without_a_leap() -> None:
    events = list(itertools.permutations([motion for motion in MOTIONS if motion != "stand"], 2))
    all_moved = offsets(
        events,
        TIME,
        Pace(*(value.expand(len(events), 1) for value in vars(paced(course=1.7)).values())),
        torch.full((len(events), 1), TURN),
    )
    for row, event in enumerate(events):
        path = Offset(**{name: value[row] for name, value in vars(all_moved).items()})
        for name in FIELDS:
            assert getattr(path, name).diff().abs().max() < 0.08, (event, name)
        assert path.x.abs().max() < 0.95 and path.y.max() < 1e-4 and path.y.min() > -0.8, event
        assert 0.3 < path.scale.min() and path.scale.max() < 2, event


@pytest.mark.parametrize("first", PERIOD_OF)
def test_the_first_of_two_steps_has_come_to_rest_when_the_second_begins(first: str) -> None:
    event = moved(first, "grow", course=1.7)
    after = slice(at(TURN), None)
    assert event.y[after].abs().max() < 1e-3  # nobody grows hanging in the air
    assert (event.stretch_x[after] - 1).abs().max() < 1e-3  # nor as a card seen edge-on
    assert (event.angle[after] / (2 * math.pi) - (event.angle[-1] / (2 * math.pi)).round()).abs().max() < 1e-3
    assert event.scale[: at(TURN)].diff().abs().max() < 0.05 and event.scale[-1] > 1.2


def test_the_second_step_waits_for_its_turn_and_is_done_in_full() -> None:
    event = moved("grow", "jump", course=1.7)
    assert (event.y[: at(TURN)] == 0).all() and event.y[at(TURN) :].min() < -0.5
    assert event.scale[at(TURN) :].diff().abs().max() < 1e-6
    assert moved("jump", "spin").angle[at(2 * TURN)] == pytest.approx(2 * math.pi, abs=0.01)


@pytest.mark.parametrize(
    "steps", [("go_right", "go_left"), ("go_left", "go_right"), ("rise", "fall"), ("fall", "rise"), ("grow", "shrink")]
)
def test_there_and_back_ends_where_it_began(steps: tuple[str, str]) -> None:
    name, sign = COURSE_OF[steps[0]]
    way: Tensor = sign * getattr(moved(*steps, course=1.7), name)
    assert way[-1] == pytest.approx(float(way[0]), abs=1e-5)
    assert way[at(TURN)] - way[0] > 0.5
    alone = getattr(moved(steps[0], course=1.7), name)
    assert getattr(moved(*steps, course=1.7), name).min() >= alone.min() - 1e-5
    assert getattr(moved(*steps, course=1.7), name).max() <= alone.max() + 1e-5


def test_actors_are_moved_each_by_its_own_steps_and_pace() -> None:
    pace = Pace(
        *(torch.tensor(three)[:, None].float() for three in ((3, 2, 1.7), (1, 1, 1), (1, 0.5, 1), (0, 0, 0), (1, 1, 1)))
    )
    together = offsets([("go_right",), ("go_left",), ("jump", "spin")], TIME, pace, torch.full((3, 1), TURN))
    assert together.x[0, -1] == pytest.approx(0.55) and together.x[1, -1] == pytest.approx(-0.275)
    assert (
        together.x[1, at(2)] == together.x[1, -1] and together.angle[:2].abs().max() == 0 and together.angle[2, -1] > 6
    )
