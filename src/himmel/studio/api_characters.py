"""Characters: who shall be in clips, by a clip of them.

Owns: these routes. A character is a file of its account, with a purpose of its own. No model of ours can show one
yet: a clip that asks for one fails with the code ``task_not_supported``.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Row
from starlette.datastructures import UploadFile

from himmel.errors import ApiError
from himmel.studio.api_videos import TheCaller, TheServer
from himmel.studio.bodies import read_body
from himmel.studio.files import CHARACTER, find_character, keep_file
from himmel.studio.openapi import FILE, body
from himmel.studio.schemas import Character, NewCharacter, validated
from himmel.studio.videos import check_clip

router = APIRouter(prefix="/v1/videos/characters", tags=["characters"])


@router.post("", openapi_extra=body(NewCharacter, "video", form={"video": FILE}))
async def create(request: Request, server: TheServer, caller: TheCaller) -> Character:
    """Bring somebody who shall be in clips."""
    fields = await read_body(request, server.settings.upload_bytes)
    name, video = validated(NewCharacter, fields).name, fields.get("video")
    if not isinstance(video, UploadFile):
        raise ApiError(400, "invalid_value", "video: give the clip as a file", param="video")

    def kept() -> Character:
        check_clip(video)
        return _shown(keep_file(server.database, server.storage, caller.account_id, name, CHARACTER, video.file))

    return await run_in_threadpool(kept)


@router.get("/{character_id}")
def retrieve(character_id: str, server: TheServer, caller: TheCaller) -> Character:
    """Somebody by their number."""
    return _shown(find_character(server.database, caller.account_id, character_id))


def _shown(row: Row[tuple[object, ...]]) -> Character:
    return Character(id=row.id, name=row.filename, created_at=int(row.created_at))
