"""Writes the lines of a mail's header (RFC 5322, RFC 2047).

The standard library's header classes are not used: they parse the text that they are given, and before Python 3.11.10
they decode an encoded word in it, line breaks included, and write those. Here a text is only ever encoded.
"""

from __future__ import annotations

import re

from channels.email.addresses import Mailbox, quoted_string
from channels.email.encoded_words import LONGEST_LINE, encoded_words

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_WORDS = re.compile(r"[!-~]+(?: [!-~]+)*")
"""ASCII words with one space between them."""
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_BREAK = "\r\n"


def without_controls(text: str) -> str:
    """Returns the text with a space instead of each run of control characters, line breaks among them."""
    return _CONTROLS.sub(" ", text)


def text_header(name: str, text: str) -> str:
    """Writes a header with a text in any language. The reader sees the text as it is, even if it looks encoded."""
    text = without_controls(text)
    return _header(_folded(f"{name}:", text) or _encoded(f"{name}:", text))


def mailbox_header(name: str, mailbox: Mailbox, display_name: str | None = None) -> str:
    """Writes a header with one address, and the name of its owner in any language."""
    if not display_name:
        return _header([f"{name}: {mailbox.in_header}"])
    shown = without_controls(display_name)
    *lines, last = _unencoded_name(f"{name}:", shown) or _encoded(f"{name}:", shown)
    ends_with = f" <{mailbox.in_header}>"
    fits = len(last) + len(ends_with) <= LONGEST_LINE
    return _header([*lines, last + ends_with] if fits else [*lines, last, ends_with])


def verbatim_header(name: str, value: str) -> str:
    """Writes a header unchanged, on one line: mail programs do not find a link in encoded or folded text. Raises
    ValueError for anything but printable ASCII."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name} must be printable ASCII, not {value!r}")
    return _header([f"{name}: {value}"])


def _header(lines: list[str]) -> str:
    return _BREAK.join(lines) + _BREAK


def _folded(begins: str, text: str) -> list[str] | None:
    """Breaks an ASCII text into lines at its spaces. None: it must be encoded."""
    if "=?" in text or not _WORDS.fullmatch(text):
        return None
    lines = [begins]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) <= LONGEST_LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f" {word}")
    fits = lines[0] != begins and all(len(line) <= LONGEST_LINE for line in lines)
    return lines if fits else None


def _unencoded_name(begins: str, name: str) -> list[str] | None:
    """Writes a short ASCII name, in quotes if it needs them. None: it must be encoded."""
    if "=?" in name or not _WORDS.fullmatch(name):
        return None
    line = f"{begins} {name if _PHRASE.fullmatch(name) else quoted_string(name)}"
    return [line] if len(line) <= LONGEST_LINE else None


def _encoded(begins: str, text: str) -> list[str]:
    first, *others = encoded_words(text, LONGEST_LINE - len(begins) - 1)
    return [f"{begins} {first}", *(f" {word}" for word in others)]
