"""The server's process and the workers beside it.

Owns: starting, watching and ending them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from himmel.studio.batches import advance_batches
from himmel.studio.http import protocol

if TYPE_CHECKING:
    from himmel.studio.server import Server

log = logging.getLogger("himmel.studio")
WATCH_SECONDS = 1.0


def serve_with_workers(server: Server) -> None:
    """Serve until Ctrl-C; workers that die are started again."""
    from himmel.studio.app import make_app

    settings = server.settings
    server.queue.spare()
    over = threading.Event()
    helpers = [threading.Thread(target=work, args=(server, over)) for work in (_watch, _deliver)]
    config = uvicorn.Config(
        make_app(server),
        settings.host,
        settings.port,
        http=protocol(settings.header_seconds, settings.body_seconds),
        log_level="warning",
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
        for work in (lambda: advance_batches(server), server.webhooks.deliver_due):
            try:
                work()
            except Exception:  # one bad batch must not keep all others from being served
                log.exception("batches or webhooks could not go on; trying again")


def _watch(server: Server, over: threading.Event) -> None:
    """Keep as many workers alive as the settings say, and take back the jobs of silent ones."""
    settings = server.settings
    command = [sys.executable, "-m", "himmel", "worker", "--model", settings.model]
    command += ["--parent", str(os.getpid()), "--server", f"http://{settings.host}:{settings.port}"]
    environment = {**os.environ, "HIMMEL_WORKER_TOKEN": server.keys.worker_token()}
    workers: list[subprocess.Popen[bytes]] = []
    while not over.is_set():
        workers = [worker for worker in workers if worker.poll() is None]
        while len(workers) < settings.workers:
            workers.append(subprocess.Popen(command, env=environment))
        server.queue.take_back()
        over.wait(WATCH_SECONDS)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()
