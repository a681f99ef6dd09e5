"""A clip as others than its maker see it: which of its files.

Owns: these answers, for Explore and for links. Who may see a clip stands in ``published`` and ``shares``: whoever asks
here has looked there. What they are told of how it was made stands in ``recipes``.
"""

from __future__ import annotations

import json

from fastapi import Request, Response

from himmel.studio.api_videos import MEDIA
from himmel.studio.content import Good, stored_file
from himmel.studio.jobs import Job
from himmel.studio.recipes import recipe_for_others
from himmel.studio.server import Server
from himmel.studio.web_clip import FILES, no_file


def file_for_others(request: Request, server: Server, job: Job, name: str, still_good: Good) -> Response:
    """One of a finished clip's files, or its recipe, cut where ``still_good`` says no. Raises ApiError (404, 416, 503).

    No browser keeps one without asking again: what was taken back is gone everywhere.
    """
    if name == "recipe.json":
        content = json.dumps(recipe_for_others(server, job), ensure_ascii=False, indent=2)
        headers = {"content-disposition": f'attachment; filename="{job.id}.json"', "cache-control": "private, no-cache"}
        headers["x-content-type-options"] = "nosniff"
        return Response(content, media_type="application/json", headers=headers)
    if (variant := FILES.get(name)) is None:
        raise no_file()
    called, kind = f"{job.id}.{name.partition('.')[2]}", MEDIA[variant]
    digest = job.results[variant]
    return stored_file(request, server.storage, digest, kind=kind, name=called, still_good=still_good)
