"""The list of models that clients may ask for.

Owns: these routes.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from himmel.errors import ApiError
from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.server import Server

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
def listed(server: TheServer, caller: TheCaller) -> dict[str, Any]:
    """The server's model and the names that stand for it."""
    return {"object": "list", "data": [_shown(name) for name in _names(server)]}


@router.get("/{model}")
def retrieve(model: str, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    """One model by its name."""
    if model not in _names(server):
        raise ApiError(404, "model_not_found", f"there is no model '{model[:80]}'", param="model")
    return _shown(model)


def _names(server: Server) -> list[str]:
    aliases = [pair.split("=", 1)[0] for pair in server.settings.aliases.split(",") if "=" in pair]
    return [server.settings.model, *aliases]


def _shown(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "himmel"}
