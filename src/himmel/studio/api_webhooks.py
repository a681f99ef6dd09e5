"""Managing webhook endpoints.

Owns: these routes. What is delivered, and how, stands in ``webhooks``.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, Self, get_args

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StrictBool
from sqlalchemy import Row, true

from himmel.studio.api_videos import TheManager, TheServer
from himmel.studio.bodies import StrictRoute
from himmel.studio.pages import ListOf, Wish, page_of, paging
from himmel.studio.schemas import Deleted
from himmel.studio.tables import webhook_endpoints
from himmel.studio.webhooks import EVENTS

router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["webhooks"])
Kind = Literal["video.completed", "video.failed"]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Url = Annotated[str, Field(max_length=2000)]
Wanted = Annotated[list[Kind], Field(min_length=1, max_length=len(EVENTS))]


class NewEndpoint(BaseModel):
    """The body of a creation."""

    name: Name
    url: Url
    event_types: Wanted


class Changes(BaseModel):
    """The body of an update; what is left out stays."""

    name: Name | None = None
    url: Url | None = None
    event_types: Wanted | None = None


class Rotation(BaseModel):
    """How a secret is exchanged."""

    keep_old_secret_active_for_24_hours: StrictBool = False


class Sample(BaseModel):
    """Which event to try."""

    event_type: Kind


class Endpoint(BaseModel):
    """An endpoint."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: list[Kind]
    created_at: int
    updated_at: int
    signing_secret_hint: str

    @classmethod
    def of(cls, row: Row[Any], **more: Any) -> Self:
        told = {name: getattr(row, name) for name in ("id", "name", "url", "event_types")}
        times: dict[str, Any] = {"created_at": int(row.created_at), "updated_at": int(row.updated_at)}
        return cls(signing_secret_hint=f"whsec_…{row.secret[-4:]}", **told, **times, **more)


class EndpointWithSecret(Endpoint):
    """An endpoint when its secret is made; it is not shown again."""

    signing_secret: str


class TestResult(BaseModel):
    """What an endpoint answered to a sample."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    success: Literal[True] = True
    event_type: Kind
    status_code: int
    webhook_endpoint_id: str


class Replayed(BaseModel):
    """How many events are delivered anew."""

    object: Literal["webhook_endpoint.replay"] = "webhook_endpoint.replay"
    webhook_endpoint_id: str
    replayed: int


class Kinds(BaseModel):
    """The events that endpoints can be told of."""

    object: Literal["list"] = "list"
    data: list[Kind]


@router.post("/webhook_endpoints")
def create(body: NewEndpoint, server: TheServer, caller: TheManager) -> EndpointWithSecret:
    """Tell an address of events; the secret is in this answer only."""
    made = server.webhooks.create(caller.account_id, body.name, body.url, list(body.event_types))
    return EndpointWithSecret.of(made, signing_secret=made.secret)


@router.get("/webhook_endpoints")
def listed(server: TheServer, caller: TheManager, wish: Annotated[Wish, Depends(paging(100, 100))]) -> ListOf[Endpoint]:
    """The account's endpoints, newest first, page by page."""
    return page_of(server.database, webhook_endpoints, true(), wish, caller.account_id, partial(map, Endpoint.of))


@router.get("/webhook_endpoints/{endpoint_id}")
def retrieve(endpoint_id: str, server: TheServer, caller: TheManager) -> Endpoint:
    """One endpoint."""
    return Endpoint.of(server.webhooks.find(caller.account_id, endpoint_id))


@router.post("/webhook_endpoints/{endpoint_id}")
def change(endpoint_id: str, body: Changes, server: TheServer, caller: TheManager) -> Endpoint:
    """Another name, address or other events."""
    changes = body.model_dump(exclude_none=True)
    return Endpoint.of(server.webhooks.change(caller.account_id, endpoint_id, changes))


@router.delete("/webhook_endpoints/{endpoint_id}")
def remove(endpoint_id: str, server: TheServer, caller: TheManager) -> Deleted:
    """Tell an endpoint nothing more."""
    server.webhooks.remove(caller.account_id, endpoint_id)
    return Deleted(id=endpoint_id, object="webhook_endpoint.deleted")


@router.post("/webhook_endpoints/{endpoint_id}/rotate_secret")
def rotate(endpoint_id: str, server: TheServer, caller: TheManager, body: Rotation | None = None) -> EndpointWithSecret:
    """Exchange the secret; the new one is in this answer only."""
    keep_old = bool(body and body.keep_old_secret_active_for_24_hours)
    rotated = server.webhooks.rotate(caller.account_id, endpoint_id, keep_old=keep_old)
    return EndpointWithSecret.of(rotated, signing_secret=rotated.secret)


@router.post("/webhook_endpoints/{endpoint_id}/test")
def test(endpoint_id: str, body: Sample, server: TheServer, caller: TheManager) -> TestResult:
    """Send a sample now."""
    status = server.webhooks.test(caller.account_id, endpoint_id, body.event_type)
    return TestResult(event_type=body.event_type, status_code=status, webhook_endpoint_id=endpoint_id)


@router.post("/webhook_endpoints/{endpoint_id}/replay")
def replay(endpoint_id: str, server: TheServer, caller: TheManager) -> Replayed:
    """Deliver anew what was laid aside after the last try."""
    count = server.webhooks.replay(caller.account_id, endpoint_id)
    return Replayed(webhook_endpoint_id=endpoint_id, replayed=count)


@router.get("/webhook_event_types")
def event_types(caller: TheManager) -> Kinds:
    """The events that endpoints can be told of."""
    return Kinds(data=list(get_args(Kind)))
