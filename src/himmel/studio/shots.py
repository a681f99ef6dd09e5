"""Shots of storyboards that were made before: found again by all that they depend on, so that they are not made twice.

Owns: what a shot depends on, under which name it is kept among a job's results, and which jobs are looked through. A
shot is kept losslessly and for as long as a job speaks of it: with the last of those jobs it goes. Only the account's
own are ever looked at.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select

from himmel.studio.tables import jobs

VERSION = 1  # counts up when the same shot shall be made anew
LOOKED_AT = 100  # latest storyboards of an account
SETTINGS = ("model", "size", "fps", "seed", "steps", "guidance", "turbo", "negative_prompt")
NAME = re.compile(r"shot-([0-9a-f]{64})-([0-9a-f]{1,40})")


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
    return next((results[wanted] for _, results in _latest(connection, account_id) if wanted in results), None)


def kept_of(connection: Connection, account_id: str, model: str, keys: Collection[str | None]) -> set[str]:
    """Which of these shots need not be made again, as far as is known before a worker has it.

    A model's weights are taken to be those that its latest shot was made with.
    """
    weights, found = "", set[str]()
    for made_by, results in _latest(connection, account_id):
        for name in results:
            shot = NAME.fullmatch(name)
            if shot and made_by == model:
                weights = weights or shot[2]
                found |= {shot[1]} if shot[2] == weights else set()
    return found & {key for key in keys if key}


def _latest(connection: Connection, account_id: str) -> list[tuple[str, dict[str, str]]]:
    """Of the account's latest storyboards, the newest first: their model, and the digests of their files by name."""
    mine = (jobs.c.account_id == account_id) & jobs.c.deleted_at.is_(None)
    boards = mine & (jobs.c.request["task"].as_string() == "timeline")
    query = select(jobs.c.request["model"].as_string(), jobs.c.results).where(boards)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(jobs.c.number.desc()).limit(LOOKED_AT))]
