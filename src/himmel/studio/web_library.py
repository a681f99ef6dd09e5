"""Library: the finished clips of an account, found by words, star, folder, task and size; and what is done with many.

Owns: this page and its forms, and reading an account's jobs for pages. Stars and folders stand in ``folders``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import ColumnElement, func, select

from himmel.errors import ApiError
from himmel.studio import folders
from himmel.studio.api_videos import TheServer
from himmel.studio.cards import cards_of
from himmel.studio.database import some_of
from himmel.studio.export import clips_zip
from himmel.studio.jobs import Job, Status
from himmel.studio.server import Server
from himmel.studio.sessions import Visitor
from himmel.studio.tables import jobs
from himmel.studio.web import PageRoute, TheVisitor, form_of, go_to, page, page_language, safe_path, streamed

TOGETHER = 48  # clips on a page
MOST_SIZES = 20
ID = r"video_[0-9a-f]{32}"
router = APIRouter(prefix="/library", route_class=PageRoute)
task_of = func.coalesce(jobs.c.request["task"].as_string(), "create")
size_of = jobs.c.request["size"].as_string()


@dataclass(frozen=True)
class Wish:
    """Which clips one wants to see; what is empty leaves all."""

    q: str = ""
    starred: bool = False
    folder: str = ""
    task: str = ""
    size: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """What is wished, as fields of an address."""
        told = {"q": self.q, "starred": "1" if self.starred else "", "folder": self.folder}
        told |= {"task": self.task, "size": self.size}
        return {name: value for name, value in told.items() if value}

    def address(self, **changes: str | int) -> str:
        """The address of the page with this wish, changed."""
        told = {name: value for name, value in (self.fields | changes).items() if value}
        return "/library" + (f"?{urlencode(told)}" if told else "")

    def which(self) -> ColumnElement[bool]:
        """The clips that are wished for, of all accounts."""
        found = jobs.c.status == Status.COMPLETED
        for word in self.q.split()[:10]:
            found &= jobs.c.request["prompt"].as_string().icontains(word, autoescape=True)
        if self.starred:
            found &= folders.starred()
        if self.folder:
            found &= folders.within(self.folder)
        if self.task:
            found &= task_of == self.task
        return found & (size_of == self.size) if self.size else found


@router.get("")
def library(
    request: Request,
    server: TheServer,
    visitor: TheVisitor,
    q: str = Query(default="", max_length=200),
    starred: bool = False,
    folder: str = Query(default="", max_length=32, pattern=r"^(fold_[0-9a-f]{16})?$"),
    task: str = Query(default="", max_length=20, pattern=r"^\w*$"),
    size: str = Query(default="", max_length=11, pattern=r"^(\d+x\d+)?$"),
    before: int = Query(default=0, ge=0, le=2**31 - 1),
    deleted: str = Query(default="", max_length=40 * TOGETHER, pattern=rf"^({ID}(,{ID})*)?$"),
) -> Response:
    """The newest clips that one wishes for, from before a number on."""
    wish, account = Wish(q, starred, folder, task, size), visitor.caller.account_id
    found = latest(server, account, TOGETHER + 1, wish.which() & (jobs.c.number < before) if before else wish.which())
    with server.database.read() as connection:
        shelved = folders.shelved(connection, [job.id for job in found])
        tasks, sizes = _kinds(connection.execute, account)
    cards = cards_of(server, found[:TOGETHER], page_language(request))
    known: dict[str, Any] = {"wish": wish, "before": before, "deleted": [one for one in deleted.split(",") if one]}
    known["more"] = found[TOGETHER - 1].number if len(found) > TOGETHER else 0
    known |= {"cards": cards, "shelved": shelved, "tasks": tasks, "sizes": sizes}
    known["folders"] = folders.folders_of(server.database, account)
    return page(request, "library.html", here=wish.address(before=before), **known)


@router.post("/act")
async def act(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Do something with the chosen clips, or give one a star; then back to where one was."""
    fields = await form_of(request, visitor)
    return await run_in_threadpool(_acted, request, server, visitor, fields)


