"""Whether the server is alive, whether it can work, and how it is getting on, for machines that ask.

Owns: these routes, and who is told what: strangers learn that it lives and works, nothing else.
"""

from __future__ import annotations

import threading
import time
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from himmel.studio.api_videos import TheServer
from himmel.studio.auth import Caller
from himmel.studio.doctor import look
from himmel.studio.metrics import exposition
from himmel.studio.server import Server, operator_of

LOOK_SECONDS = 2.0
_looking = threading.Lock()
_seen: WeakKeyDictionary[Server, tuple[float, bool]] = WeakKeyDictionary()

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


async def _operator(request: Request) -> Caller | None:
    return await operator_of(request) if "authorization" in request.headers else None


@router.get("/readyz", responses={503: {"description": "Something needs help.", "model": dict[str, str]}})
def ready(
    server: TheServer, response: Response, operator: Annotated[Caller | None, Depends(_operator)]
) -> dict[str, str]:
    """503 where something needs help; with an operator's key, what each part found."""
    if operator is None:
        well = _latest(server)
        response.status_code = 200 if well else 503
        return {"status": "ok" if well else "needs help"}
    findings = list(look(server.settings, server.database))
    response.status_code = 503 if any(finding.advice for finding in findings) else 200
    return {finding.what: "; ".join(filter(None, (finding.found, finding.advice))) for finding in findings}


def _latest(server: Server) -> bool:
    """Whether all was well a moment ago: strangers may ask as often as they like."""
    with _looking:
        until, well = _seen.get(server, (0.0, True))
        if time.monotonic() > until:
            well = not any(finding.advice for finding in look(server.settings, server.database))
            _seen[server] = (time.monotonic() + LOOK_SECONDS, well)
        return well


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(operator_of)])
def metrics(server: TheServer) -> Response:
    """Prometheus' text format, for an operator's key.

    That a request comes from this machine is no proof of anything: behind a proxy, every one does.
    """
    free = min(server.space.free().values())
    found = exposition(server.meters, server.database, server.workers, free, server.queue.now())
    return Response(found, media_type="text/plain; version=0.0.4")
