"""The application: routes, error envelopes and request numbers put together.

Owns: what holds for every route.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException

from himmel.errors import ApiError, BadRequest
from himmel.studio import api_batches, api_files, api_health, api_models, api_videos, api_webhooks, api_workers
from himmel.studio.server import Server

log = logging.getLogger("himmel.studio")


def make_app(server: Server) -> FastAPI:
    """The application of one server."""
    app = FastAPI(title="Himmel", version="1", docs_url=None, redoc_url=None)
    app.state.server = server
    for module in (api_videos, api_files, api_batches, api_models, api_webhooks, api_workers, api_health):
        app.include_router(module.router)
    app.add_middleware(RequestNumber)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    for trouble in (OperationalError, InterfaceError, TimeoutError):
        app.add_exception_handler(trouble, _database_trouble)
    app.add_exception_handler(Exception, _fault)
    return app


class RequestNumber:
    """Gives every answer an ``x-request-id``, whatever becomes of the request."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        number = f"req_{secrets.token_hex(12)}".encode()

        async def numbered(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", number)]
            await send(message)

        await self.app(scope, receive, numbered if scope["type"] == "http" else send)


def _envelope(error: ApiError) -> JSONResponse:
    body = {"message": str(error), "type": error.kind, "param": error.param, "code": error.code}
    headers = {"retry-after": str(error.retry_after)} if error.retry_after else None
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


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    return _envelope(ApiError(error.status_code, codes.get(error.status_code, "error"), str(error.detail)))


def _database_trouble(request: Request, error: Exception) -> JSONResponse:
    """The database is in use, full or away. Nothing was kept of the request, so the client may ask again."""
    log.warning("%s %s: %s", request.method, request.url.path, getattr(error, "orig", error))  # not the statement
    return _envelope(_trouble_of(error))


def _trouble_of(error: Exception) -> ApiError:
    """What to tell a client when the database raised OperationalError, InterfaceError or TimeoutError."""
    name = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return ApiError(
            507, "storage_full", "the server's disk is full; nothing was lost, try again later", retry_after=120
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or isinstance(error, TimeoutError):
        return ApiError(503, "database_busy", "the server has too much to do; try again in a moment", retry_after=2)
    return ApiError(
        503, "database_unavailable", "the server's database does not answer; try again later", retry_after=30
    )


def _fault(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _envelope(ApiError(500, "internal_error", "the server made a mistake; it was noted"))
