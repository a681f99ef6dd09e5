"""The scripts in runs/, whole: every stage on the tiny preset, interrupted, carried to other machines, gone on with.

Drawn shapes stand for the art. What takes time is not training but loading Python, which is therefore done once.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from himmel.world.portrait import casting
from himmel.world.sprites import Atlas, atlas_file
from himmel.world.vocabulary import PLAIN

ROOT = Path(__file__).parents[2]


def draw_art(cache):
    """Discs of different sizes and colours, under the names that the real art would have."""
    row = torch.linspace(-1, 1, 16)
    distance = (row[:, None] ** 2 + row[None, :] ** 2).sqrt()
    for vocabulary in (PLAIN, casting(PLAIN)):
        nouns = tuple(dict.fromkeys(vocabulary.nouns))
        keys = tuple((noun, style) for noun in nouns for style in vocabulary.styles)
        sizes = torch.linspace(0.4, 0.9, len(keys))[:, None, None]
        colours = torch.randint(0, 256, (len(keys), 3, 1, 1), generator=torch.Generator().manual_seed(0))
        pixels = torch.cat([colours.expand(-1, 3, 16, 16), 255 * (distance < sizes)[:, None]], 1).byte()
        Atlas(keys, pixels).save(atlas_file(nouns, vocabulary.styles, cache))


@pytest.fixture
def himmel(tmp_path):
    """How himmel is called: a copy of the package, since a model is exported into it, loaded once for all commands."""
    unneeded = shutil.ignore_patterns("__pycache__", "weights", "locales", "static", "templates")
    shutil.copytree(ROOT / "src" / "himmel", tmp_path / "src" / "himmel", ignore=unneeded)
    called, preloaded = tmp_path / "socket", Path(__file__).parent / "preloaded.py"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, preloaded, "serve", called], env=environment, cwd=tmp_path)
    while not called.exists():
        assert server.poll() is None
        time.sleep(0.05)
    yield f"{sys.executable} -IS {preloaded} {called}"
    server.kill()
    server.wait()


class Machine:
    """An own run and an own cache; the ``bag`` is what goes from one to the other."""

    def __init__(self, folder, himmel):
        self.himmel, self.run = himmel, folder / "run"
        self.environment = os.environ | {
            "HIMMEL": himmel,
            "HIMMEL_CACHE": str(folder / "art"),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled"),
            "RUN": str(self.run),
            "NAME": "rehearsed",
        }

    def start(self, script, *stages, **variables):
        said = {name: str(value) for name, value in variables.items()}
        return subprocess.Popen(
            ["sh", ROOT / "runs" / script, "--rehearse", *stages],
            env=self.environment | said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def do(self, script, *stages, **variables):
        process = self.start(script, *stages, **variables)
        said, _ = process.communicate()
        assert process.returncode == 0, said
        assert [line.split()[1] for line in said.splitlines() if line.endswith("in all")] == list(stages)
        return said

    def interrupt(self, script, stage, part):
        """Ctrl-C, once there is a line in the log."""
        process, log = self.start(script, stage, MINUTE=120), self.run / part / "log.jsonl"
        while not (log.exists() and log.read_text()):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert "the state is kept" in process.communicate()[0]

    def steps(self, part):
        with safe_open(self.run / part / "state.safetensors", framework="pt") as file:
            return int(file.metadata()["step"])

    def log(self, part):
        return [json.loads(line) for line in (self.run / part / "log.jsonl").read_text().splitlines()]

    def clip(self, target):
        """A short clip of the exported model."""
        command = [*self.himmel.split(), "generate", "a penguin jumps on the beach", "--model", "rehearsed"]
        settings = ["--seconds", "1", "--steps", "2", "--device", "cpu", "-o", str(target)]
        done = subprocess.run([*command, *settings], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return target


@pytest.fixture
def bag(tmp_path):
    return tmp_path / "bag"


def test_the_recipe_for_a_card_on_three_machines(tmp_path, himmel, bag):
    home = Machine(tmp_path / "home", himmel)
    draw_art(tmp_path / "home" / "art")
    home.do("gpu.sh", "art", "words", OUT=bag)

    card = Machine(tmp_path / "card", himmel)
    said = card.do("gpu.sh", "autoencoder", FROM=bag, OUT=bag)
    assert "| forward and backward |" in said and "TFLOP/s |" in said, "where the time went is printed"
    assert 0 < card.log("autoencoder")[-1]["utilisation"] < 1
    card.interrupt("gpu.sh", "pictures", "transformer")
    before = card.steps("transformer")
    card.do("gpu.sh", "pictures", OUT=bag)
    assert card.steps("transformer") > before > 0, "the interrupted stage was gone on with"

    other = Machine(tmp_path / "other", himmel)
    other.do("gpu.sh", "clips", "settle", "decoder", "turbo", "finish", "export", FROM=bag, OUT=bag)
    assert other.steps("transformer") > card.steps("transformer"), "what came back was gone on with"
    assert all(piece.stat().st_size <= 16 * 2**20 for piece in bag.iterdir())
    assert {piece.name.split("-")[0] for piece in bag.iterdir()} == {
        "art",
        "text",
        "autoencoder",
        "transformer",
        "turbo",
        "upsampler",
        "interpolator",
    }
    assert other.clip(tmp_path / "clip.mp4").stat().st_size > 1000


@pytest.mark.parametrize("script", ["gpu.sh", "laptop.sh"])
def test_help_names_every_stage_and_an_unknown_one_is_refused(script):
    told = subprocess.run(["sh", ROOT / "runs" / script, "--help"], capture_output=True, text=True)
    assert told.returncode == 0
    for stage in ("words", "autoencoder", "pictures", "clips", "settle", "decoder", "turbo", "finish", "export"):
        assert f"\n  {stage} " in told.stdout
    refused = subprocess.run(["sh", ROOT / "runs" / script, "words", "dance"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "no stage 'dance'" in refused.stderr
