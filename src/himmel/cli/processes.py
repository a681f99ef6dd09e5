"""The server's process and the workers beside it.

Owns: starting, watching and ending them.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from himmel.errors import ApiError, BadRequest
from himmel.studio.batches import advance_batches
from himmel.studio.bringing import take_up
from himmel.studio.connections import Connections
from himmel.studio.http import protocol
from himmel.studio.settings import variable
from himmel.studio.sweeper import sweep
from himmel.worker import name_of

if TYPE_CHECKING:
    from himmel.studio.server import Server

log = logging.getLogger("himmel.processes")
WATCH_SECONDS = 1.0
SWEEP_SECONDS = 300.0
TOLD_TO_END = (0, -signal.SIGINT, -signal.SIGTERM)
CONNECT_SECONDS = 0.5  # on this machine
PATIENCE_SECONDS = 10  # for requests and helpers that are not done when the server is told to stop


def listening(host: str, port: int) -> socket.socket:
    """A socket that waits for connections. Raises BadRequest where there is no such address, or it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named, because asyncio sends small answers at once (TCP_NODELAY) only where it is.
        listener = socket.socket(family, kind, protocol)
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        return listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadRequest(f"port {port} is taken by another program; choose one with --port") from None
        raise BadRequest(f"cannot listen on {host}:{port}: {error.strerror}") from None


def leads_here(name: str, listener: socket.socket) -> bool:
    """Whether a browser that is told this name comes here, and never to another program.

    A name may stand for several addresses (localhost for 127.0.0.1 and ::1), and we listen on one.
    """
    own, port = listener.getsockname()[:2]
    try:
        found = {info[4][0] for info in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    for other in found - {own}:
        with suppress(OSError), socket.create_connection((str(other), port), CONNECT_SECONDS):
            return False
    return own in found


def serve_with_workers(server: Server, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, then finish what was asked; workers that die are started again."""
    from himmel.studio.app import make_app, too_many_connections

    settings = server.settings
    connections = Connections(settings.connections_per_address, settings.trusted_proxies)
    server.queue.spare()
    with suppress(ApiError):  # said by the log; what needs the store is answered so until it is there
        server.storage.check()
    over = threading.Event()
    work = (_watch, _feed, _deliver, _sweep)
    helpers = [threading.Thread(target=helper, args=(server, over), daemon=True) for helper in work]
    config = uvicorn.Config(
        make_app(server),
        http=protocol(settings.header_seconds, settings.body_seconds, connections, too_many_connections(server)),
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=PATIENCE_SECONDS,
    )
    for helper in helpers:
        helper.start()
    gc.freeze()  # what is here stays: no need to look through it again and again
    try:
        with suppress(KeyboardInterrupt):
            _Ending(config, server.ending).run([listener])
    finally:
        over.set()
        for helper in helpers:
            helper.join(PATIENCE_SECONDS)  # a webhook's target may be slow; it is told again after the next start
        server.database.close()


class _Ending(uvicorn.Server):
    """Tells when it is told to stop: streams that would never end by themselves end then."""

    def __init__(self, config: uvicorn.Config, ending: threading.Event) -> None:
        super().__init__(config)
        self.ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.ending.set()
        super().handle_exit(sig, frame)


def _feed(server: Server, over: threading.Event) -> None:
    """Feed batches to the queue, and read in what is to be imported, also what the last end of the server cut off."""
    while not over.wait(WATCH_SECONDS):
        _carefully(lambda: advance_batches(server))
        _carefully(lambda: take_up(server))


def _deliver(server: Server, over: threading.Event) -> None:
    """Deliver webhooks as they fall due."""
    while not over.wait(WATCH_SECONDS):
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
    command += ["--parent", str(os.getpid()), "--server", settings.address]
    environment = {**os.environ, "HIMMEL_WORKER_TOKEN": server.keys.worker_token()}
    environment |= {variable("log_format"): settings.log_format, variable("log_level"): settings.log_level}
    workers: list[subprocess.Popen[bytes]] = []
    while not over.is_set():
        for worker in [worker for worker in workers if worker.poll() is not None]:
            workers.remove(worker)
            told = worker.returncode in TOLD_TO_END  # what ends the server may reach its workers first
            _carefully(partial(server.queue.release, name_of(worker.pid), silent=not told))
        for _ in range(settings.workers - len(workers)):
            _carefully(lambda: workers.append(subprocess.Popen(command, env=environment)))
        _carefully(lambda: server.clock.follow(server.database))
        _carefully(server.queue.take_back)
        _carefully(server.alarm.tell)
        over.wait(WATCH_SECONDS)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()
        _carefully(partial(server.queue.release, name_of(worker.pid), silent=False))
