"""Managing webhook endpoints.

Owns: these routes. What is delivered, and how, stands in ``webhooks``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Row

from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.bodies import StrictRoute
from himmel.studio.schemas import whole_list
from himmel.studio.webhooks import EVENTS

router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["webhooks"])
Kind = Literal["video.completed", "video.failed"]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Url = Annotated[str, Field(max_length=2000)]
Kinds = Annotated[list[Kind], Field(min_length=1, max_length=len(EVENTS))]


class NewEndpoint(BaseModel):
    """The body of a creation."""

    name: Name
    url: Url
    event_types: Kinds


class Changes(BaseModel):
    """The body of an update; what is left out stays."""

    name: Name | None = None
    url: Url | None = None
    event_types: Kinds | None = None


class Rotation(BaseModel):
    """How a secret is exchanged."""

    keep_old_secret_active_for_24_hours: bool = False


class Sample(BaseModel):
    """Which event to try."""

    event_type: Kind


class Endpoint(BaseModel):
    """An endpoint; the secret is shown when it is made."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: list[str]
    created_at: int
    updated_at: int
    signing_secret_hint: str
    signing_secret: str | None = None

    @classmethod
    def of(cls, row: Row[Any], *, with_secret: bool = False) -> Endpoint:
        return cls(
            id=row.id,
            name=row.name,
            url=row.url,
            event_types=row.event_types,
            created_at=int(row.created_at),
            updated_at=int(row.updated_at),
            signing_secret_hint=f"whsec_…{row.secret[-4:]}",
            signing_secret=row.secret if with_secret else None,
        )


@router.post("/webhook_endpoints", response_model_exclude_none=True)
def create(body: NewEndpoint, server: TheServer, caller: TheCaller) -> Endpoint:
    made = server.webhooks.create(caller.account_id, body.name, body.url, list(body.event_types))
    return Endpoint.of(made, with_secret=True)


@router.get("/webhook_endpoints")
def listed(server: TheServer, caller: TheCaller) -> dict[str, Any]:
    found = server.webhooks.list(caller.account_id)
    return whole_list([Endpoint.of(row).model_dump(exclude_none=True) for row in found])


@router.get("/webhook_endpoints/{endpoint_id}", response_model_exclude_none=True)
def retrieve(endpoint_id: str, server: TheServer, caller: TheCaller) -> Endpoint:
    return Endpoint.of(server.webhooks.find(caller.account_id, endpoint_id))


@router.post("/webhook_endpoints/{endpoint_id}", response_model_exclude_none=True)
def change(endpoint_id: str, body: Changes, server: TheServer, caller: TheCaller) -> Endpoint:
    changes = body.model_dump(exclude_none=True)
    return Endpoint.of(server.webhooks.change(caller.account_id, endpoint_id, changes))


@router.delete("/webhook_endpoints/{endpoint_id}")
def remove(endpoint_id: str, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    server.webhooks.remove(caller.account_id, endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True}


@router.post("/webhook_endpoints/{endpoint_id}/rotate_secret", response_model_exclude_none=True)
def rotate(endpoint_id: str, server: TheServer, caller: TheCaller, body: Rotation | None = None) -> Endpoint:
    keep_old = bool(body and body.keep_old_secret_active_for_24_hours)
    return Endpoint.of(server.webhooks.rotate(caller.account_id, endpoint_id, keep_old=keep_old), with_secret=True)


@router.post("/webhook_endpoints/{endpoint_id}/test")
def test(endpoint_id: str, body: Sample, server: TheServer, caller: TheCaller) -> dict[str, Any]:
    status = server.webhooks.test(caller.account_id, endpoint_id, body.event_type)
    told = {"event_type": body.event_type, "status_code": status, "webhook_endpoint_id": endpoint_id}
    return {"object": "webhook_endpoint.test", "success": True, **told}


@router.get("/webhook_event_types")
def event_types(caller: TheCaller) -> dict[str, Any]:
    """The events that endpoints can be told of."""
    return {"object": "list", "data": list(EVENTS)}
