"""Operator: the pages for who looks after the server. Who may see them, and what they have in common.

Owns: the gate, and asking once more before what cannot be undone. The pages stand in ``web_operator_accounts``,
``_queue``, ``_load`` and ``_log``; what they do is what ``/v1/admin`` and the command line do, by the same functions.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from himmel.studio.sessions import Visitor
from himmel.studio.web import PageRoute, anybody_of, check_whole, go_to, page

router = APIRouter(prefix="/operator", route_class=PageRoute)


async def operator_here(request: Request) -> Visitor:
    """Who looks after the server. Raises NotSignedIn, and ApiError (403) for members and for narrow keys."""
    visitor = await anybody_of(request)
    visitor.caller.check_scope("operate")
    check_whole(visitor)
    return visitor


TheOperator = Annotated[Visitor, Depends(operator_here)]


@router.get("")
def home(visitor: TheOperator) -> Response:
    """The first of the pages."""
    return go_to("/operator/accounts")


def asked_first(request: Request, fields: dict[str, Any], act: str, what: str, back: str) -> Response | None:
    """A page that asks whether a form is meant, and sends it again if it is; None where that was asked already.

    ``act`` is one that ``operator_sure.html`` has words for, ``what`` it is done to, ``back`` where to go if it is not
    meant.
    """
    if fields.get("sure") == "1":
        return None
    kept = {name: value for name, value in fields.items() if isinstance(value, str)}
    return page(request, "operator_sure.html", kept=kept, act=act, what=what, back=back)
