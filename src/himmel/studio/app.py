"""The application: routes, error envelopes and request numbers put together.

Owns: what holds for every route.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException

from himmel import logs
from himmel.errors import ApiError, BadRequest
from himmel.studio import (
    api_admin,
    api_batches,
    api_files,
    api_health,
    api_keys,
    api_models,
    api_setup,
    api_videos,
    api_webhooks,
    api_workers,
    web_account,
    web_belongings,
    web_clip,
    web_compare,
    web_create,
    web_events,
    web_explore,
    web_factors,
    web_invite,
    web_library,
    web_operator,
    web_operator_accounts,
    web_operator_load,
    web_operator_log,
    web_operator_queue,
    web_pictures,
    web_queue,
    web_recut,
    web_share,
    web_sign_in,
    web_static,
    web_storyboard,
)
from himmel.studio.metrics import Meters
from himmel.studio.openapi import ERRORS, describe
from himmel.studio.reception import Reception
from himmel.studio.server import Server
from himmel.studio.storage import FULL, full
from himmel.studio.web import PageRoute, asked_by_script, go_to, in_chosen_language, safe_path, trouble

log = logging.getLogger("himmel.requests")
# What is asked again and again is told at "debug" only, as long as all goes well.
QUIET = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/v1/videos/{video_id}"),
    ("GET", "/static/{version}/{name}"),
    ("GET", "/clips/{video_id}/{name}.{ending}"),
    ("GET", "/explore/{video_id}/{name}.{ending}"),
    ("GET", "/s/{token}/{name}.{ending}"),
    ("GET", "/events/latest"),
    ("GET", "/operator/workers"),
    ("POST", "/workers/claim"),
    ("POST", "/workers/jobs/{job_id}/beat"),
}
JOB = re.compile(r"video_[0-9a-f]{32}")
ROUTES = (
    api_videos,
    api_files,
    api_batches,
    api_models,
    api_webhooks,
    api_keys,
    api_admin,
    api_workers,
    api_health,
    api_setup,
)
PAGES = (
    web_sign_in,
    web_create,
    web_storyboard,
    web_pictures,
    web_queue,
    web_clip,
    web_recut,
    web_compare,
    web_library,
    web_explore,
    web_share,
    web_account,
    web_belongings,
    web_invite,
    web_operator,
    web_operator_accounts,
    web_operator_queue,
    web_operator_load,
    web_operator_log,
    web_events,
    web_factors,
    web_static,
)


def make_app(server: Server) -> FastAPI:
    """The application of one server."""
    # We have our own, see ``metrics`` and ``himmel.logs``.
    silent: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    app = FastAPI(title="Himmel", version="1", docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=silent)
    app.state.server = server
    for module in ROUTES:
        app.include_router(module.router, responses=None if module is api_health else ERRORS)
    for module in PAGES:
        app.include_router(module.router, include_in_schema=False)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    app.add_middleware(Reception, seconds=server.settings.body_seconds, envelope=_envelope)
    app.add_middleware(RequestNumber, meters=server.meters)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OSError, _disk_trouble)
    for kind in (OperationalError, InterfaceError, TimeoutError):
        app.add_exception_handler(kind, _database_trouble)
    return app


def too_many_connections(server: Server) -> Callable[..., Awaitable[None]]:
    """What answers on connections beyond those that an address may have; each is ended by it."""
    told = f"your address has {server.settings.connections_per_address} connections open already; close some"
    error = ApiError(503, "too_many_connections", told, retry_after=5, headers={"connection": "close"})
    return RequestNumber(_envelope(error), server.meters)


class RequestNumber:
    """Gives every answer an ``x-request-id``, whatever becomes of the request, and every request a line in the log.

    The number is always ours: one that a client sends says nothing.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], meters: Meters) -> None:
        self.app, self.meters = app, meters

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        number, status, begun = f"req_{secrets.token_hex(12)}", 0, time.perf_counter()

        async def numbered(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", number.encode())]
            await send(message)

        with logs.about(request_id=number):
            try:
                await self.app(scope, receive, numbered)
            except Exception as error:
                if status:
                    raise  # half an answer has left already: the server ends the connection, and logs why
                log.error("a request failed", exc_info=error)
                await _fault(Request(scope, receive))(scope, receive, numbered)
            finally:
                self._tell(scope, status, time.perf_counter() - begun)

    def _tell(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """One line, and one observation: by the route's template, for paths may say anything."""
        route = getattr(scope.get("route"), "path", "unmatched")
        self.meters.requests.labels(route, f"{status // 100}xx" if status else "none").observe(seconds)
        level = logging.DEBUG if (scope["method"], route) in QUIET and 0 < status < 400 else logging.INFO
        if not log.isEnabledFor(level):
            return
        told: dict[str, Any] = {"method": scope["method"], "route": route, "status": status}
        told["milliseconds"] = round(1000 * seconds, 1)
        told["job_id"] = next(filter(JOB.fullmatch, scope.get("path_params", {}).values()), None)
        log.log(level, "request", extra=told)


def _envelope(error: ApiError) -> JSONResponse:
    body = {"message": str(error), "type": error.kind, "param": error.param, "code": error.code}
    headers = dict(error.headers)
    # Clients repeat 409 of themselves, and no client waits for longer than a minute.
    if error.status == 409 or (error.retry_after or 0) > 60:
        headers["x-should-retry"] = "false"
    return JSONResponse({"error": body}, error.status, headers)


def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return _envelope(error)


def _bad_request(_: Request, error: Exception) -> JSONResponse:
    return _envelope(ApiError(400, "invalid_value", str(error)))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return _envelope(ApiError(400, "invalid_value", f"{name}: {first['msg']}", param=name))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {400: "invalid_body", 404: "not_found", 405: "method_not_allowed"}
    status, told, people = error.status_code, str(error.detail), not asked_by_script(request)
    on_page = request.method == "GET" and isinstance(request.scope.get("route"), PageRoute)
    if status == 405 and people and on_page:  # what a form led to was loaded again: its page is the one above
        return go_to(safe_path(request.url.path.rpartition("/")[0] or "/"))
    if status == 404 and people:
        told = "there is nothing at this address"
    answer = _told(request, ApiError(status, codes.get(status, "error"), told))
    if status == 405:
        operations = request.app.openapi()["paths"].get(request.scope["route"].path, {})
        answer.headers["allow"] = ", ".join(method.upper() for method in operations)
    return answer


def _told(request: Request, error: ApiError) -> Response:
    """An error as a page where a browser wants one, whatever went wrong; else as the API tells it."""
    if asked_by_script(request):
        return _envelope(error)
    answer = trouble(in_chosen_language(request), error)
    answer.headers.update(error.headers)
    return answer


def _disk_trouble(request: Request, error: Exception) -> Response:
    """A temporary file that the disk has no room for; anything else is a mistake of ours."""
    if getattr(error, "errno", None) in FULL:
        return _told(request, full())
    raise error


def _database_trouble(request: Request, error: Exception) -> Response:
    """The database is in use, full or away. Nothing was kept of the request, so the client may ask again."""
    log.warning("the database: %s", str(getattr(error, "orig", error)).partition("\n")[0])  # not the statement
    return _told(request, _trouble_of(error))


def _trouble_of(error: Exception) -> ApiError:
    """What to tell a client when the database raised OperationalError, InterfaceError or TimeoutError."""
    name = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return full()
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or isinstance(error, TimeoutError):
        return ApiError(503, "database_busy", "the server has too much to do; try again in a moment", retry_after=2)
    return ApiError(
        503, "database_unavailable", "the server's database does not answer; try again later", retry_after=30
    )


def _fault(request: Request) -> Response:
    return _told(request, ApiError(500, "internal_error", "the server made a mistake; it was noted"))
