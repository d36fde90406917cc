"""Writes the body of a mail (RFC 2045, RFC 2046), for servers that take 8-bit text and for others."""

from __future__ import annotations

import base64
import quopri
import secrets

LONGEST_LINE = 998
"""Octets without the line break (RFC 5322 2.1.1, RFC 6152 3)."""
_ASCII = bytes(range(128))


def body(text: str, html: str | None, *, eight_bit: bool) -> bytes:
    """Writes the headers of the body and the body: plain text, and HTML as an alternative if there is any. Without
    `eight_bit` all of it is ASCII."""
    plain = _part("plain", text, eight_bit)
    if not html:
        return b"MIME-Version: 1.0\r\n" + plain
    boundary = f"=_{secrets.token_hex(16)}".encode()
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="%b"\r\n' % boundary
    parts = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in (plain, _part("html", html, eight_bit)))
    return b"%b\r\n%b--%b--\r\n" % (head, parts, boundary)


def _part(subtype: str, text: str, eight_bit: bool) -> bytes:
    lines = text.encode("utf-8", "replace").splitlines()
    content = b"\r\n".join(lines) + b"\r\n"
    encoding = _transfer_encoding(content, max(map(len, lines), default=0), eight_bit)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    match encoding:
        case "quoted-printable":
            content = quopri.encodestring(content)
        case "base64":
            content = base64.encodebytes(content).replace(b"\n", b"\r\n")
    return head.encode("ascii") + content


def _transfer_encoding(content: bytes, longest_line: int, eight_bit: bool) -> str:
    sendable = longest_line <= LONGEST_LINE and b"\0" not in content
    if sendable and content.isascii():
        return "7bit"
    if sendable and eight_bit:
        return "8bit"
    beyond_ascii = len(content.translate(None, _ASCII))
    return "quoted-printable" if beyond_ascii * 6 <= len(content) else "base64"  # what is shorter
