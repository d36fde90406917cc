"""Runs `cli.py` and curl's understudy many times without loading them many times: `python forking.py SOCKET`.

It has loaded them once, and each caller gets a fork: a process of its own, with the caller's arguments, environment,
folder and files. A page's command takes a tenth of the time so.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

CURL = Path(__file__).with_name("curl.py")
STREAMS = 3
LENGTH = 8
"""Bytes before a request that say how long it is."""


def main() -> None:
    sys.path[0] = str(Path.cwd())
    import httpx  # noqa: F401, PLC0415 - for curl

    import cli  # noqa: F401, PLC0415 - the checkout's own, which stands in the folder it is started in

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            caller, _ = listener.accept()
            if os.fork():
                caller.close()
                continue
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            answer(caller)


def answer(caller: socket.socket) -> None:
    """In a fork that waits for its own fork, to tell the caller its exit status."""
    first, files, _, _ = socket.recv_fds(caller, LENGTH, STREAMS)
    request = json.loads(_exactly(caller, int(first)))
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    caller.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    run(request["arguments"])


def run(arguments: list[str]) -> None:
    program, *sys.argv[1:] = arguments
    sys.argv[0] = program
    if program == "curl":
        runpy.run_path(str(CURL), run_name="__main__")
    else:
        import cli  # noqa: PLC0415 - see above

        cli.main()


def _exactly(caller: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        received += caller.recv(length - len(received))
    return received


if __name__ == "__main__":
    main()
