"""Pictures of a form that was not made into a clip yet: kept meanwhile, under names that only one session can use.

Owns: these names, showing such a picture, and keeping it from the sweeper until a job speaks of it.
"""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response

from himmel.errors import ApiError
from himmel.studio.api_videos import TheServer
from himmel.studio.content import always, stored_file
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.web import PageRoute, TheVisitor

router = APIRouter(route_class=PageRoute)


@router.get("/storyboard/pictures/{kept}")
def picture(kept: str, request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """A picture of a card, for the session that it was brought in. Raises ApiError (404)."""
    digest = opened(server, visitor, kept)
    answer = stored_file(request, server.storage, digest, kind="image/png", name="picture.png", still_good=always)
    answer.headers["cache-control"] = "private, max-age=86400"
    return answer


def sealed(server: Server, visitor: Visitor, digest: str) -> str:
    """A stored picture's name in this session's forms; it outlasts the word of these, which confirming changes."""
    told = f"picture {digest} of {visitor.session_id}".encode()
    return f"{digest}.{hmac.digest(server.keys.pepper, told, 'sha256').hex()}"


def opened(server: Server, visitor: Visitor, kept: str) -> str:
    """The digest of a picture's name. Raises ApiError (404)."""
    digest = kept.partition(".")[0]
    if not hmac.compare_digest(sealed(server, visitor, digest).encode(), kept.encode()):
        raise _gone()
    return digest


def renew(server: Server, digest: str) -> None:
    """Keep a picture from the sweeper for as long as its job needs to be there. Raises ApiError (404), where it is not.

    Nothing spoke of it until now, so it may have been swept.
    """
    try:
        server.storage.renew(digest)
    except ApiError as error:
        raise _gone() if error.code == "file_lost" else error from None


def _gone() -> ApiError:
    return ApiError(404, "not_found", "there is no such picture any more; give it again")
