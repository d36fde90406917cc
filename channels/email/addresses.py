"""An e-mail address as headers and SMTP commands are built from it: in two parts, whose text is parsed only once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from channels.base import Rejected
from contracts.sending import Reason

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
"""RFC 5322 3.2.3, with the letters of RFC 6532."""
_TO_ESCAPE = re.compile(r'(["\\])')


@dataclass(frozen=True)
class Mailbox:
    """An address: `local`, an at sign, `domain`."""

    local: str
    """Without the quotes of a quoted local part."""
    domain: str
    """In ASCII: an international domain in its form with `xn--`."""

    @classmethod
    def parse(cls, address: str) -> Mailbox:
        """Raises ValueError, which says why, if this is not an address."""
        valid = validate_email(address, check_deliverability=False)
        return cls(valid.local_part, valid.ascii_domain)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only servers with SMTPUTF8 (RFC 6531) take it. A domain never needs it."""
        return not self.local.isascii()

    @property
    def in_command(self) -> str:
        """The address for MAIL and RCPT, without angle brackets."""
        local = self.local if _DOT_ATOM.fullmatch(self.local) else quoted_string(self.local)
        return f"{local}@{self.domain}"

    @property
    def in_header(self) -> str:
        """The address for a header. Some programs decode encoded words even in addresses, where RFC 2047 has none, so
        a local part never looks like one."""
        if "=?" not in self.local:
            return self.in_command
        local = quoted_string(self.local).replace("=?", r"=\?")
        return f"{local}@{self.domain}"


@lru_cache(maxsize=16)
def our_mailbox(address: str) -> Mailbox:
    """Reads one of our own addresses, which stands in many mails. Raises ValueError as `Mailbox.parse` does."""
    return Mailbox.parse(address)


def recipient_mailbox(address: str) -> Mailbox:
    """Reads a recipient's address. Raises `Rejected` if it is not an address."""
    try:
        return Mailbox.parse(address)
    except EmailNotValidError as error:
        raise Rejected(Reason.INVALID_ADDRESS, str(error)) from None


def quoted_string(text: str) -> str:
    """Returns the text in quotes (RFC 5322 3.2.4)."""
    return '"' + _TO_ESCAPE.sub(r"\\\1", text) + '"'
