"""Matrices made orthogonal together are those that torch makes one by one."""

import torch
from torch import nn

from himmel.training.muon import GroupedMuon, flops_of_orthogonal, orthogonal
from himmel.training.utilisation import flops_of


def trained(kind, steps=3):
    torch.manual_seed(0)
    model = nn.ParameterList(torch.randn(shape) for shape in [(8, 16), (8, 16), (24, 8), (8, 16), (6, 6)])
    optimiser = kind(list(model), lr=0.1, weight_decay=0.01)
    for step in range(steps):
        torch.manual_seed(step)
        for parameter in model:
            parameter.grad = torch.randn_like(parameter)
        optimiser.step()
    return model, optimiser


def test_steps_are_those_of_torch():
    (ours, mine), (theirs, other) = trained(GroupedMuon), trained(torch.optim.Muon)
    for one, two in zip(ours, theirs, strict=True):
        assert torch.allclose(one, two, atol=0.02), (one - two).abs().max()  # bfloat16 rounds to 1/256
    remembered, known = mine.state_dict()["state"], other.state_dict()["state"]
    assert remembered.keys() == known.keys()
    for number, state in known.items():
        assert torch.allclose(remembered[number]["momentum_buffer"], state["momentum_buffer"])


def test_what_torch_remembered_is_gone_on_from():
    _, theirs = trained(torch.optim.Muon)
    model, ours = trained(GroupedMuon, steps=0)
    ours.load_state_dict(theirs.state_dict())
    for parameter in model:
        parameter.grad = torch.zeros_like(parameter)
    before = [parameter.detach().clone() for parameter in model]
    ours.step()
    assert not any(torch.equal(one, two) for one, two in zip(before, model, strict=True))


def test_what_has_no_gradient_stays():
    model, optimiser = trained(GroupedMuon, steps=0)
    before = model[0].detach().clone()
    optimiser.step()
    assert torch.equal(model[0], before)


def test_operations_are_counted_right():
    for rows, columns in ((8, 16), (24, 8)):
        matrices = torch.randn(1, rows, columns)
        coefficients = (3.4445, -4.775, 2.0315)
        assert flops_of(lambda m=matrices, c=coefficients: orthogonal(m, c, 5, 1e-7)) == flops_of_orthogonal(
            rows, columns
        )
