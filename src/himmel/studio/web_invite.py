"""Coming in by an invitation: the page that its link leads to, where one chooses a password.

Owns: these pages, which work without JavaScript. Whoever has the link gets the account, so it is as secret as a key.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from himmel.errors import BadRequest
from himmel.studio import invitations
from himmel.studio.api_videos import TheServer
from himmel.studio.bodies import read_body
from himmel.studio.web import PageRoute, check_origin, go_to, page, signed_in

router = APIRouter(prefix="/invite", route_class=PageRoute)


@router.get("/{token}")
def ask(token: str, request: Request, server: TheServer) -> Response:
    """The form. Raises ApiError (404) for a link that is not good, or good no more."""
    return page(request, "invite.html", name=invitations.invited(server.keys, token)[1], problem="")


@router.post("/{token}")
async def come(token: str, request: Request, server: TheServer) -> Response:
    """Give the account its password, sign its browser in, and go on to making clips."""
    check_origin(request)
    password = str((await read_body(request, 10_000)).get("password", ""))

    def came() -> Response:
        name = invitations.invited(server.keys, token)[1]
        try:
            hashed = server.passwords.hashed(password)
        except BadRequest as error:
            return page(request, "invite.html", 400, name=name, problem=str(error))
        account_id = invitations.accept(server.keys, token, hashed)
        server.callers.forget()
        begun = server.sessions.begin(account_id, request.headers.get("user-agent", ""))
        return signed_in(request, go_to("/create"), begun)

    return await run_in_threadpool(came)
