"""One Python that has loaded everything, and a fork of it for every command: a start costs nothing then.

``python preloaded.py serve SOCKET`` answers ``python preloaded.py SOCKET COMMAND…`` as ``himmel COMMAND…`` would, in
the caller's folder, with its environment, its output and its signals. For tests that start himmel twenty times.
"""

import array
import importlib
import json
import os
import signal
import socket
import sys

LONGEST = 1 << 20


def serve(path):
    from himmel.cli.app import main

    for loaded in ("himmel.training.sittings", "torch._dynamo"):  # an optimiser's first step loads the second
        importlib.import_module(loaded)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the children are waited for by nobody but their callers
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    while True:
        calling, _ = listening.accept()
        if os.fork() == 0:
            answer(calling, main)
        calling.close()


def answer(calling, main):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs tests in the background has it ignored
    said, (ancillary, *_), *_ = calling.recvmsg(LONGEST, socket.CMSG_SPACE(8))
    for mine, theirs in zip((1, 2), array.array("i", ancillary[2]), strict=True):
        os.dup2(theirs, mine)
    told = json.loads(said)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    calling.sendall(str(os.getpid()).encode())
    try:
        status = main(told["arguments"])
    except SystemExit as left:
        status = left.code
    sys.stdout.flush()
    sys.stderr.flush()
    calling.sendall(bytes([int(status or 0)]))
    os._exit(0)


def call(path, arguments):
    calling = socket.socket(socket.AF_UNIX)
    calling.connect(path)
    told = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(calling, [json.dumps(told).encode()], [1, 2])
    child = int(calling.recv(20))
    signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
    return (calling.recv(1) or b"\x01")[0]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
