"""The server's process and the workers beside it.

Owns: starting, watching and ending them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from himmel.errors import ApiError, BadRequest
from himmel.studio.batches import advance_batches
from himmel.studio.http import protocol
from himmel.studio.settings import variable
from himmel.studio.sweeper import sweep

if TYPE_CHECKING:
    from himmel.studio.server import Server

log = logging.getLogger("himmel.processes")
WATCH_SECONDS = 1.0
SWEEP_SECONDS = 300.0


def serve_with_workers(server: Server) -> None:
    """Serve until Ctrl-C; workers that die are started again."""
    from himmel.studio.app import make_app

    settings = server.settings
    server.queue.spare()
    with suppress(ApiError):  # said by the log; what needs the store is answered so until it is there
        server.storage.check()
    over = threading.Event()
    helpers = [threading.Thread(target=work, args=(server, over)) for work in (_watch, _deliver, _sweep)]
    config = uvicorn.Config(
        make_app(server),
        settings.host,
        settings.port,
        http=protocol(settings.header_seconds, settings.body_seconds),
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_keep_alive=30,
    )
    for helper in helpers:
        helper.start()
    try:
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run()
    finally:
        over.set()
        for helper in helpers:
            helper.join()
        server.database.close()


def _deliver(server: Server, over: threading.Event) -> None:
    """Feed batches, and deliver webhooks as they fall due."""
    while not over.wait(WATCH_SECONDS):
        _carefully(lambda: advance_batches(server))
        _carefully(server.webhooks.deliver_due)


def _carefully(work: Callable[[], object]) -> None:
    """Do what is done again and again: one failure must not be the last time."""
    try:
        work()
    except (ApiError, BadRequest):
        pass  # the store is away or full, or a backup is taken: there is a next time
    except Exception as error:
        log.error("a helper failed; it goes on", exc_info=error)


def _sweep(server: Server, over: threading.Event) -> None:
    """Take away what has had its time."""
    while not over.wait(SWEEP_SECONDS):
        _carefully(lambda: sweep(server, stop=over.is_set))


def _watch(server: Server, over: threading.Event) -> None:
    """Keep as many workers alive as the settings say, and take back the jobs of silent ones."""
    settings = server.settings
    command = [sys.executable, "-m", "himmel", "worker", "--model", settings.model]
    command += ["--parent", str(os.getpid()), "--server", f"http://{settings.host}:{settings.port}"]
    environment = {**os.environ, "HIMMEL_WORKER_TOKEN": server.keys.worker_token()}
    environment |= {variable("log_format"): settings.log_format, variable("log_level"): settings.log_level}
    workers: list[subprocess.Popen[bytes]] = []
    while not over.is_set():
        workers = [worker for worker in workers if worker.poll() is None]
        while len(workers) < settings.workers:
            workers.append(subprocess.Popen(command, env=environment))
        _carefully(server.queue.take_back)
        over.wait(WATCH_SECONDS)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()
