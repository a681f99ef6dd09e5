from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from himmel.engine import checkpoint
from himmel.engine.checkpoint import Header
from himmel.errors import BadCheckpoint, CannotWrite


@dataclass(frozen=True)
class Inner:
    depth: int = 2


@dataclass(frozen=True)
class Configuration:
    width: int
    stages: tuple[int, ...] = (1, 2)
    inner: Inner = Inner()
    table: tuple[tuple[str, tuple[int, ...]], ...] = (("a", (1, 2)),)


HEADER = Header(
    kind="transformer",
    configuration=checkpoint.for_configuration(Configuration(8, (3, 4), Inner(5))),
    licence="Apache-2.0",
    training={"clips": 12, "who": "Zoë"},
)


def some_tensors() -> dict[str, Tensor]:
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    return {"weight": weight, "tied": weight, "step": torch.tensor(7), "empty": torch.zeros(0)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "weights.safetensors"
    checkpoint.save(path, some_tensors(), HEADER)
    return path


def test_what_is_saved_is_loaded(saved: Path) -> None:
    header, tensors = checkpoint.load(saved, "transformer")
    assert header.licence == "Apache-2.0"
    assert header.training == {"clips": 12, "who": "Zoë"}
    assert checkpoint.read_configuration(saved, header, Configuration) == Configuration(8, (3, 4), Inner(5))
    assert tensors.keys() == some_tensors().keys()
    for name, tensor in some_tensors().items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype


def test_a_description_needs_no_tensors_and_names_these_weights(saved: Path, tmp_path: Path) -> None:
    header, checksum = checkpoint.describe(saved, "transformer")
    assert header == checkpoint.load(saved, "transformer")[0]
    checkpoint.save(tmp_path / "other", {"weight": torch.ones(2)}, HEADER)
    assert checkpoint.describe(tmp_path / "other", "transformer")[1] != checksum
    with pytest.raises(BadCheckpoint, match="no such file"):
        checkpoint.describe(tmp_path / "absent", "transformer")
    saved.write_bytes(saved.read_bytes()[:40])
    with pytest.raises(BadCheckpoint, match="damaged or cut short"):
        checkpoint.describe(saved, "transformer")


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path: Path) -> None:
    large = {"weight": torch.randn(200, 50), "step": torch.tensor(70_000)}
    checkpoint.save(tmp_path / "full", large, HEADER)
    checkpoint.save(tmp_path / "half", large, HEADER, dtype=torch.float16)
    assert (tmp_path / "half").stat().st_size < 0.55 * (tmp_path / "full").stat().st_size
    _, tensors = checkpoint.load(tmp_path / "half", "transformer")
    assert tensors["weight"].dtype == torch.float32
    torch.testing.assert_close(tensors["weight"], large["weight"], atol=2e-3, rtol=1e-3)
    assert tensors["step"] == 70_000


def test_the_same_weights_make_the_same_file(saved: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "again", some_tensors(), HEADER)
    assert saved.read_bytes() == (tmp_path / "again").read_bytes()


def test_whoever_may_read_other_files_may_read_weights(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_every_cut_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        with pytest.raises(BadCheckpoint):
            checkpoint.load(saved, "transformer")


def test_every_flipped_bit_is_refused_or_changes_nothing(saved: Path) -> None:
    """All bits: in the length, the header and the tensors. (Blank padding may turn into other blanks.)"""
    whole = saved.read_bytes()
    accepted = 0
    for place in range(len(whole)):
        for bit in range(0, 8, 3):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            saved.write_bytes(flipped)
            try:
                header, tensors = checkpoint.load(saved, "transformer")
            except BadCheckpoint:
                continue
            accepted += 1
            assert header == HEADER or checkpoint.for_configuration(header) == checkpoint.for_configuration(HEADER)
            assert all(torch.equal(tensors[name], tensor) for name, tensor in some_tensors().items())
    assert accepted < 8


def test_a_file_of_another_kind_is_refused(saved: Path) -> None:
    with pytest.raises(BadCheckpoint, match=r"^[^\n]*holds 'transformer' weights, 'autoencoder' was expected[^\n]*$"):
        checkpoint.load(saved, "autoencoder")


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "w", {}, Header("transformer", {}, "Apache-2.0", version=99))
    with pytest.raises(BadCheckpoint, match="format version 99, this Himmel reads 1"):
        checkpoint.load(tmp_path / "w", "transformer")


def test_weights_of_somebody_else_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(BadCheckpoint, match="not a file of Himmel weights"):
        checkpoint.load(tmp_path / "foreign", "transformer")
    with pytest.raises(BadCheckpoint, match="no such file"):
        checkpoint.load(tmp_path / "absent", "transformer")


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"width": 1, "depth": 2}, "unknown configuration keys: depth"),
        ({"width": 1, "inner": {"heads": 2}}, "unknown configuration keys: heads"),
        ({"stages": [1]}, "width"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(configuration: dict[str, object], said: str) -> None:
    header = Header("transformer", configuration, "Apache-2.0")
    with pytest.raises(BadCheckpoint, match=said):
        checkpoint.read_configuration(Path("w"), header, Configuration)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("himmel.engine.checkpoint.os.replace", full)
    with pytest.raises(CannotWrite, match="No space left"):
        checkpoint.save(saved, {"weight": torch.ones(9)}, HEADER)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
