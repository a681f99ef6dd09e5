"""Recipes: what a clip was asked for with and made by, as its maker and as others are told.

Owns: what is told to whom. Numbers of the maker's other clips and characters are told to nobody else.
"""

from __future__ import annotations

from typing import Any

from himmel.studio.export import told_of
from himmel.studio.jobs import Job
from himmel.studio.server import Server

TOLD = ("id", "model", "prompt", "seconds", "size", "created_at")
HOW = ("settings", "seed", "native_size", "task", "strength")  # of it, to others
FOR_OTHERS = ("negative_prompt", "first_frame", "mask", "loop", "shots", "cast")
SHELF = {"starred_at", "folder"}  # are no part of how it was made


def recipe_of(server: Server, job: Job) -> dict[str, Any]:
    """All that is needed to make a clip again, for its maker."""
    shown = server.shown(job).model_dump(mode="json")
    return asked_of(job) | {name: shown[name] for name in TOLD} | {"himmel": shown["himmel"]}


def recipe_for_others(server: Server, job: Job) -> dict[str, Any]:
    """The same for anybody: what can be made of its words alone."""
    shown = server.shown(job).model_dump(mode="json")
    how = {name: shown["himmel"][name] for name in HOW}
    return asked_for_others(job) | {name: shown[name] for name in TOLD} | {"himmel": how}


def asked_of(job: Job) -> dict[str, Any]:
    """What a clip was asked for with; of its first frame, whether one was given, and of characters also their names."""
    request = job.request
    told = {name: value for name, value in told_of(job, None).items() if name not in SHELF}
    told |= {"negative_prompt": request.get("negative_prompt") or "", "first_frame": bool(request.get("first_frame"))}
    return told | {"cast": [each["name"] for each in request.get("cast") or ()]}


def asked_for_others(job: Job) -> dict[str, Any]:
    """Of the same, what anybody may know."""
    told = asked_of(job)
    known = {name: told[name] for name in FOR_OTHERS}
    return known | {"parts": [part | {"video": None} if "video" in part else part for part in told["parts"]]}
