"""Asks a process's probes as Kubernetes does: one request, one connection."""

from __future__ import annotations

import asyncio


async def raw_answer(port: int, request: bytes) -> bytes:
    """All that comes back until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def ask(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    answer = await raw_answer(port, f"GET {path} HTTP/1.1\r\nHost: probe\r\n\r\n".encode())
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), body
