"""What is packed comes out again, in pieces that are small enough, and training goes on from it."""

import pytest
import torch
from torch import nn

from himmel.errors import BadRequest
from himmel.training.loop import Recipe, Run
from himmel.training.luggage import pack, pack_art, pack_run, unpack, unpack_art, unpack_run


def run_in(folder, minutes=0.005):
    torch.manual_seed(0)
    model = nn.ModuleDict({"matrix": nn.Linear(24, 24), "embed": nn.Embedding(3, 24)})
    return Run(model, Recipe(folder, minutes, warmup_steps=4, cooldown=0))


def loss(run):
    return lambda step: (run.model["matrix"](run.model["embed"].weight) - 1).square().mean()


@pytest.fixture
def trained(tmp_path):
    run = run_in(tmp_path / "run" / "text")
    run.train(loss(run), dict)
    (tmp_path / "run" / "tokenizer.json").write_text("{}")
    return run


def test_files_come_out_as_they_went_in_whatever_the_size_of_pieces(tmp_path):
    files = {"a/state": bytes(range(256)) * 3, "log": b"", "tokenizer": b"xyz"}
    for size in (7, 100, 10_000):
        pieces = pack("text", files, tmp_path, size)
        assert all(piece.stat().st_size <= size for piece in pieces)
        assert sorted(tmp_path.iterdir()) == sorted(pieces), "older pieces of the part are gone"
        [carried] = unpack(tmp_path)
        assert (carried.part, carried.files) == ("text", files)


@pytest.mark.parametrize("name", ["../../escaped.txt", "text/../../escaped.txt", "/tmp/escaped.txt"])
def test_no_piece_is_written_outside_the_folder(tmp_path, name):
    pack("text", {"text/state": b"", name: b"mine"}, tmp_path)
    with pytest.raises(BadRequest, match="outside the folder"):
        unpack(tmp_path)


def test_the_next_machine_goes_on_from_the_average(trained, tmp_path):
    pack_run(tmp_path / "run", tmp_path / "bag", ["text", "turbo"], size=900)
    assert unpack_run(unpack(tmp_path / "bag"), tmp_path / "next") == ["text"]
    again = run_in(tmp_path / "next" / "text")
    assert again.step == again.remembered_from == trained.step > 0
    assert again.seconds == trained.seconds
    for name, average in trained.averaged.items():
        assert torch.equal(again.averaged[name], average.half().float())
        assert torch.equal(dict(again.model.named_parameters())[name], again.averaged[name])
    assert (tmp_path / "next" / "tokenizer.json").read_text() == "{}"
    assert (tmp_path / "next" / "text" / "log.jsonl").read_bytes() == trained.log.read_bytes()
    again.train(loss(again), dict)
    assert again.step > trained.step


def test_rates_rise_anew_where_the_optimisers_memory_was_left_behind(trained, tmp_path):
    assert run_in(tmp_path / "run" / "text").remembered_from == 0, "this one kept it"
    pack_run(tmp_path / "run", tmp_path / "bag", ["text"])
    unpack_run(unpack(tmp_path / "bag"), tmp_path / "next")
    again = run_in(tmp_path / "next" / "text")
    rates = []
    again._advance = lambda rate: (rates.append(rate), setattr(again, "step", again.step + 1))
    again.train(loss(again), dict)
    assert rates[0] == 1 / 4
    again.save_now()
    assert run_in(tmp_path / "next" / "text").remembered_from == again.step, "there was still nothing to remember"


def test_what_a_part_has_from_another_is_carried_once(trained, tmp_path):
    class Bigger(nn.Module):
        def __init__(self):
            super().__init__()
            self.reader, self.own = nn.Linear(24, 24), nn.Linear(3, 3)

    bigger = Bigger()
    later = Run(bigger, Recipe(tmp_path / "run" / "transformer", 0))
    for name in ("weight", "bias"):
        later.averaged[f"reader.{name}"].copy_(trained.averaged[f"matrix.{name}"])
    later.save_now()
    order = ("text", "transformer")
    alone = pack_run(tmp_path / "run", tmp_path / "alone", ["transformer"], order)
    assert sum(piece.stat().st_size for piece in alone) < 2 * 24 * 24
    with pytest.raises(BadRequest, match="needs 'text'"):
        unpack_run(unpack(tmp_path / "alone"), tmp_path / "next")
    pack_run(tmp_path / "run", tmp_path / "both", order, order)
    assert unpack_run(unpack(tmp_path / "both"), tmp_path / "next") == ["text", "transformer"]
    again = Run(Bigger(), Recipe(tmp_path / "next" / "transformer", 0))
    for name, average in later.averaged.items():
        assert torch.equal(again.averaged[name], average.half().float())


def test_what_is_further_stays(trained, tmp_path):
    pack_run(tmp_path / "run", tmp_path / "bag", ["text"])
    before = trained.file.read_bytes()
    assert unpack_run(unpack(tmp_path / "bag"), tmp_path / "run") == []
    assert trained.file.read_bytes() == before


def test_art_goes_into_the_cache(tmp_path):
    atlas = tmp_path / "atlas.safetensors"
    atlas.write_bytes(b"picture" * 1000)
    pieces = pack_art([atlas], tmp_path / "bag")
    assert sum(piece.stat().st_size for piece in pieces) < 1000
    carried = unpack(tmp_path / "bag")
    assert unpack_art(carried, tmp_path / "cache") == ["atlas.safetensors"]
    assert (tmp_path / "cache" / "atlas.safetensors").read_bytes() == atlas.read_bytes()
    assert unpack_run(carried, tmp_path / "run") == []


def break_a_byte(folder):
    piece = sorted(folder.iterdir())[0]
    piece.write_bytes(b"\xff" + piece.read_bytes()[1:])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: sorted(folder.iterdir())[1].unlink(), "piece 2 of 5 is missing"),
        (break_a_byte, "damaged"),
        (lambda folder: (folder / f"text-1of1-{'0' * 16}.piece").write_bytes(b"x"), "two packings"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "no pieces"),
    ],
)
def test_what_is_not_whole_is_refused_in_one_line(tmp_path, harm, said):
    assert len(pack("text", {"state": bytes(440)}, tmp_path, 100)) == 5
    harm(tmp_path)
    with pytest.raises(BadRequest, match=said):
        unpack(tmp_path)


def test_nothing_to_pack_is_said(tmp_path):
    with pytest.raises(BadRequest, match="none of text"):
        pack_run(tmp_path, tmp_path / "bag", ["text"])
