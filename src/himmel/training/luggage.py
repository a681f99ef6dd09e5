"""What a run takes from one machine to the next: its parts in pieces that are small enough to be carried.

Owns: the pieces' names, size and checks, and what of a part's state is worth carrying. Knows nothing of what is
trained.

A part travels as its averaged weights at half precision, which is what everything after it is built on; training goes
on from them with rates that rise anew while the optimisers fill their memory again. With that memory and the live
weights a part would be six times as large (measured in docs/howto/train-on-a-gpu.md).
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from himmel.errors import BadRequest, CannotWrite
from himmel.training.loop import AVERAGE, LOG, MODEL, STATE, keep_state

PIECE = 15 * 2**20  # bytes: below the 16 MiB that many ways of carrying files allow
TAKEN = "taken"  # in the header of a part: which tensors are those of other parts
ART = "art"  # of all names the one that no part of a run has
NAME = re.compile(r"([a-z]+)-(\d+)of(\d+)-([0-9a-f]{16})\.piece")


@dataclass(frozen=True, eq=False)
class Carried:
    """One part, whole again: the files that it is made of, by their paths in the run's folder."""

    part: str
    files: Mapping[str, bytes]


def pack(part: str, files: Mapping[str, bytes], target: Path, size: int = PIECE) -> list[Path]:
    """Write files, by name, as pieces of at most ``size`` bytes into a folder; older pieces of the part go.

    Returns the pieces. Raises CannotWrite.
    """
    body = b"".join(files.values())
    told = json.dumps({name: len(content) for name, content in files.items()}).encode()
    blob = len(told).to_bytes(4, "big") + told + body
    digest = hashlib.sha256(blob).hexdigest()[:16]
    parts = [blob[start : start + size] for start in range(0, len(blob), size)]
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = [target / f"{part}-{n}of{len(parts)}-{digest}.piece" for n in range(1, len(parts) + 1)]
        for path, content in zip(written, parts, strict=True):
            path.write_bytes(content)
        for path in target.glob(f"{part}-*.piece"):
            if path not in written:
                path.unlink()
    except OSError as error:
        raise CannotWrite(target, str(error)) from error
    return written


def unpack(source: Path) -> list[Carried]:
    """All parts whose pieces lie in a folder. Raises BadRequest where one is missing, damaged, or would leave it."""
    found: dict[str, dict[tuple[str, int], dict[int, Path]]] = {}
    for path in sorted(source.glob("*.piece")):
        if match := NAME.fullmatch(path.name):
            packing = found.setdefault(match[1], {}).setdefault((match[4], int(match[3])), {})
            packing[int(match[2])] = path
    if not found:
        raise BadRequest(f"there are no pieces in '{source}'; 'himmel train pack' makes them")
    return [Carried(part, _whole(part, packings)) for part, packings in found.items()]


def _whole(part: str, packings: Mapping[tuple[str, int], Mapping[int, Path]]) -> dict[str, bytes]:
    if len(packings) > 1:
        raise BadRequest(f"pieces of two packings of '{part}' are mixed; leave those of one")
    [((digest, count), pieces)] = packings.items()
    missing = [str(n) for n in range(1, count + 1) if n not in pieces]
    if missing:
        raise BadRequest(f"of '{part}' piece {', '.join(missing)} of {count} is missing; bring all of them")
    blob = b"".join(pieces[n].read_bytes() for n in range(1, count + 1))
    if hashlib.sha256(blob).hexdigest()[:16] != digest:
        raise BadRequest(f"the pieces of '{part}' are damaged; bring them again")
    begin = 4 + int.from_bytes(blob[:4], "big")
    files = {}
    for name, length in json.loads(blob[4:begin]).items():
        if Path(name).is_absolute() or ".." in Path(name).parts:  # whoever made the pieces chose it
            raise BadRequest(f"the pieces of '{part}' hold '{name}', which lies outside the folder; do not use them")
        files[name] = blob[begin : begin + length]
        begin += length
    return files


