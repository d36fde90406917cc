"""Links to unsubscribe: who holds one needs no login, and whoever reads it in a log learns nobody's address.

The token names the delivery and is signed. It also bears a keyed hash of the address that the mail went to: a delivery
may be sent again to a corrected address, and an older link must not unsubscribe that one.
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
    """The token was not made with this secret, or not in full."""


@dataclass(frozen=True)
class Opened:
    """What a token says."""

    delivery_id: int
    tag: str
    """Of the address that the mail with this link went to."""


class UnsubscribeLinks:
    """Makes and reads them with the secret as it is now; with another one, older links are invalid."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._serializer = URLSafeSerializer(self._secret, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})

    def url(self, public_url: str, delivery_id: int, recipient: str) -> str:
        """The link in the mail of this delivery. It does not expire."""
        token = self._serializer.dumps([delivery_id, self._tag(recipient)])
        return f"{public_url.rstrip('/')}{PATH}{token}"

    def open(self, token: str) -> Opened:
        """Raises `InvalidLink`."""
        try:
            delivery_id, tag = self._serializer.loads(token)
        except (BadData, ValueError, TypeError):
            raise InvalidLink from None
        return Opened(delivery_id, tag)

    def is_for(self, opened: Opened, recipient: str) -> bool:
        """Whether the link went to this address."""
        return hmac.compare_digest(opened.tag, self._tag(recipient))

    def _tag(self, recipient: str) -> str:
        digest = hmac.digest(self._secret, f"{_SALT}:{recipient.lower()}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_TAG_BYTES]).decode()
