"""Shots of storyboards that were made before: found again by all that they depend on, so that they are not made twice.

Owns: what a shot depends on, under which name it is kept among a job's results, and which jobs are looked through. A
shot is kept losslessly and for as long as a job speaks of it: with the last of those jobs it goes. Only the account's
own are ever looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select

from himmel.studio.tables import jobs

VERSION = 1  # counts up when the same shot shall be made anew
LOOKED_AT = 100  # latest storyboards of an account
SETTINGS = ("model", "size", "fps", "seed", "steps", "guidance", "turbo", "negative_prompt")


def key_of(parts: Sequence[dict[str, Any]], request: dict[str, Any]) -> str | None:
    """The SHA-256, in hex, of all that a shot's frames depend on but the weights; None where nothing of it is made.

    ``parts`` are told as in a job; a clip counts by what is in it, not by its number. Where the shot stands does not
    count, so that it may be moved.
    """
    if not any(part["kind"] == "gap" for part in parts):
        return None
    told = [{name: value for name, value in part.items() if name != "video"} for part in parts]
    told = [part | ({"prompt": part["prompt"] or request["prompt"]} if part["kind"] == "gap" else {}) for part in told]
    content = {"version": VERSION, "parts": told, "settings": {name: request.get(name) for name in SETTINGS}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def name_of(key: str, weights: str) -> str:
    """What a shot is called among the results of a job; ``weights`` is the hash of those that made it."""
    return f"shot-{key}-{weights}"


def find_shot(connection: Connection, account_id: str, key: str, weights: str) -> str | None:
    """The digest of a shot that one of the account's latest storyboards has; None where none has it."""
    wanted = name_of(key, weights)
    return next((results[wanted] for results in _latest(connection, account_id) if wanted in results), None)


def kept_of(
    connection: Connection, account_id: str, keys: Collection[str | None], weights: Collection[str]
) -> set[str]:
    """Which of these shots need not be made again, whichever worker gets them: the workers have these ``weights``."""
    there = {name for results in _latest(connection, account_id) for name in results}
    wanted = {key for key in keys if key and weights}
    return {key for key in wanted if all(name_of(key, each) in there for each in weights)}


def _latest(connection: Connection, account_id: str) -> Sequence[dict[str, str]]:
    """Of the account's latest storyboards, the newest first: the digests of their files by name."""
    mine = (jobs.c.account_id == account_id) & jobs.c.deleted_at.is_(None)
    boards = mine & (jobs.c.request["task"].as_string() == "timeline")
    query = select(jobs.c.results).where(boards).order_by(jobs.c.number.desc()).limit(LOOKED_AT)
    return connection.scalars(query).all()
