"""The first visit: a link, printed when the server starts and good once, that makes the owner's account.

Owns: these pages, which work without JavaScript. Whoever has the link becomes the owner, so it is as secret as a key.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.templating import Jinja2Templates

from himmel.errors import ApiError, BadRequest
from himmel.studio.api_videos import TheServer
from himmel.studio.bodies import read_body
from himmel.studio.server import Server

router = APIRouter(prefix="/setup", include_in_schema=False)
pages = Jinja2Templates(Path(__file__).parent / "templates")


@router.get("/{token}")
def ask(token: str, request: Request, server: TheServer) -> HTMLResponse:
    """The form. Raises ApiError (404) for any other link, and for this one once there is an account."""
    _check(server, token)
    return _page(request)


@router.post("/{token}")
async def make(token: str, request: Request, server: TheServer) -> HTMLResponse:
    """Make the owner's account and show its first key, once."""
    fields = await read_body(request, 10_000)
    name = str(fields.get("name", "")).strip()

    def made() -> HTMLResponse:
        _check(server, token)
        try:
            return _page(request, name=name, key=server.keys.create(name, only_first=True))
        except BadRequest as error:
            return _page(request, status=400, name=name, problem=str(error))

    return await run_in_threadpool(made)


def _check(server: Server, token: str) -> None:
    good = hmac.compare_digest(token.encode(), server.setup_token.encode())
    if not good or server.keys.any_account():
        raise ApiError(404, "not_found", "this link is not good, or it was used already")


def _page(request: Request, status: int = 200, **values: str) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    values |= {"nonce": nonce, "address": str(request.base_url).rstrip("/")}
    headers = {
        "content-security-policy": f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    return pages.TemplateResponse(request, "setup.html", dict(values), status, headers)
