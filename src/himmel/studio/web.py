"""What all pages have in common: who is looking, how a page is made, and what a browser may do with it.

Owns: the cookie of a session, the check that a form is ours, the headers of a page, and pages of errors. What a session
is stands in ``sessions``. A session is good for pages alone: the API knows keys and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import ipaddress
import json
import logging
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import UploadFile

from himmel import logs
from himmel.errors import ApiError, ForeignForm, HimmelError, NotConfirmed, NotSignedIn, SignInRefused
from himmel.studio.auth import Terms
from himmel.studio.bodies import read_body
from himmel.studio.complaints import as_told, complaint
from himmel.studio.content import Download, Good, as_long_as
from himmel.studio.passkeys import Place
from himmel.studio.server import Server, server_of
from himmel.studio.sessions import IDLE_SECONDS, Visitor, called
from himmel.studio.texts import LANGUAGES, catalogue, duration, language_of, moment, span
from himmel.studio.web_static import VERSION

log = logging.getLogger("himmel.studio")
TEMPLATES = Path(__file__).parent / "templates"
SECURE_COOKIE, PLAIN_COOKIE = "__Host-himmel", "himmel"  # browsers keep the first one over https alone
THEMES = ("dark", "light")
LANGUAGE = "language"  # the cookie of a language that was chosen by hand
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # With "no-referrer" browsers would hide where a form comes from, too.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
STATUS = {NotSignedIn: 401, SignInRefused: 403, ForeignForm: 403, NotConfirmed: 403}
CODES: dict[type[HimmelError], str] = {NotConfirmed: "not_confirmed"}


class PageRoute(APIRoute):
    """A route whose errors are pages too, or JSON where a script asked; who is not signed in is sent to sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def page(request: Request) -> Response:
            request = in_chosen_language(request)
            try:
                return await handler(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                return trouble(request, ApiError(400, "invalid_value", f"{first['loc'][-1]}: {first['msg']}"))
            except HimmelError as error:
                return trouble(request, error)

        return page


def page_language(request: Request) -> str:
    """The language that this request is answered in."""
    return language_of(request.headers.get("accept-language", ""))


def in_chosen_language(request: Request) -> Request:
    """The request as from a browser that asks for nothing but the language that was chosen here, if one was."""
    if (chosen := request.cookies.get(LANGUAGE)) not in LANGUAGES:
        return request
    others = [(name, value) for name, value in request.scope["headers"] if name != b"accept-language"]
    request.scope["headers"] = [*others, (b"accept-language", str(chosen).encode())]
    return Request(request.scope, request.receive)


async def anybody_of(request: Request) -> Visitor:
    """Who is signed in, whatever they may do. Raises NotSignedIn, and ApiError (403) for a key's wrong address."""
    server = await server_of(request)
    token = request.cookies.get(cookie_name(request), "")
    visitor = await run_in_threadpool(server.sessions.visitor, token)
    visitor.caller.check_address(address_of(request))
    logs.note(account_id=visitor.caller.account_id)
    request.state.visitor = visitor
    return visitor


async def visitor_of(request: Request) -> Visitor:
    """Who looks at a page. Raises NotSignedIn, and ApiError (403) where the key they signed in with may not."""
    visitor = await anybody_of(request)
    visitor.caller.check_scope("read" if request.method in ("GET", "HEAD") else "create")
    return visitor


TheVisitor = Annotated[Visitor, Depends(visitor_of)]


def is_whole(visitor: Visitor) -> bool:
    """Whether somebody may do all that the account may: signed in with a password, or with a key without limits."""
    return visitor.caller.terms == Terms() and visitor.caller.parent_id is None


def check_whole(visitor: Visitor) -> None:
    """Raise ApiError (403) for who signed in with a key that may not do all that the account may."""
    if not is_whole(visitor):
        raise ApiError(403, "scope_missing", "you signed in with a narrow key; this needs the whole account")


async def form_of(
    request: Request, visitor: Visitor, limit: int = 100_000, text: int = 100_000, **most: int
) -> dict[str, Any]:
    """The fields of a form of ours, sent by this session. Raises ForeignForm, and ApiError as ``read_body``."""
    check_origin(request)
    fields = await read_body(request, limit, text, **most)
    if not hmac.compare_digest(str(fields.pop("word", "")).encode(), visitor.form_word.encode()):
        raise ForeignForm
    return fields


def once_of_form(path: str, fields: dict[str, Any]) -> str | None:
    """An idempotency key for a form that may come twice: of where it goes, of its page, and of all that it says."""
    if not fields.get("once"):
        return None
    said = {name: _digest(value) if isinstance(value, UploadFile) else str(value) for name, value in fields.items()}
    return f"form-{hashlib.sha256(json.dumps([path, said], sort_keys=True).encode()).hexdigest()[:40]}"


def _digest(upload: UploadFile) -> str:
    upload.file.seek(0)
    found = hashlib.file_digest(cast("io.BytesIO", upload.file), "sha256").hexdigest()
    upload.file.seek(0)
    return found


def check_origin(request: Request) -> None:
    """Raise ForeignForm unless a browser says that a page of this very server sends this."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    here = request.headers.get("host", "")
    if not (site == "same-origin" if site else origin in (f"http://{here}", f"https://{here}")):
        raise ForeignForm


def came_from(request: Request) -> str:
    """The path of the page of ours that a form came from."""
    try:
        return safe_path(urlsplit(request.headers.get("referer", "")).path)
    except ValueError:
        return safe_path("")


def cookie_name(request: Request, use: str = "") -> str:
    """What the cookie of a session is called, or one for another ``use``."""
    return (SECURE_COOKIE if request.url.scheme == "https" else PLAIN_COOKIE) + use


def signed_in(request: Request, response: Response, token: str) -> Response:
    """The same answer with a session's cookie."""
    return with_cookie(request, response, cookie_name(request), token, IDLE_SECONDS)


def signed_out(request: Request) -> Response:
    """On to signing in, without the session's cookie and half-filled forms that the browser keeps: others may come."""
    answer = go_to("/sign-in")
    answer.headers["clear-site-data"] = '"storage"'
    answer.delete_cookie(cookie_name(request), secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return answer


def with_cookie(request: Request, response: Response, name: str, value: str, seconds: float) -> Response:
    """The same answer with a cookie that scripts cannot read; without it where ``value`` is empty."""
    secure = request.url.scheme == "https"
    seconds = int(seconds) if value else 0
    response.set_cookie(name, value, seconds, path="/", secure=secure, httponly=True, samesite="lax")
    return response


def place_of(request: Request) -> Place | None:
    """Where the browser sees this server, if it offers passkeys there: over https or on this machine, under a name."""
    host, scheme = request.headers.get("host", ""), request.url.scheme
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return None
    with suppress(ValueError):
        ipaddress.ip_address(name)
        return None
    own = name == "localhost" or name.endswith(".localhost")
    return Place(name, f"{scheme}://{host.lower()}") if name and (scheme == "https" or own) else None


def address_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


def safe_path(wanted: object) -> str:
    """A path of this server to go on to; nowhere else, whatever somebody put into a link."""
    path = str(wanted or "")
    return path if re.fullmatch(r"/(?![/\\])[\w./?=&%+~-]{0,500}", path, re.ASCII) else "/create"


def streamed(request: Request, server: Server, chunks: Iterator[bytes], name: str) -> Response:
    """A download that is made as it is sent, a zip of this name; cut where the session ends."""
    headers = HEADERS | {"content-type": "application/zip", "content-disposition": f'attachment; filename="{name}"'}
    return Download(200, headers, chunks, same_session(request, server))


def same_session(request: Request, server: Server) -> Good:
    """Whether the session that a file was asked for with is still good."""
    token = request.cookies.get(cookie_name(request), "")
    return as_long_as(lambda: server.sessions.visitor(token))


def go_to(path: str) -> Response:
    """Send a browser on to another page of ours, after a form."""
    return RedirectResponse(path, 303)


def went(request: Request, path: str) -> Response:
    """The same where a script sent the form: it is told where to go on."""
    return JSONResponse({"go": path}, headers=HEADERS) if asked_by_script(request) else go_to(path)


def asked_by_script(request: Request) -> bool:
    """Whether a script of ours asks, which shows the answer itself, and no browser that wants a page."""
    return "text/html" not in request.headers.get("accept", "")


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of this template, in the visitor's language and theme."""
    language = page_language(request)
    theme = request.cookies.get("theme", "")
    visitor = getattr(request.state, "visitor", None)
    known: dict[str, Any] = {"visitor": visitor, "path": request.url.path, "theme": theme if theme in THEMES else ""}
    known["chosen_language"] = request.cookies.get(LANGUAGE, "")
    known["operates"] = visitor is not None and visitor.caller.role != "member" and is_whole(visitor)
    known["now"] = f"{time.time():.3f}"
    content = _environment(language).get_template(template).render(**known, **values)
    headers = HEADERS | {"content-language": language, "vary": "accept-language, cookie"}
    return HTMLResponse(content, status, headers)


def trouble(request: Request, error: HimmelError) -> Response:
    """The answer of an error: on to signing in, a page, or JSON for scripts."""
    status = error.status if isinstance(error, ApiError) else STATUS.get(type(error), 400)
    if asked_by_script(request):
        code = error.code if isinstance(error, ApiError) else CODES.get(type(error), "refused")
        told = as_told(str(error), page_language(request))
        return JSONResponse({"error": told | {"code": code}}, status, HEADERS)
    if isinstance(error, NotConfirmed):
        before = safe_path(request.url.path) if request.method == "GET" else came_from(request)
        return go_to(f"/account/confirm?next={quote(before, safe='')}")
    if isinstance(error, NotSignedIn):
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        wanted = f"?next={quote(safe_path(asked), safe='')}" if request.method == "GET" else ""
        return go_to(f"/sign-in{wanted}")
    return page(request, "error.html", status, problem=str(error), code=status)


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"static": f"/static/{VERSION}", "language": language}
    made.filters |= {
        "duration": lambda seconds: duration(seconds, language),
        "span": lambda ends: span(ends[0], ends[1], language),
        "day": lambda seconds: time.strftime("%Y-%m-%d", time.localtime(seconds)),
        "called": called,
        "complaint": lambda text: complaint(text, language),
        "moment": lambda seconds: moment(seconds, language),
    }
    return made
