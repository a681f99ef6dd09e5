"""Asking again for what was made from other clips: as it was, with another seed, with other words."""

import pytest
from sqlalchemy import update

from himmel.errors import ApiError
from himmel.studio.jobs import find
from himmel.studio.remakes import extend_video
from himmel.studio.retries import ask_again, may_again
from himmel.studio.tables import jobs
from himmel.studio.timelines import Kept, Made, make_timeline
from himmel.studio.videos import create_video
from himmel.studio.workers import Report


@pytest.fixture
def clip(server, caller, finished):
    """A finished clip of 10 seconds."""
    return finished(create_video(server, caller, {"prompt": "a cat", "seconds": "10", "size": "64x48"}), b"the clip")


def test_an_extension_that_was_made_is_made_again_and_costs_what_is_added(server, caller, clip, finished):
    extended = finished(extend_video(server, caller, {"prompt": "a dog", "seconds": "4", "video": {"id": clip.id}}))
    again = ask_again(server, caller, extended, new_seed=True)
    assert again.request | {"seed": extended.request["seed"]} == extended.request
    assert again.request["seed"] != extended.request["seed"] and again.parent_id == clip.id
    assert (again.request["seconds"], again.request["kept_seconds"]) == (4.0, 10.0)


def test_of_a_storyboard_only_what_the_change_concerns_is_made(server, caller, clip, finished):
    server.workers.report(Report("w", "fake", weights="aa"))
    pieces = [Made(2.0, "a moon"), Kept(clip, 0.0, 3.0), Made(1.0)]
    board = make_timeline(server, caller, pieces, {"prompt": "a dog", "seed": 7}, cuts=[1])
    job = server.queue.claim("w")
    for shot in board.request["shots"]:
        server.queue.keep_shot(job.id, job.attempts, f"shot-{shot['key']}-aa", "d" * 64)
    server.queue.finish(job.id, job.attempts, {"video": clip.results["video"]}, {})

    def again(**changes):
        request = ask_again(server, caller, board, **changes).request
        assert [shot["parts"] for shot in request["shots"]] == [1, 2]
        kept = [shot == before for shot, before in zip(request["shots"], board.request["shots"], strict=True)]
        assert request["seconds"] + request["kept_seconds"] == pytest.approx(6.0, abs=0.2)
        return kept, request["seconds"]

    assert again() == ([True, True], 0.1)
    assert again(prompt="an owl") == ([True, False], 1.0)  # the first shot has words of its own
    assert again(new_seed=True) == ([False, False], 3.0)


def test_what_came_without_its_material_is_not_asked_for_again(server, caller, clip, finished):
    extended = finished(extend_video(server, caller, {"prompt": "a dog", "seconds": "4", "video": {"id": clip.id}}))
    assert may_again(clip) and may_again(extended)
    with server.database.write() as connection:
        bare = extended.request | {"source": None}
        connection.execute(update(jobs).where(jobs.c.id == extended.id).values(request=bare))
        brought = find(connection, extended.id)
    assert not may_again(brought)
    with pytest.raises(ApiError, match="begin anew"):
        ask_again(server, caller, brought)
