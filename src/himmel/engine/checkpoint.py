"""Weights in files: safetensors with a header that says what they are, whose, and under which licence.

Owns: the file format, its version, and the check that a file is whole. Knows nothing of the models inside.
No pickle is ever read. The format is https://github.com/huggingface/safetensors with one metadata entry,
``himmel``, whose value is JSON: the header, and a SHA-256 over it and over every tensor.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from himmel.errors import BadCheckpoint, CannotWrite

FORMAT_VERSION = 1
C = TypeVar("C")


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file of weights says of itself.

    ``configuration`` and ``training`` hold what JSON can hold; ``for_configuration`` makes the first from a
    frozen dataclass and ``read_configuration`` turns it back.
    """

    kind: str  # "autoencoder", "transformer" (Turbo too), "upsampler", "interpolator" or "oracle"
    configuration: Mapping[str, Any]
    licence: str
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: int = FORMAT_VERSION


def save(path: Path, tensors: Mapping[str, Tensor], header: Header, *, dtype: torch.dtype | None = None) -> None:
    """Write all tensors and the header at once: the file is either the old one or whole.

    With ``dtype`` (say torch.float16) floating tensors are stored so, at half the size; others keep theirs.
    Raises CannotWrite.
    """
    stored = {name: _stored(tensor, dtype) for name, tensor in tensors.items()}
    fields = dataclasses.asdict(header)
    entry = {"header": fields, "sha256": _digest(fields, stored)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        readers = partial.stat().st_mode  # the library would shut out everybody but the owner
        save_file(stored, partial, metadata={"himmel": json.dumps(entry, ensure_ascii=False)})
        partial.chmod(readers)
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise CannotWrite(path, str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, kind: str) -> tuple[Header, dict[str, Tensor]]:
    """Read a file of this kind: its header, and its tensors on the CPU, half precision widened to float32.

    Raises BadCheckpoint where the file is missing, damaged in any bit, or of another kind or version.
    """
    with _opened(path) as file:
        entry = _entry(path, file.metadata())
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    header = _checked(path, entry["header"], kind)
    if _digest(entry["header"], stored) != entry["sha256"]:
        raise BadCheckpoint(path, "the file is damaged: its checksum does not match; fetch it again")
    return header, {name: _loaded(tensor) for name, tensor in stored.items()}


def describe(path: Path, kind: str) -> tuple[Header, str]:
    """The header of a file of this kind and its checksum, without reading a tensor. Raises BadCheckpoint."""
    with _opened(path) as file:
        entry = _entry(path, file.metadata())
    return _checked(path, entry["header"], kind), str(entry["sha256"])


def for_configuration(configuration: Any) -> dict[str, Any]:
    """A frozen dataclass as the header holds it."""
    return dataclasses.asdict(configuration)


def read_configuration(path: Path, header: Header, shape: type[C]) -> C:
    """The header's configuration as this dataclass, nested ones included; ``path`` is for the error's text.

    Raises BadCheckpoint where a key is unknown, missing, or its value refused by the dataclass.
    """
    return _dataclass_of(path, shape, header.configuration)


def _stored(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A copy of its own, because safetensors refuses tensors that share memory (tied weights)."""
    wanted = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("cpu", wanted, copy=True).contiguous()


def _loaded(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, memory-mapped; what the library says of damage becomes ours."""
    if not path.is_file():
        raise BadCheckpoint(path, "there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise BadCheckpoint(path, f"the file is damaged or cut short; fetch it again ({_one_line(error)})") from error


def _entry(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    if not metadata or "himmel" not in metadata:
        raise BadCheckpoint(path, "it is not a file of Himmel weights")
    try:
        entry = json.loads(metadata["himmel"])
        if isinstance(entry["header"], dict) and isinstance(entry["sha256"], str):
            return entry
    except (ValueError, KeyError, TypeError):
        pass
    raise BadCheckpoint(path, "its header is damaged; fetch it again")


def _checked(path: Path, fields: dict[str, Any], kind: str) -> Header:
    """Version first: another version may have other fields."""
    version = fields.get("version")
    if version != FORMAT_VERSION:
        raise BadCheckpoint(
            path, f"it has format version {version}, this Himmel reads {FORMAT_VERSION}; update one of the two"
        )
    header = _dataclass_of(path, Header, fields)
    if header.kind != kind:
        raise BadCheckpoint(path, f"it holds '{header.kind}' weights, '{kind}' was expected; give the right file")
    return header


def _dataclass_of(path: Path, shape: type[C], values: Mapping[str, Any]) -> C:
    hints = typing.get_type_hints(shape)
    fields = {field.name: field for field in dataclasses.fields(shape)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise BadCheckpoint(path, f"unknown configuration keys: {', '.join(unknown)}; it was made by another version")
    try:
        return shape(**{name: _value_of(path, hints[name], value) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise BadCheckpoint(path, f"its configuration does not fit: {_one_line(error)}") from error


def _value_of(path: Path, hint: Any, value: Any) -> Any:
    """JSON knows no tuples and no dataclasses; the field's type says where they were."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _dataclass_of(path, hint, value)
    return _as_tuple(value) if typing.get_origin(hint) is tuple else value


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def _digest(fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header and every tensor's name, type, shape and bytes, in the order of names."""
    total = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
