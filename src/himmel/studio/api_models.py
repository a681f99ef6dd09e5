"""The list of models that clients may ask for.

Owns: these routes.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from himmel.errors import ApiError
from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.server import Server


class Model(BaseModel):
    """A name that clients may ask for."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "himmel"


class Models(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
def listed(server: TheServer, caller: TheCaller) -> Models:
    """The server's model and the names that stand for it."""
    return Models(data=[Model(id=name) for name in names_of(server)])


@router.get("/{model}")
def retrieve(model: str, server: TheServer, caller: TheCaller) -> Model:
    """One model by its name."""
    if model not in names_of(server):
        raise ApiError(404, "model_not_found", f"there is no model '{model[:80]}'", param="model")
    return Model(id=model)


def names_of(server: Server) -> list[str]:
    """The server's model, and the names that stand for it or for another."""
    aliases = [pair.split("=", 1)[0] for pair in server.settings.aliases.split(",") if "=" in pair]
    return [server.settings.model, *aliases]
