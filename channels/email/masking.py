"""Masks e-mail addresses in texts of any origin, such as a provider's reply or an error.

It does not recognise addresses, but everything before an at sign: RFC 5322 and RFC 6531 allow almost any character
there, and a text may spell the sign in other ways. So it masks too much rather than too little. The time is linear.
"""

from __future__ import annotations

import re

MASK = "***"

_AT_SIGN = re.compile(
    r"[@\uff20\ufe6b]|%(?:25){0,9}40|&#0{0,9}64;?|&#x0{0,9}40;?|&commat;|\\u0040|\\x40", re.IGNORECASE
)
_ENCODED_WORD = re.compile(r"=\?[^\s?]{1,60}\?[bq]\?\S*", re.IGNORECASE)
"""RFC 2047. What it hides may be an address; one that was cut has no end."""
_NOT_IN_AN_ATOM = re.compile(r"""[\s<>()\[\],;:"\x00-\x1f\x7f]""")
"""RFC 5322 3.2.3, without the at sign and the backslash. All else may be part of a local part."""


def mask_addresses(text: str) -> str:
    """Returns the text with every local part replaced by its first letter and `***`. May run twice."""
    return "\n".join(map(_masked_line, _ENCODED_WORD.sub(f"=?{MASK}?=", text).split("\n")))


def _masked_line(line: str) -> str:
    masked: list[str] = []
    begins = 0
    for sign in _AT_SIGN.finditer(line):
        masked += (_without_local_part(line[begins : sign.start()]), sign[0])
        begins = sign.end()
    return "".join([*masked, line[begins:]])


def _without_local_part(before: str) -> str:
    """Masks what may be a local part at the end of `before`: its last atom, or all of it where the local part may have
    more parts than that (a quoted string, a comment, white space around a dot)."""
    atom = _NOT_IN_AN_ATOM.split(before)[-1]
    rest = before[: len(before) - len(atom)]
    if not atom or atom.startswith(".") or rest.rstrip().endswith("."):
        return MASK
    initial = atom[0] if atom[0].isalnum() else ""
    return f"{rest}{initial}{MASK}"
