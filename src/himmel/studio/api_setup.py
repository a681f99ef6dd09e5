"""The first visit: a link, printed when the server starts and good once, that makes the owner's account.

Owns: these pages, which work without JavaScript. Whoever has the link becomes the owner, so it is as secret as a key.
"""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import ApiError, BadRequest
from himmel.studio.api_videos import TheServer
from himmel.studio.bodies import read_body
from himmel.studio.server import Server
from himmel.studio.web import PageRoute, go_to, page, signed_in

router = APIRouter(prefix="/setup", include_in_schema=False, route_class=PageRoute)


@router.get("/{token}")
def ask(token: str, request: Request, server: TheServer) -> Response:
    """The form. Raises ApiError (404) for any other link, and for this one once there is an account."""
    _check(server, token)
    return page(request, "setup.html", name="", problem="")


@router.post("/{token}")
async def make(token: str, request: Request, server: TheServer) -> Response:
    """Make the owner's account, sign its browser in, and go on to making clips."""
    fields = await read_body(request, 10_000)
    name, password = str(fields.get("name", "")).strip(), str(fields.get("password", ""))

    def made() -> Response:
        _check(server, token)
        try:
            account_id = server.keys.create_first(name, server.passwords.hashed(password))
        except BadRequest as error:
            return page(request, "setup.html", 400, name=name, problem=str(error))
        begun = server.sessions.begin(account_id, request.headers.get("user-agent", ""))
        return signed_in(request, go_to("/create"), begun)

    return await run_in_threadpool(made)


def _check(server: Server, token: str) -> None:
    good = hmac.compare_digest(token.encode(), server.setup_token.encode())
    if not good or server.keys.any_account():
        raise ApiError(404, "not_found", "this link is not good, or it was used already")
