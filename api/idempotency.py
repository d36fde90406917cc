"""The header Idempotency-Key, as in draft-ietf-httpapi-idempotency-key-header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException

HEADER = "Idempotency-Key"
LONGEST_KEY = 200
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){0,200})"')
"""A string of RFC 8941, as the draft wants it."""
_BARE = re.compile(r"[!#-~]+")
"""What many clients send: the same without quotes."""


def idempotency_key(values: Sequence[str]) -> str | None:
    """Returns the key, without quotes, from all values of the header. None: there is none. Raises a 400 for anything
    but one key of 1 to LONGEST_KEY printable ASCII characters."""
    if not values:
        return None
    value = values[0].strip(" ")
    if len(values) == 1 and len(value) <= 2 * LONGEST_KEY + 2:  # every character escaped, and the quotes
        if quoted := _STRING.fullmatch(value):
            key = re.sub(r'\\(["\\])', r"\1", quoted[1])
        else:
            key = value if _BARE.fullmatch(value) else ""
        if 0 < len(key) <= LONGEST_KEY:
            return key
    raise HTTPException(
        HTTPStatus.BAD_REQUEST,
        f"{HEADER}: send it once, as a string in double quotes of 1 to {LONGEST_KEY} printable ASCII characters.",
    )
