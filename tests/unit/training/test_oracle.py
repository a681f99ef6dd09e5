from pathlib import Path

import pytest
import torch

from himmel.engine import checkpoint
from himmel.errors import BadCheckpoint
from himmel.training.oracle import Oracle, OracleConfig, answers, key_points, load_oracle, save_oracle
from himmel.training.questions import questions_for
from himmel.training.train_oracle import OracleRecipe, rendered, spoilt, train_oracle, true_track
from himmel.world.render import Renderer
from himmel.world.scene import Actor, Scene
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(vocabulary: Vocabulary) -> OracleConfig:
    return OracleConfig(vocabulary, frames=9, side=32, width=8)


@pytest.fixture(scope="module")
def oracle(config: OracleConfig) -> Oracle:
    torch.manual_seed(0)
    return Oracle(config).eval()


@torch.inference_mode()
def test_any_size_and_rate_is_read(oracle: Oracle, vocabulary: Vocabulary) -> None:
    for shape in ((2, 9, 3, 32, 32), (2, 25, 3, 48, 80)):
        reading = oracle(torch.rand(shape))
        assert {name: value.shape for name, value in reading.logits.items()} == {
            q.name: (2, len(q.answers)) for q in questions_for(vocabulary)
        }
        assert reading.embedding.shape == (2, 256)
        assert reading.track.shape == (2, 9, 9)


@torch.inference_mode()
def test_a_clip_is_read_the_same_in_any_company(oracle: Oracle) -> None:
    clips = torch.rand(3, 9, 3, 32, 32)
    torch.testing.assert_close(oracle(clips).embedding[1:2], oracle(clips[1:2]).embedding, atol=1e-4, rtol=1e-4)


def test_key_points_find_where_and_how_large() -> None:
    maps = torch.full((1, 1, 9, 9), -30.0)
    maps[0, 0, 2, 6] = 30.0
    found, weights = key_points(maps)
    assert found[0, :4].tolist() == pytest.approx([0.5, -0.5, 0, 0], abs=0.02)
    assert weights.sum() == pytest.approx(1)
    maps[0, 0, 2, 2] = 30.0  # two places, as far apart across as 1
    found, _ = key_points(maps)
    assert found[0, :4].tolist() == pytest.approx([0, -0.5, 0.5, 0], abs=0.02)


def test_the_true_track_is_where_the_pixels_are(atlas: Atlas) -> None:
    """A disc on a still stage: its true centre and size against those of what it covers."""
    scene = Scene((Actor("owl", ("go_right",)),), "sky", camera="zoom_in", seed=7)
    renderer = Renderer(atlas, 64, 64, 4)
    frames = renderer.render([scene], 17)[0]
    blue = ((frames[:, 2] - frames[:, 0] > 0.5) & (frames[:, 1] < 0.45)).float()
    grid = torch.linspace(-1, 1, 65)[:-1] + 1 / 64
    track = true_track([scene], torch.arange(17) / 4)[0]
    for time in (4, 8):  # while the disc is wholly in the frame
        x = float((blue[time].sum(0) * grid).sum() / blue[time].sum())
        assert x == pytest.approx(float(track[time, 0]), abs=0.06)
    half = float((blue[8].sum() / 64**2 * 4 / torch.pi).sqrt())
    assert half == pytest.approx(float(track[8, 2].exp()), rel=0.15)
    assert track[-1, 6] > track[0, 6]  # the camera came nearer


def test_tracks_of_several_are_unknown_but_the_camera_is_not() -> None:
    scene = Scene((Actor("owl", count=2),), "sky", seed=5)
    track = true_track([scene], torch.arange(5) / 4)
    assert track[..., :6].isnan().all()
    assert not track[..., 6:].isnan().any()


def test_spoilt_clips_keep_shape_and_range_and_some_stay_clean() -> None:
    torch.manual_seed(0)
    clips = torch.rand(64, 5, 3, 16, 16)
    worse = spoilt(clips)
    assert worse.shape == clips.shape
    assert 0 <= worse.min() <= worse.max() <= 1
    same = (worse == clips).flatten(1).all(1).float().mean()
    assert 0.03 < same < 0.6


@torch.inference_mode()
def test_relation_and_order_are_chosen_among_what_the_scene_allows(oracle: Oracle, vocabulary: Vocabulary) -> None:
    reading = oracle(torch.rand(1, 9, 3, 32, 32))
    two = answers(oracle, reading, Scene((Actor("cat"), Actor("owl")), "sky", relation="above"))
    assert two["relation"] in vocabulary.relations
    assert "order" not in two
    steps = answers(oracle, reading, Scene((Actor("cat", ("jump", "grow")),), "sky"))
    assert steps["order"] in ("jump > grow", "grow > jump")


def test_weighing_follows_the_readings(oracle: Oracle) -> None:
    reading = oracle(torch.rand(1, 9, 3, 32, 32))
    known = {q.name: q.answers for q in oracle.questions}
    for name, answer in (("axis", "across"), ("former", "owl"), ("latter", "cat"), ("first", "grow"), ("then", "jump")):
        reading.logits[name][0, known[name].index(answer)] += 50
    scene = Scene((Actor("cat"), Actor("owl")), "sky", relation="left_of")
    assert answers(oracle, reading, scene)["relation"] == "right_of"  # the owl was read on the left
    assert answers(oracle, reading, Scene((Actor("cat", ("jump", "grow")),), "sky"))["order"] == "grow > jump"


def test_an_oracle_survives_its_file(oracle: Oracle, tmp_path: Path) -> None:
    save_oracle(tmp_path / "oracle", oracle, {"steps": 3})
    again = load_oracle(tmp_path / "oracle")
    assert again.config == oracle.config
    clips = torch.rand(2, 9, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(again(clips).embedding, oracle(clips).embedding, atol=0.02, rtol=0.02)
    with pytest.raises(BadCheckpoint):
        load_oracle(tmp_path / "nothing")


def test_weights_of_another_build_are_refused(oracle: Oracle, tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in oracle.state_dict().items() if not name.startswith("heads.noun")}
    header = checkpoint.Header("oracle", checkpoint.for_configuration(oracle.config), "Apache-2.0")
    checkpoint.save(tmp_path / "oracle", tensors, header)
    with pytest.raises(BadCheckpoint, match="tensors are not those"):
        load_oracle(tmp_path / "oracle")


def test_a_short_training_learns_and_repeats_itself(config: OracleConfig, atlas: Atlas) -> None:
    recipe = OracleRecipe(frame_steps=16, rounds=4, steps_per_round=4, batch=12, fresh=6, glances=3)
    told: list[tuple[int, int, dict[str, float]]] = []
    trained = train_oracle(config, atlas, recipe, lambda *step: told.append(step))
    assert told[-1][:2] == (48, 48)
    assert told[15][2]["track"] < 0.8 * told[0][2]["track"]
    assert sum(told[-1][2].values()) < 0.9 * sum(told[16][2].values())
    again = train_oracle(config, atlas, recipe, lambda *step: None)
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_examples_carry_what_was_drawn(config: OracleConfig, atlas: Atlas) -> None:
    scenes = [Scene((Actor("cat"),), "sky", seed=1), Scene((Actor("owl"),), "room", seed=2)]
    first, second = rendered(scenes, Renderer(atlas, 32, 32, 2), 9)
    assert first.clip.shape == (9, 3, 32, 32)
    assert first.clip.dtype == torch.uint8
    assert second.scene is scenes[1]
    assert not torch.equal(first.clip, second.clip)