def pack_run(
    folder: Path, target: Path, parts: Sequence[str], order: Sequence[str] = (), size: int = PIECE
) -> list[Path]:
    """Pack those of the ``parts`` that a run has, its tokenizer with each. Raises BadRequest where it has none.

    What a part took, unchanged, from one that is before it in the ``order`` of all parts is not carried twice.
    """
    there = [part for part in parts if (folder / part / STATE).exists()]
    if not there:
        raise BadRequest(f"'{folder}' has none of {', '.join(parts)} yet; train it first")
    written = []
    for part in there:
        earlier = order[: order.index(part)] if part in order else ()
        files = {f"{part}/{STATE}": _light(folder / part / STATE, _owners(folder, earlier))}
        for name in (f"{part}/{LOG}", "tokenizer.json"):
            if (folder / name).exists():
                files[name] = (folder / name).read_bytes()
        written += pack(part, files, target, size)
    return written


def unpack_run(carried: Sequence[Carried], folder: Path) -> list[str]:
    """Put parts into a run's folder, but for those that have made as many steps there; returns which came.

    Raises BadRequest where a part has something of another that is neither there nor carried.
    """
    states = {part: part.files[f"{part.part}/{STATE}"] for part in carried if part.part != ART}
    came = []
    for part, content in sorted(states.items(), key=lambda item: len(_taken(item[1]))):  # who takes nothing, first
        if _steps_of(folder / part.part / STATE) >= int(_metadata(content)["step"]):
            continue
        average = _resolved(part.part, content, folder)
        for name, written in part.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if written is content:
                _heavy(average, path, _metadata(content))
            elif name.endswith(LOG) or not path.exists():
                path.write_bytes(written)
        came.append(part.part)
    return came


def pack_art(files: Sequence[Path], target: Path, size: int = PIECE) -> list[Path]:
    """Pack files of the art's cache, compressed."""
    return pack(ART, {path.name: zlib.compress(path.read_bytes()) for path in files}, target, size)


def unpack_art(carried: Sequence[Carried], cache: Path) -> list[str]:
    """Put art into the cache; returns the names of its files."""
    came = []
    for part in carried:
        for name, content in part.files.items() if part.part == ART else ():
            cache.mkdir(parents=True, exist_ok=True)
            (cache / name).write_bytes(zlib.decompress(content))
            came.append(name)
    return came


def _light(state: Path, owners: Mapping[bytes, str]) -> bytes:
    """A part's state without what can be had again: the averaged weights at half precision."""
    light, taken = {}, {}
    for name, tensor in _averages(state):
        owner = owners.get(_digest(tensor))
        if owner:
            taken[name] = owner
        else:
            light[name] = tensor.half()
    with safe_open(state, framework="pt") as file:
        return save(light, metadata=file.metadata() | {TAKEN: json.dumps(taken)})


def _heavy(average: Mapping[str, Tensor], path: Path, told: Mapping[str, str]) -> None:
    """The state that a run resumes from: weights and their average alike, no memory of the optimisers."""
    live = {MODEL + name.removeprefix(AVERAGE): tensor.clone() for name, tensor in average.items()}
    keep_state(path, {**average, **live}, {name: value for name, value in told.items() if name != TAKEN})


def _resolved(part: str, content: bytes, folder: Path) -> dict[str, Tensor]:
    """All averaged weights of a part, those of other parts in the run's folder included."""
    average = {name: tensor.float() for name, tensor in load(content).items()}
    for name, owner in _taken(content).items():
        whose, _, theirs = owner.partition("/")
        if not (folder / whose / STATE).exists():
            raise BadRequest(f"'{part}' needs '{whose}', which is not there; bring the pieces of both")
        with safe_open(folder / whose / STATE, framework="pt") as file:
            average[name] = file.get_tensor(theirs)
    return average


def _owners(folder: Path, parts: Sequence[str]) -> dict[bytes, str]:
    """What parts of a run hold: by what is in a tensor "part/name of the tensor"."""
    found: dict[bytes, str] = {}
    for part in parts:
        if (folder / part / STATE).exists():
            for name, tensor in _averages(folder / part / STATE):
                found.setdefault(_digest(tensor), f"{part}/{name}")
    return found


def _averages(state: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(state, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no dict
            if name.startswith(AVERAGE):
                yield name, file.get_tensor(name)


def _digest(tensor: Tensor) -> bytes:
    whole = hashlib.sha256(str((tensor.dtype, tuple(tensor.shape))).encode())
    whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.digest()


def _taken(content: bytes) -> dict[str, str]:
    return dict(json.loads(_metadata(content)[TAKEN]))


def _metadata(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length])["__metadata__"])


def _steps_of(state: Path) -> int:
    """Steps that a state has made, -1 where there is none."""
    if not state.exists():
        return -1
    with safe_open(state, framework="pt") as file:
        return int(file.metadata()["step"])
