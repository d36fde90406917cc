"""Reads a bounce that is not a report of RFC 3464, but text for people.

`flufl.bounce`, Mailman's detectors, finds the addresses, and a reader of our own what they do not know. The code and
the text of the server's answer are found next to the address.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from email import message_from_string
from typing import Any

from flufl.bounce import all_failures

from channels.email.bounce_parts import bounded, decoded, fields, parse, returned_headers

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)  # it logs what it reads

MOST_CHARACTERS = 60_000
LONGEST_LINE = 1000
MOST_ADDRESSES = 20
NEAR_LINES = 10
"""Lines after an address in which the server's answer to it is looked for."""

_ADDRESS = re.compile(r"(?<![^\s<(\[:;\"'])[^\s<>@\"'()\[\]:;,]{1,64}@[^\s<>@\"'()\[\]:;,]{1,250}")
_COPY = re.compile(
    r"^\W{0,40}(?:this is a copy|below (?:this line|is a copy)|here (?:is your|follows)|(?:original|returned) message"
    r"|copy of|message headers|included is a copy|(?:your )?original (?:message|e-?mail)|return-path:|received:)",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"undeliver|not be delivered|could ?n.t (?:be )?deliver|not deliver|was ?n.t able to deliver|unable to deliver"
    r"|delivery (?:has |to .{0,80})?fail|failure notice|permanent (?:error|failure)|error has occurred|rejected"
    r"|returned mail|returning message|fatal error|did ?n.t reach|not reach|expired",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"delayed|not yet been delivered|will (?:be|keep|continue|retry)|still (?:being )?(?:tr|un)|temporar.{0,20}warning",
    re.IGNORECASE,
)
_REPLY = re.compile(r"(?<![\d.:#-])([45]\d\d)[ -]{1,3}(?=\S)")
_ENHANCED = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")


@dataclass(frozen=True)
class Said:
    """What the server said about one address."""

    address: str
    reply: str
    """From its code on; if it has none, the words near the address."""


@dataclass(frozen=True)
class Words:
    """What a bounce in words says."""

    failed: tuple[Said, ...]
    """Empty: it tells of a delay."""
    returned: Any
    """The headers of the e-mail that came back, as far as they are there."""


def read_words(text: str, message: Any) -> Words | None:
    """Reads the words. None: they are not understood."""
    spoken, returned = _parts(message)
    temporary, permanent = _detected(text)
    addresses = [address.decode("ascii", "replace").lower() for address in sorted(permanent)]
    heard = f"{fields(message, ('Subject',))}\n{spoken}"
    if not addresses and (temporary or (_DELAY.search(heard) and not _FAILURE.search(heard))):
        return Words((), returned)
    if not addresses and _FAILURE.search(heard):
        own = " ".join(fields(message, ("To", "Delivered-To", "X-Original-To", "From"))).lower()
        found = dict.fromkeys(each[0].rstrip(".").lower() for each in _ADDRESS.finditer(spoken))
        addresses = [each for each in found if each not in own]
    lines = spoken.splitlines()
    printable = [address for address in addresses if address.isprintable()]
    failed = tuple(Said(each, _reply(each, lines)) for each in printable[:MOST_ADDRESSES])
    return Words(failed, returned) if failed else None


def _detected(text: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Returns the addresses of temporary and of permanent failures that Mailman's detectors find."""
    try:
        temporary, permanent = all_failures(message_from_string(_short_lines(text)))
    except Exception:  # noqa: BLE001 - some detector raises IndexError on a mail without From; others may raise anything
        return frozenset(), frozenset()
    return frozenset(temporary), frozenset(permanent)


def _short_lines(text: str) -> str:
    return "\n".join(line[:LONGEST_LINE] for line in bounded(text[:MOST_CHARACTERS]).split("\n"))


def _parts(message: Any) -> tuple[str, Any]:
    """Returns the words before the copy of the e-mail, and the headers of the copy."""
    texts: list[str] = []
    returned: Any = None
    waiting = [message]
    while waiting:
        part = waiting.pop(0)
        if part is not message and (headers := returned_headers(part)) is not None:
            returned = returned if returned is not None else headers
        elif part.is_multipart():
            waiting[:0] = part.get_payload()
        elif part.get_content_maintype() == "text":
            texts.append(decoded(part)[:MOST_CHARACTERS])
    lines = [line[:LONGEST_LINE] for line in "\n".join(texts)[:MOST_CHARACTERS].splitlines()]
    end = next((number for number, line in enumerate(lines) if number and _COPY.match(line)), len(lines))
    if returned is None:
        rest = lines[end:]
        start = next((n for n, line in enumerate(rest) if re.match(r"[A-Za-z][A-Za-z-]{1,60}:\s", line)), len(rest))
        returned = parse("\n".join(rest[start:]), headersonly=True)
    return "\n".join(lines[:end]), returned


def _reply(address: str, lines: list[str]) -> str:
    """Returns the answer nearest to the address: the first one with an enhanced code, else the first one."""
    start = next((number for number, line in enumerate(lines) if address in line.lower()), 0)
    after, before = lines[start : start + NEAR_LINES], lines[max(0, start - NEAR_LINES) : start]
    if (answer := _answer(after) or _answer(before)) is not None:
        return answer
    said = [line for line in after if line.strip().lower().strip("<>:") != address]
    return " ".join(" ".join(said if any(map(str.strip, said)) else before).split())


def _answer(lines: list[str]) -> str | None:
    near = " ".join(" ".join(lines).split())
    found = list(_REPLY.finditer(near))
    coded = next((each for each in found if _ENHANCED.match(near[each.end() :].lstrip("#("))), None)
    reply = coded or next(iter(found), None) or _ENHANCED.search(near)
    return near[reply.start() :] if reply else None
