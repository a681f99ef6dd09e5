import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from himmel.errors import BadRecipe, BadRequest, NoRecipe, UnreadableMedia
from himmel.media.recipe import Recipe, read_recipe, recipe_from_json
from himmel.media.video_io import write_video
from himmel.spec import Character, Clip, Gap, ModelInfo, Picture, Remix, Size, VideoRequest

MODEL = ModelInfo(
    name="papercut",
    weight_hash="0123456789abcdef",
    parameters=1,
    native_size=Size(64, 64),
    native_fps=8,
    default_size=Size(128, 128),
    default_steps=8,
    default_guidance=3.0,
    vocabulary_size=1,
    licence="Apache-2.0",
    trained_on="",
    scores={},
    max_window_seconds=4.0,
    characters=1,
)


def recipe_of(**wishes):
    request = VideoRequest("ein Bär am „Strand“, 海辺", seed=7, **wishes)
    return Recipe.of(request, MODEL, device="cpu", himmel_version="1.2.3", build="torch 2.13.0")


def write(path, metadata):
    write_video(path, [np.zeros((1, 16, 16, 3), np.uint8)], size=Size(16, 16), fps=8, metadata=metadata)
    return path


def test_a_recipe_settles_what_the_request_left_open():
    recipe = recipe_of(steps=3, guidance=0)
    assert (recipe.size, recipe.fps, recipe.steps, recipe.guidance) == ("128x128", 8, 3, 0)
    assert (recipe.native_size, recipe.native_fps) == ("64x64", 8)
    assert (recipe.model, recipe.weight_hash) == ("papercut", "0123456789abcdef")


def test_a_recipe_survives_the_trip_through_a_clip(tmp_path):
    recipe = recipe_of(negative_prompt="rain", seconds=1.5)
    assert read_recipe(write(tmp_path / "clip.mp4", recipe.to_json())) == recipe


def test_following_a_recipe_leads_to_the_same_recipe():
    recipe = recipe_of(negative_prompt="rain", seconds=1.5, size=Size(32, 48), guidance=0.5)
    again = Recipe.of(recipe.request(), MODEL, device="cpu", himmel_version="1.2.3", build="torch 2.13.0")
    assert again == recipe


def test_the_first_frame_is_known_by_its_checksum(tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"some picture")
    recipe = recipe_of(first_frame=str(picture))
    assert recipe.files == {str(picture): hashlib.sha256(b"some picture").hexdigest()}
    assert recipe.request().first_frame == str(picture)
    with pytest.raises(UnreadableMedia, match=r"absent\.png"):
        recipe_of(first_frame=str(tmp_path / "absent.png"))


@pytest.mark.parametrize("metadata", ["", "shot on a phone", "{}", "[1]", '{"prompt": "a cat"}', "7"])
def test_foreign_clips_have_no_recipe(tmp_path, metadata):
    with pytest.raises(NoRecipe, match=r"clip\.mp4"):
        read_recipe(write(tmp_path / "clip.mp4", metadata))


def test_every_field_is_needed_and_no_other_is_allowed(tmp_path):
    values = json.loads(recipe_of().to_json())
    for name in asdict(recipe_of()):
        lacking = {key: value for key, value in values.items() if key != name}
        with pytest.raises(BadRecipe, match=name):
            recipe_from_json(json.dumps(lacking), tmp_path)
    with pytest.raises(BadRecipe, match="unknown settings: sharpness"):
        recipe_from_json(json.dumps(values | {"sharpness": 2}), tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", "7"), ("seed", True), ("fps", 8.5), ("prompt", None), ("guidance", "3")]
)
def test_values_of_the_wrong_kind_are_refused(tmp_path, name, value):
    values = json.loads(recipe_of().to_json())
    with pytest.raises(BadRecipe, match=name):
        recipe_from_json(json.dumps(values | {name: value}), tmp_path)


def test_another_format_is_refused_by_its_number(tmp_path):
    values = json.loads(recipe_of().to_json())
    with pytest.raises(BadRecipe, match="format 99"):
        recipe_from_json(json.dumps(values | {"himmel_recipe": 99}), tmp_path)


def test_impossible_values_are_refused_when_they_are_used():
    with pytest.raises(BadRequest, match="seed -1"):
        replace(recipe_of(), seed=-1).request()


def test_a_recipe_of_format_1_is_still_followed(tmp_path):
    values = json.loads(recipe_of().to_json()) | {"himmel_recipe": 1, "first_frame": "cat.png"}
    for name in ("turbo", "loop", "timeline", "remix", "shots", "files", "characters"):
        del values[name]
    recipe = recipe_from_json(json.dumps(values | {"first_frame_sha256": "ab"}), tmp_path)
    assert (recipe.files, recipe.request().first_frame, recipe.turbo) == ({"cat.png": "ab"}, "cat.png", False)


def test_a_recipe_of_format_2_has_no_characters(tmp_path):
    values = json.loads(recipe_of(loop=True).to_json()) | {"himmel_recipe": 2}
    del values["characters"]
    recipe = recipe_from_json(json.dumps(values), tmp_path)
    assert (recipe.loop, recipe.request().characters) == (True, ())


def test_a_recipe_knows_its_characters(tmp_path):
    (tmp_path / "Rex.png").write_bytes(b"picture")
    rex = Character("Rex", str(tmp_path / "Rex.png"))
    recipe = recipe_from_json(recipe_of(characters=(rex,)).to_json(), tmp_path)
    assert recipe.request().characters == (rex,)
    assert recipe.files == {rex.path: hashlib.sha256(b"picture").hexdigest()}
    broken = json.loads(recipe.to_json()) | {"characters": [{"name": 5, "path": "x"}]}
    with pytest.raises(BadRequest, match="character"):
        recipe_from_json(json.dumps(broken), tmp_path).request()


def test_a_recipe_knows_the_timeline_and_all_its_files(tmp_path):
    clip, picture = tmp_path / "clip.mp4", tmp_path / "picture.png"
    clip.write_bytes(b"clip"), picture.write_bytes(b"picture")
    timeline = (Clip(str(clip), 0.0, 1.0), Gap(1.0, "a cat"), Gap(1.0), Picture(str(picture)))
    recipe = recipe_of(seconds=3.0, timeline=timeline, loop=True)
    again = recipe_from_json(recipe.to_json(), tmp_path)
    assert again == recipe
    assert (again.request().timeline, again.request().loop) == (timeline, True)
    assert again.files == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (clip, picture)}


def test_a_remix_is_known_by_its_clip_and_mask_and_a_box_is_no_file(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    remix = Remix(str(tmp_path / "clip.mp4"), 0.4, "0,0,8,8")
    recipe = recipe_from_json(recipe_of(remix=remix).to_json(), tmp_path)
    assert recipe.request().remix == remix
    assert list(recipe.files) == [remix.path]


@pytest.mark.parametrize(
    "changes",
    [
        {"timeline": [{"sound": "a.wav"}]},
        {"timeline": [{"seconds": "long", "prompt": None}]},
        {"remix": {"path": "a.mp4", "sound": 1}},
        {"remix": {"path": "a.mp4", "strength": "high", "mask": None}},
        {"shots": [{"prompt": "a cat"}]},
    ],
)
def test_parts_that_nobody_understands_are_refused(tmp_path, changes):
    values = json.loads(recipe_of().to_json())
    with pytest.raises(BadRequest):
        recipe_from_json(json.dumps(values | changes), tmp_path).requests()
