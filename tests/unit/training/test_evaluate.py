import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from himmel.backends.fake import INFO
from himmel.errors import BadRequest
from himmel.spec import Progress, Size, VideoRequest
from himmel.training.evaluate import Journal, evaluate, headline
from himmel.training.oracle import Oracle, OracleConfig
from himmel.training.questions import truth
from himmel.training.scores import GENERATED, REAL, Record, rows, table
from himmel.training.suites import SCORED, Plan, Task, tasks
from himmel.words import WordList
from himmel.world.render import Renderer
from himmel.world.scene import held_out
from himmel.world.sprites import Atlas
from himmel.world.vocabulary import Vocabulary

torch.set_num_threads(1)
PLAN = Plan(clips=6, extra_clips=2, still_clips=2, varied_prompts=2, seeds_per_prompt=2, seconds=1.0)


class Cheat:
    """A backend that knows the examination by heart: it renders the very scene that a prompt stands for."""

    words = WordList((), frozenset(), {})
    device = "cpu"
    build = "none"
    info = replace(INFO, name="cheat", native_size=Size(32, 32), native_fps=8)

    def __init__(self, atlas: Atlas, examined: list[Task], dies_after: int = 10**9) -> None:
        self.renderer = Renderer(atlas, 32, 32, 8)
        self.scenes = {(task.prompt, task.seed): task.scene for task in examined}
        self.dies_after = dies_after
        self.made = 0

    def generate(self, request: VideoRequest) -> Generator[Progress | np.ndarray, None, None]:
        if self.made >= self.dies_after:
            raise KeyboardInterrupt
        self.made += 1
        scene = self.scenes.get((request.prompt, request.seed))
        frames = request.resolved(self.info).frame_count
        if scene is None:  # a show piece
            yield np.zeros((frames, 32, 32, 3), np.uint8)
            return
        clip = (self.renderer.render([scene], frames)[0].permute(0, 2, 3, 1) * 255).round().byte().numpy()
        yield clip[:3]
        yield Progress(1, 1, "sampling")
        yield clip[3:]


class Blur:
    """An autoencoder of sorts: half the resolution and back."""

    def encode(self, pixels: Tensor) -> Tensor:
        assert pixels.shape[1] % 4 == 1
        return torch.nn.functional.avg_pool2d(pixels[0], 2)[None]

    def decode(self, latents: Tensor) -> Tensor:
        return latents.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.fixture(scope="module")
def oracle(vocabulary: Vocabulary) -> Oracle:
    torch.manual_seed(0)
    return Oracle(OracleConfig(vocabulary, seconds=1.0, frames=5, side=32, width=8)).eval()


def silent(progress: Progress) -> None:
    assert progress.done <= progress.total


def test_the_examination_is_held_out_repeatable_and_complete(vocabulary: Vocabulary) -> None:
    examined = tasks(vocabulary, PLAN)
    assert examined == tasks(vocabulary, PLAN)
    assert all(held_out(task.scene) for task in examined)
    assert len({task.key for task in examined}) == len(examined)
    sizes = {suite: sum(task.suite == suite for task in examined) for suite in {task.suite for task in examined}}
    assert sizes == {
        "single": 6,
        "count": 2,
        "relation": 2,
        "two steps": 2,
        "from a picture": 2,
        "still": 2,
        "varied": 4,
    }
    assert all(set(truth(t.scene)) & set(SCORED[t.suite]) for t in examined if t.suite in SCORED)
    assert all(t.scene.actors[0].count > 1 for t in examined if t.suite == "count")
    given = [task for task in examined if task.picture]
    assert {task.suite for task in given} == {"from a picture"}
    for task in given:
        assert task.picture.actors[0].motions == ("stand",) != task.scene.actors[0].motions
        assert task.picture.actors[0].noun == task.scene.actors[0].noun
    varied = [task for task in examined if task.suite == "varied"]
    assert varied[0].prompt == varied[1].prompt
    assert varied[0].seed != varied[1].seed


