"""Whether the server is alive, whether it can work, and how it is getting on, for machines that ask.

Owns: these routes, and who is told what: strangers learn that it lives and works, nothing else.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from himmel.studio.api_videos import TheServer
from himmel.studio.doctor import look
from himmel.studio.metrics import exposition
from himmel.studio.server import operator_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Something needs help.", "model": dict[str, str]}})
def ready(request: Request, server: TheServer, response: Response) -> dict[str, str]:
    """503 where something needs help; with an operator's key, what each part found."""
    findings = list(look(server.settings, server.database))
    well = not any(finding.advice for finding in findings)
    response.status_code = 200 if well else 503
    if "authorization" not in request.headers:
        return {"status": "ok" if well else "needs help"}
    caller = server.keys.caller(request.headers["authorization"], request.client.host if request.client else None)
    caller.check_scope("operate")
    return {finding.what: "; ".join(filter(None, (finding.found, finding.advice))) for finding in findings}


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(operator_of)])
def metrics(server: TheServer) -> Response:
    """Prometheus' text format, for an operator's key.

    That a request comes from this machine is no proof of anything: behind a proxy, every one does.
    """
    free = min(server.space.free().values())
    found = exposition(server.meters, server.database, server.workers, free, server.queue.now())
    return Response(found, media_type="text/plain; version=0.0.4")
