"""Every setting of the server: name, default, meaning; and where its value is taken from.

Owns: the one table of settings. A value comes from a flag, else the environment (``HIMMEL_`` and the name), else
``settings.toml`` in the data folder, else the default. Knows nothing of what the settings are for.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from himmel.errors import BadRequest

FILE = "settings.toml"
FLAG, ENVIRONMENT = "flag", "environment"


@dataclass(frozen=True)
class Settings:
    """Values as the server uses them; :func:`read_settings` makes one. What they mean stands in ``MEANING``."""

    data_dir: Path = Path("himmel-data")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    model: str = "papercut"
    aliases: str = "sora-2=,sora-2-pro=,sora-2-2025-10-06=,sora-2-2025-12-08=,sora-2-pro-2025-10-06="
    database_url: str = ""
    lease_seconds: float = 30.0
    queued_per_account: int = 1000
    upload_bytes: int = 50_000_000
    import_bytes: int = 2_000_000_000
    upload_pixels: int = 25_000_000
    clip_pixels: int = 8_300_000
    upload_frames: int = 1800
    upload_seconds: float = 60.0
    header_seconds: float = 20.0
    body_seconds: float = 60.0
    connections_per_address: int = 256
    job_seconds: float = 600.0
    job_megapixels: float = 20_000.0
    reserve_bytes: int = 500_000_000
    poll_ms: int = 1000
    alarm_addresses: int = 20
    trusted_proxies: str = ""
    storage_url: str = ""
    retention_days: int = 0
    log_format: str = "auto"
    log_level: str = "info"

    @property
    def address(self) -> str:
        """Where the server listens, as a URL without a path."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def retention_seconds(self) -> float:
        """How long finished clips are kept; 0 where it is for ever."""
        return 86400.0 * max(0, self.retention_days)

    def model_for(self, asked: str) -> str:
        """The model that a name stands for."""
        aliases = dict(pair.split("=", 1) for pair in self.aliases.split(",") if "=" in pair)
        return (aliases[asked] or self.model) if asked in aliases else asked


@dataclass(frozen=True)
class ReadSettings(Settings):
    """Settings that were read, and by name where each value came from, but for defaults: ``FLAG``, ``ENVIRONMENT``, or
    the file's name."""

    origins: Mapping[str, str] = field(default_factory=dict, compare=False)


MEANING = {
    "data_dir": "Folder of database, files and the secret that keys are hashed with.",
    "host": "Address to listen on; beyond this machine only when an account exists.",
    "port": "Port to listen on.",
    "workers": "Worker processes that the server starts and watches; 0 if all run elsewhere.",
    "model": "Model of the server's own workers; 'fake' draws test cards at once.",
    "aliases": "Names that clients ask for and the models meant, name=model; without a model, 'model' is meant.",
    "database_url": "Another database than SQLite in the data folder, as SQLAlchemy writes it.",
    "lease_seconds": "A worker that is silent for so long has lost its job.",
    "queued_per_account": "Jobs that one account may have waiting.",
    "upload_bytes": "Largest request body.",
    "import_bytes": "Largest export of an account that can be read in on its page.",
    "upload_pixels": "Pixels that an uploaded picture may have; half of it with transparency or as WebP.",
    "clip_pixels": "Pixels that each frame of an uploaded clip may have.",
    "upload_frames": "Frames that an uploaded clip may have.",
    "upload_seconds": "Seconds that an uploaded clip may last.",
    "header_seconds": "How long the headers of a request may take to arrive.",
    "body_seconds": "How long a body may take before it must come fast enough, and how long an answer may lie unread.",
    "connections_per_address": "Connections that one address may have open, 0 for any number; so may this machine and "
    "the 'trusted_proxies', behind which everybody has one address.",
    "job_seconds": "Seconds that a clip may be asked for.",
    "job_megapixels": "Millions of pixels of all frames of one request together: width by height by frames by 'n'.",
    "reserve_bytes": "Disk space that stays free: below it no job is accepted.",
    "trusted_proxies": "Addresses of proxies that are believed whom they speak for (X-Forwarded-For), with commas.",
    "alarm_addresses": "A key that comes from more addresses within a minute is reported as leaked; 0 for never.",
    "poll_ms": "How long clients are told to wait before they ask again, in milliseconds.",
    "storage_url": "Where files lie instead of the folder 'files' in the data folder: s3://bucket/prefix.",
    "retention_days": "Finished clips are deleted after so many days; 0 keeps them for ever.",
    "log_format": "Lines of the log: text, json, or auto: text on a terminal and JSON elsewhere.",
    "log_level": "The least that is logged: debug, info, warning or error.",
}


def read_settings(flags: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags (None where not given), environment and file. Raises BadRequest for what cannot be."""
    given = {name: value for name, value in flags.items() if value is not None}
    environ = {f.name: environment[key] for f in fields(Settings) if (key := variable(f.name)) in environment}
    default = next(f.default for f in fields(Settings) if f.name == "data_dir")
    folder = Path(str(given.get("data_dir", environ.get("data_dir", default))))
    kept = _from_file(folder / FILE)
    values = {**kept, **environ, **given, "data_dir": folder}
    converted: dict[str, Any] = {name: _converted(name, value) for name, value in values.items()}
    origins = dict.fromkeys(kept, FILE) | dict.fromkeys(environ, ENVIRONMENT) | dict.fromkeys(given, FLAG)
    return ReadSettings(**converted, origins=origins)


def origin(settings: Settings, name: str) -> str:
    """Where a value came from; empty where it is the default."""
    if isinstance(settings, ReadSettings):
        return settings.origins.get(name, "")
    default = next(f.default for f in fields(Settings) if f.name == name)
    return "" if getattr(settings, name) == default else FLAG


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"HIMMEL_{name.upper()}"


def _from_file(path: Path) -> dict[str, object]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadRequest(f"cannot read '{path}': {error}") from None
    unknown = sorted(set(found) - {f.name for f in fields(Settings)} | (set(found) & {"data_dir"}))
    if unknown:
        allowed = ", ".join(f.name for f in fields(Settings) if f.name != "data_dir")
        raise BadRequest(f"unknown setting '{unknown[0]}' in '{path}'; allowed: {allowed}")
    return found


def _converted(name: str, value: object) -> object:
    kind: Any = type(getattr(Settings, name))
    try:
        return value if isinstance(value, kind) else kind(str(value))
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}[kind]
        raise BadRequest(f"setting '{name}' is '{value}'; allowed: {wanted}") from None