def test_whoever_renders_the_scene_reaches_the_ceiling(
    vocabulary: Vocabulary, atlas: Atlas, oracle: Oracle, tmp_path: Path
) -> None:
    backend = Cheat(atlas, tasks(vocabulary, PLAN))
    result = evaluate(backend, vocabulary, atlas, oracle, PLAN, tmp_path, silent, Blur())
    for row in result.rows:
        assert row.generated == row.real
        assert row.reconstructed is not None
    written = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert written["model"] == "cheat"
    figures = written["clips"]
    assert figures["generated"]["diversity"] == pytest.approx(figures["real"]["diversity"], rel=0.05)
    assert figures["real"]["flicker"] < 0.01
    assert figures["generated"]["psnr"] is None
    assert figures["generated"]["picture_psnr"] > 5
    assert figures["real"]["picture_psnr"] is None
    assert 10 < figures["reconstructed"]["psnr"] < 50
    assert (tmp_path / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    assert written["headline"] == headline(result.rows)
    assert set(written["headline"]) >= {"noun", "setting", "motion"}
    assert table(result.rows, "cheat").row_count == len(result.rows)


def test_an_interrupted_evaluation_goes_on_where_it_stopped(
    vocabulary: Vocabulary, atlas: Atlas, oracle: Oracle, tmp_path: Path
) -> None:
    examined = tasks(vocabulary, PLAN)
    with pytest.raises(KeyboardInterrupt):
        evaluate(Cheat(atlas, examined, dies_after=5), vocabulary, atlas, oracle, PLAN, tmp_path, silent)
    (journal,) = tmp_path.glob("readings-*.jsonl")
    with journal.open("a") as file:
        file.write('{"source": "generated", "key": "cut sh')
    backend = Cheat(atlas, examined)
    resumed = evaluate(backend, vocabulary, atlas, oracle, PLAN, tmp_path, silent)
    assert backend.made == len(examined) - 5 + 16  # and the show pieces
    whole = evaluate(Cheat(atlas, examined), vocabulary, atlas, oracle, PLAN, tmp_path / "other", silent)
    assert resumed.json["rows"] == whole.json["rows"]


def test_another_plan_does_not_read_the_journal_of_the_first(tmp_path: Path) -> None:
    record = Record(REAL, "single-0", {"noun": "cat"}, [0.0], 1.0)
    Journal(tmp_path, {"plan": 1}).add(record)
    assert Journal(tmp_path, {"plan": 1}).records == {(REAL, "single-0"): record}
    assert not Journal(tmp_path, {"plan": 2}).records


def test_a_vocabulary_that_the_oracle_cannot_read_is_refused(
    vocabulary: Vocabulary, atlas: Atlas, oracle: Oracle, tmp_path: Path
) -> None:
    wider = replace(vocabulary, nouns=(*vocabulary.nouns, "whale"))
    with pytest.raises(BadRequest, match="cannot read these nouns: whale"):
        evaluate(Cheat(atlas, []), wider, atlas, oracle, PLAN, tmp_path, silent)


def test_rows_count_only_what_the_caption_says(vocabulary: Vocabulary) -> None:
    examined = [task for task in tasks(vocabulary, replace(PLAN, clips=40)) if task.suite == "single"]
    records = {}
    for task in examined:
        right = truth(task.scene)
        wrong = right | {"noun": "nothing", "light": "day"}
        records[REAL, task.key] = Record(REAL, task.key, right, [0.0], 1.0)
        records[GENERATED, task.key] = Record(GENERATED, task.key, wrong, [0.0], 1.0)
    found = {(row.suite, row.question): row for row in rows(vocabulary, examined, records)}
    dark = sum(task.scene.light != "day" for task in examined)
    assert 0 < dark < 40
    assert (found["single", "light"].generated.hits, found["single", "light"].generated.of) == (0, dark)
    assert found["single", "noun"].ratio == 0
    assert found["single", "setting"].ratio == 1
    assert found["single", "setting"].chance == pytest.approx(1 / 6)
    assert found["single", "setting"].shuffled < 0.5
    spoken = [found[f"single, {language}", "setting"].real.of for language in ("en", "de", "ja")]
    assert sum(spoken) == 40
