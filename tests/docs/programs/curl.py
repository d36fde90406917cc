"""Plays curl in the blocks of docs/, with the options that they use: `python curl.py [OPTIONS] URL`.

`localhost:8000`, where the pages have the API, leads to the API of the test.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import httpx

from runtime.http_client import new_http_client

DOCUMENTED = "localhost:8000"
NO_ANSWER = 7
REFUSED = 22
"""curl's own exit statuses."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-X", "--request")
    parser.add_argument("-d", "--data")
    parser.add_argument("-u", "--user")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("-f", "--fail", action="store_true")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-S", "--show-error", action="store_true")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("url")
    return _request(parser.parse_args())


def _request(options: argparse.Namespace) -> int:
    """A refusal is always a failure, as with curl's own --fail."""
    url = options.url if "://" in options.url else f"http://{options.url}"
    url = url.replace(DOCUMENTED, os.environ["DOCS_API"])
    headers = dict(each.split(": ", 1) for each in options.header)
    if options.data is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    method = options.request or ("GET" if options.data is None else "POST")
    auth = tuple(options.user.split(":", 1)) if options.user else None

    async def answer() -> httpx.Response:
        async with new_http_client(30) as http:
            return await http.request(method, url, headers=headers, content=options.data, auth=auth)

    try:
        answered = asyncio.run(answer())
    except httpx.HTTPError as error:
        sys.stderr.write(f"curl: ({NO_ANSWER}) {type(error).__name__}\n")
        return NO_ANSWER
    if options.include:
        lines = [f"HTTP/1.1 {answered.status_code}", *(f"{name}: {value}" for name, value in answered.headers.items())]
        sys.stdout.write("\r\n".join([*lines, "", ""]))
    if options.output:
        options.output.write_bytes(answered.content)
    else:
        sys.stdout.write(answered.text)
    if answered.is_error:
        sys.stderr.write(f"curl: ({REFUSED}) {answered.status_code}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
