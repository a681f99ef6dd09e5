"""Recipes in full: parts, their words, loop, first frame, mask and characters; and what others are not told."""

import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from himmel.studio.app import make_app
from himmel.studio.jobs import find
from himmel.studio.recipes import recipe_for_others, recipe_of
from himmel.studio.shares import make_link
from himmel.studio.tables import jobs
from himmel.studio.timelines import Kept, Made, Still, make_timeline
from himmel.studio.videos import create_video


@pytest.fixture
def clip(server, caller, finished):
    """A finished clip of 10 seconds."""
    return finished(create_video(server, caller, {"prompt": "a cat", "seconds": "10", "size": "64x48"}), b"the clip")


@pytest.fixture
def cut(server, caller, clip, finished):
    """A loop of a clip's beginning, a picture, and seconds with words of their own and without."""
    pieces = [Kept(clip, 0.0, 2.5), Made(2.0, "a moon <rises>"), Still("ab"), Made(1.0)]
    return finished(make_timeline(server, caller, pieces, {"prompt": "a dog"}, loop=True), b"the cut")


def test_the_recipe_of_a_cut_has_its_parts_and_nobody_else_hears_of_its_clips(server, clip, cut):
    told = recipe_of(server, cut)
    assert told["parts"] == [
        {"kind": "clip", "video": clip.id, "start": 0.0, "stop": 2.5},
        {"kind": "gap", "seconds": 2.0, "prompt": "a moon <rises>"},
        {"kind": "picture"},
        {"kind": "gap", "seconds": 1.0, "prompt": None},
    ]
    assert (told["loop"], told["himmel"]["task"]) == (True, "timeline") and "starred_at" not in told
    others = recipe_for_others(server, cut)
    assert others["parts"][1:] == told["parts"][1:] and others["loop"] is True
    for digest_or_number in (clip.id, clip.results["video"]):
        assert digest_or_number not in json.dumps(others)


def test_pages_show_it_too(server, caller, clip, cut):
    with TestClient(make_app(server)) as wire:
        token = make_link(server.database, caller.account_id, cut.id)
        shared = wire.get(f"/s/{token}", headers={"accept": "text/html"}).text
        wire.cookies.set("himmel", server.sessions.begin(caller.account_id, "a browser"))
        own = wire.get(f"/clips/{cut.id}", headers={"accept": "text/html"}).text
    for page in (own, shared):
        recipe = page.partition('class="recipe"')[2]
        for words in ("0 – 2.5 s", "2 s made", "a moon &lt;rises&gt;", "a picture", "its end leads back"):
            assert words in recipe
    assert f'href="/clips/{clip.id}"' in own.partition('class="recipe"')[2]
    assert clip.id not in shared


def test_what_a_clip_begins_with_and_who_is_in_it_is_told(server, caller, clip):
    with server.database.write() as connection:
        more = {"first_frame": "d" * 64, "mask": "10%,0,50%,100%", "cast": [{"name": "Ada", "digest": "e" * 64}]}
        connection.execute(update(jobs).where(jobs.c.id == clip.id).values(request=clip.request | more))
        job = find(connection, clip.id)
    for told in (recipe_of(server, job), recipe_for_others(server, job)):
        assert (told["first_frame"], told["mask"], told["cast"]) == (True, "10%,0,50%,100%", ["Ada"])
        assert "d" * 64 not in json.dumps(told) and "e" * 64 not in json.dumps(told)
