"""Lineage: parents, the clips that are in a cut, what was made of a clip, and how many are not shown."""

import pytest

from himmel.studio import lineage
from himmel.studio.lineage import lineage_of
from himmel.studio.remakes import remix_video
from himmel.studio.timelines import Kept, Made, blended, make_timeline
from himmel.studio.videos import create_video


@pytest.fixture
def clip(server, caller, finished):
    """A way to get one more finished clip of 4 seconds."""

    def made(name):
        return finished(create_video(server, caller, {"prompt": name, "seconds": "4", "size": "64x48"}), name.encode())

    return made


def kin(server, job):
    found = lineage_of(server.database, job)
    return [[one.id for one in jobs] for jobs in (found.above, found.parts, found.below)]


def test_a_blend_has_two_parents_and_both_know_it(server, caller, clip):
    one, other, stranger = clip("a cat"), clip("a dog"), clip("a moon")
    pieces = blended(Kept(one, 0.0, 4.0), Kept(other, 0.0, 4.0), 1.0)
    blend = make_timeline(server, caller, pieces, {"prompt": "a cat"}, parent_id=one.id)
    assert kin(server, blend) == [[one.id], [other.id], []]
    assert kin(server, one) == kin(server, other) == [[], [], [blend.id]]
    assert kin(server, stranger) == [[], [], []]


def test_a_storyboard_comes_from_each_of_its_clips_once_and_from_nobody_elses(server, caller, clip):
    one, other = clip("a cat"), clip("a dog")
    pieces = [Kept(one, 0.0, 1.0), Made(1.0), Kept(other, 0.0, 1.0), Kept(one, 1.0, 2.0)]
    board = make_timeline(server, caller, pieces, {"prompt": "a moon"})
    assert kin(server, board) == [[], [one.id, other.id], []]
    server.queue.cancel(other.id, caller.account_id, delete=True)
    assert kin(server, board) == [[], [one.id], []]
    theirs = server.keys.caller(f"Bearer {server.keys.create('boris')}")
    foreign = make_timeline(server, theirs, pieces, {"prompt": "a moon"})
    assert kin(server, foreign) == [[], [], []] and kin(server, one) == [[], [], [board.id]]


def test_what_is_not_shown_is_counted(server, caller, clip, finished, monkeypatch):
    monkeypatch.setattr(lineage, "MOST_STEPS", 2)
    monkeypatch.setattr(lineage, "MOST_CHILDREN", 2)
    first = clip("a cat")
    line = [first]
    for _ in range(4):
        line.append(finished(remix_video(server, caller, line[-1], {"prompt": "a dog"})))
    found = lineage_of(server.database, line[-1])
    assert ([one.id for one in found.above], found.more_above) == ([line[2].id, line[3].id], 2)
    later = [remix_video(server, caller, first, {"prompt": "an owl"}) for _ in range(3)]
    found = lineage_of(server.database, first)
    assert ([one.id for one in found.below], found.more_below) == ([one.id for one in later[1:]], 2)