@router.post("/restore")
async def restore(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Bring back what was deleted a moment ago."""
    fields = await form_of(request, visitor)
    account, chosen = visitor.caller.account_id, str(fields.get("clips", "")).split(",")[:TOGETHER]
    for number in chosen:
        await run_in_threadpool(server.queue.restore, number, account)
    return go_to(_back(fields))


@router.post("/folder")
async def change_folder(request: Request, server: TheServer, visitor: TheVisitor) -> Response:
    """Call a folder something else, or take it away, which leaves its clips where they are."""
    fields = await form_of(request, visitor)
    account, number = visitor.caller.account_id, str(fields.get("folder", ""))
    if fields.get("act") == "delete":
        await run_in_threadpool(folders.delete_folder, server.database, account, number)
        return go_to("/library")
    await run_in_threadpool(folders.rename_folder, server.database, account, number, str(fields.get("name", "")))
    return go_to(f"/library?{urlencode({'folder': number})}")


def latest(server: Server, account_id: str, most: int, which: ColumnElement[bool] | None = None) -> list[Job]:
    """The account's jobs, the newest first."""
    query = select(jobs).where(jobs.c.account_id == account_id, jobs.c.deleted_at.is_(None))
    query = query if which is None else query.where(which)
    with server.database.read() as connection:
        return [Job.of(row) for row in connection.execute(query.order_by(jobs.c.number.desc()).limit(most))]


def _acted(request: Request, server: Server, visitor: Visitor, fields: dict[str, Any]) -> Response:
    account = visitor.caller.account_id
    for name, on in (("star", True), ("unstar", False)):
        if one := str(fields.get(name, "")):  # the star of one clip
            folders.star(server.database, account, [one], on)
            return go_to(_back(fields))
    chosen = _chosen(server, account, fields.get("clip"))
    match fields.get("act"):
        case "star" | "unstar" as which:
            folders.star(server.database, account, chosen, which == "star")
        case "move":
            folders.move(server.database, account, chosen, _target(server, account, fields))
        case "delete":
            for number in chosen:
                server.queue.cancel(number, account, delete=True)
            back = _back(fields)
            return go_to(f"{back}{'&' if '?' in back else '?'}deleted={','.join(chosen)}")
        case "compare":
            if len(chosen) != 2:
                raise ApiError(400, "invalid_value", "to compare, tick exactly two clips")
            return go_to(f"/compare?a={chosen[1]}&b={chosen[0]}")  # the older one first
        case "download":
            return streamed(request, server, clips_zip(server, account, visitor.name, chosen), "himmel-clips.zip")
        case _:
            raise ApiError(400, "invalid_value", "act: allowed are star, unstar, move, compare, download and delete")
    return go_to(_back(fields))


def _chosen(server: Server, account_id: str, given: object) -> list[str]:
    """The clips of the account's among those that were ticked, the newest first. Raises ApiError (400) for none."""
    wanted = [str(number) for number in given][:TOGETHER] if isinstance(given, list) else []
    mine = (jobs.c.account_id == account_id) & (jobs.c.status == Status.COMPLETED) & jobs.c.deleted_at.is_(None)
    query = select(jobs.c.id).where(mine, jobs.c.id.in_(some_of(wanted))).order_by(jobs.c.number.desc())
    with server.database.read() as connection:
        found = list(connection.scalars(query))
    if not found:
        raise ApiError(400, "invalid_value", "no clip is chosen; tick some first")
    return found


def _target(server: Server, account_id: str, fields: dict[str, Any]) -> str | None:
    """The folder that a form means: a new one by its name, one that there is, or none."""
    if name := str(fields.get("new_folder", "")).strip():
        with server.database.write() as connection:
            return folders.folder_called(connection, account_id, name)
    return str(fields.get("folder", "")) or None


def _kinds(execute: Callable[..., Any], account_id: str) -> tuple[list[str], list[str]]:
    """What there is to choose among: how clips were made, and sizes, the most frequent first."""
    mine = (jobs.c.account_id == account_id) & (jobs.c.status == Status.COMPLETED) & jobs.c.deleted_at.is_(None)
    found = []
    for kind in (task_of, size_of):
        named = select(kind.label("name")).where(mine).subquery()  # PostgreSQL takes parameters for different ones
        grouped = select(named.c.name).group_by(named.c.name).order_by(func.count().desc(), named.c.name)
        found.append([str(name) for (name,) in execute(grouped.limit(MOST_SIZES))])
    return found[0], found[1]


def _back(fields: dict[str, Any]) -> str:
    """Where a form was sent from, as long as that is the library."""
    path = safe_path(fields.get("back"))
    return path if path.startswith("/library") else "/library"
