"""Signs the envelope sender of each e-mail (VERP), which proves that a bounce is about it.

A bounce goes to the envelope sender. Only the servers on the e-mail's way and its recipient have seen the tag, so
nobody else can write a bounce that counts. Mail servers may change the case of a local part, so the tag ignores case.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from channels.email.addresses import our_mailbox

DELIMITER = "+"
"""Postfix's `recipient_delimiter`: what follows does not change the mailbox."""
SIGNS_BOUNCES = " when SMTP_BOUNCE_ADDRESS is set; it signs the tags that prove bounces"
_SALT = "bounce"
_TAG_BYTES = 10


@dataclass(frozen=True)
class Tag:
    """A tag as somebody wrote it. `BounceAddresses.is_for` checks it."""

    delivery_id: int
    signature: str


class BounceAddresses:
    """Makes and reads tagged addresses. The secret is that of the unsubscribe links, with a salt of its own."""

    def __init__(self, address: str, secret: str) -> None:
        mailbox = our_mailbox(address)
        self._mailbox, self._domain = mailbox.local, mailbox.domain  # as MAIL has it, and so the bounce
        self._secret = secret.encode()
        tagged = re.escape(f"{self._mailbox}{DELIMITER}")
        self._pattern = re.compile(rf"{tagged}(\d{{1,18}})-([a-z2-7]{{16}})@{re.escape(self._domain)}", re.IGNORECASE)

    def tagged(self, delivery_id: int, recipient: str) -> str:
        """Returns the envelope sender of this delivery's e-mail to this recipient."""
        return f"{self._mailbox}{DELIMITER}{delivery_id}-{self._signature(delivery_id, recipient)}@{self._domain}"

    def tags(self, texts: Iterable[str]) -> list[Tag]:
        """Returns the tags in these texts, each once."""
        found = (Tag(int(tag[1]), tag[2].lower()) for text in texts for tag in self._pattern.finditer(text))
        return list(dict.fromkeys(found))

    def is_for(self, tag: Tag, recipient: str) -> bool:
        """Whether the delivery's e-mail was sent to this recipient with this tag."""
        return hmac.compare_digest(tag.signature, self._signature(tag.delivery_id, recipient))

    def _signature(self, delivery_id: int, recipient: str) -> str:
        digest = hmac.digest(self._secret, f"{_SALT}:{delivery_id}:{recipient.lower()}".encode(), hashlib.sha256)
        return base64.b32encode(digest[:_TAG_BYTES]).decode().lower()
