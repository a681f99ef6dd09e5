"""Style sheets, scripts and pictures of the pages, as they lie in ``static``.

Owns: these routes. All of it is read once, and found under a name that changes with what is in it: so browsers keep it
for good. Only what was there at the start is ever given out.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

from himmel.errors import ApiError

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS}
PACKED = {name: gzip.compress(content, 9, mtime=0) for name, content in FILES.items()}
VERSION = hashlib.sha256(b"".join(name.encode() + content for name, content in FILES.items())).hexdigest()[:12]

router = APIRouter()


@router.get("/favicon.ico")
def favicon() -> Response:
    """What browsers ask for of themselves."""
    return Response(FILES["mark.svg"], media_type=KINDS[".svg"], headers={"cache-control": "max-age=86400"})


@router.get("/static/{version}/{name}")
def static(version: str, name: str, request: Request) -> Response:
    """One file, packed where the browser takes that. Raises ApiError (404)."""
    if name not in FILES:
        raise ApiError(404, "not_found", f"there is no '{name[:80]}'")
    lasting = "public, max-age=31536000, immutable" if version == VERSION else "no-cache"
    headers = {"cache-control": lasting, "x-content-type-options": "nosniff", "vary": "accept-encoding"}
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["content-encoding"] = "gzip"
    return Response((PACKED if packed else FILES)[name], media_type=KINDS[Path(name).suffix], headers=headers)
