"""A run descends, stops, and goes on as if it had never stopped."""

import json

import torch
from torch import nn

from himmel.training.loop import Recipe, Run


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Linear(4, 4, bias=True)
        self.embed = nn.Embedding(3, 4)

    def forward(self, x):
        return self.matrix(x) + self.embed.weight.mean(0)


def run_in(folder, minutes=0.01):
    torch.manual_seed(0)
    return Run(Line(), Recipe(folder, minutes, muon_rate=0.05, warmup_steps=1))


def loss_with(run):
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    return lambda step: (run.model(x) - 2 * x).square().mean()


def test_the_loss_falls_and_the_log_says_so(tmp_path):
    run = run_in(tmp_path)
    before = loss_with(run)(0).item()
    run.train(loss_with(run), lambda: {"figure": 1.0})
    assert loss_with(run)(0).item() < before
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["figure"] == 1.0
    assert last["step"] == run.step > 0


def test_a_resumed_run_is_the_same_run(tmp_path):
    run = run_in(tmp_path)
    run.train(loss_with(run), dict)
    again = run_in(tmp_path)
    assert again.step == run.step
    assert again.seconds == run.seconds > 0
    for name, value in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)
        assert torch.equal(again.averaged[name], run.averaged[name])
    for mine, theirs in zip(again.optimisers, run.optimisers, strict=True):
        for one, other in zip(mine.state.values(), theirs.state.values(), strict=True):
            assert all(torch.equal(one[key], other[key]) for key in other)


def test_the_next_step_after_a_resume_is_the_step_that_would_have_come(tmp_path):
    run = run_in(tmp_path)
    run.train(loss_with(run), dict)
    again = run_in(tmp_path)
    for each in (run, again):
        loss_with(each)(0).backward()
        each._advance(1.0)
    assert torch.allclose(again.model.matrix.weight, run.model.matrix.weight, atol=1e-6)


def test_the_rate_warms_up_holds_and_falls():
    recipe = Recipe(None, 10, cooldown=0.3, warmup_steps=10)
    assert recipe.rate(0, 0) == 0.1
    assert recipe.rate(0.5, 100) == 1
    assert 0.4 < recipe.rate(0.85, 100) < 0.6
    assert recipe.rate(1, 100) == 0.05


def test_the_average_lags_behind(tmp_path):
    run = run_in(tmp_path)
    run.train(loss_with(run), dict)
    assert not torch.equal(run.averaged["matrix.weight"], run.model.matrix.weight)
    run.restart_from_average()
    assert torch.equal(run.averaged["matrix.weight"], run.model.matrix.weight)


def test_a_sitting_makes_a_step_however_short_it_is(tmp_path):
    run = run_in(tmp_path, minutes=1e-9)
    run.train(loss_with(run), dict)
    assert run.step == 1
    assert Recipe(None, 1, cooldown=0, warmup_steps=1).rate(2.0, 5) == 1.0, "nor do rates fall that never fall"


def test_the_log_ends_with_where_the_time_went(tmp_path):
    run = run_in(tmp_path)
    run.train(loss_with(run), dict)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert {"optimiser", "forward and backward", "measuring", "saving"} <= set(last["spent"])
    assert last["tflops_of_device"] > 0
