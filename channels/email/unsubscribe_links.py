"""Makes and reads unsubscribe links. They need no login, and do not reveal the address.

The token contains the delivery's id and is signed. It also contains a keyed hash of the recipient's address: a delivery
may be resent to a corrected address, and an older link must not unsubscribe that one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer

PATH = "/unsubscribe/"
_SALT = "unsubscribe"
_TAG_BYTES = 9


class InvalidLink(Exception):
    """The token was made with another secret, or is not complete."""


@dataclass(frozen=True)
class Opened:
    """The contents of a token."""

    delivery_id: int
    tag: str
    """The keyed hash of the address that got the e-mail with this link."""


class UnsubscribeLinks:
    """Makes and reads links with one secret. Links that were made with another secret are invalid."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._serializer = URLSafeSerializer(self._secret, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})

    def url(self, public_url: str, delivery_id: int, recipient: str) -> str:
        """Returns the link for this delivery's e-mail. It does not expire."""
        token = self._serializer.dumps([delivery_id, self._tag(recipient)])
        return f"{public_url.rstrip('/')}{PATH}{token}"

    def open(self, token: str) -> Opened:
        """Reads a token. Raises `InvalidLink`."""
        try:
            delivery_id, tag = self._serializer.loads(token)
        except (BadData, ValueError, TypeError):
            raise InvalidLink from None
        return Opened(delivery_id, tag)

    def is_for(self, opened: Opened, recipient: str) -> bool:
        """Whether the link was sent to this address."""
        return hmac.compare_digest(opened.tag, self._tag(recipient))

    def _tag(self, recipient: str) -> str:
        digest = hmac.digest(self._secret, f"{_SALT}:{recipient.lower()}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_TAG_BYTES]).decode()
