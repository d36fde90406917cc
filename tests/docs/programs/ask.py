"""Has `forking.py` run a program: `python ask.py SOCKET PROGRAM ARGUMENTS...`. Exits as the program does."""

import json
import os
import socket
import sys
from pathlib import Path

LENGTH = 8

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
    server.connect(sys.argv[1])
    request = json.dumps(
        {"folder": str(Path.cwd()), "environment": dict(os.environ), "arguments": sys.argv[2:]}
    ).encode()
    socket.send_fds(server, [str(len(request)).rjust(LENGTH).encode()], [0, 1, 2])
    server.sendall(request)
    status = int(server.recv(16) or b"1")
sys.exit(status if status >= 0 else 128 - status)
