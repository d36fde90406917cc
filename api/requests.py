"""The bodies that the API accepts. It refuses every other field."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, EmailStr, Field, model_validator

from channels.registry import find_channel, names
from contracts.sending import ALWAYS_DELIVERED
from runtime.names import visible
from runtime.times import parse_moment

MAX_BIGINT = 2**63 - 1
MAX_MESSAGE = 3800
"""Characters: with a subject above it, a Telegram message stays within 4,096."""
MAX_HTML_BYTES = 100_000
LONGEST_ADDRESS = 1000
"""Characters. No channel's address is longer; a longer text is not even parsed."""


def storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return storable(value)


def _one_line(value: str) -> str:
    if len(value.splitlines()) > 1 or value.splitlines()[0] != value:
        raise ValueError("must be a single line, without CR or LF")
    return value


def _subject(value: str) -> str:
    return _text(visible(_one_line(_text(value))))


def _within_html_limit(value: str) -> str:
    if len(value.encode()) > MAX_HTML_BYTES:
        raise ValueError(f"must have at most {MAX_HTML_BYTES} bytes")
    return value


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("must not be 0")
    return value


Slug = Annotated[str, Field(max_length=200), AfterValidator(storable)]


def _moment(value: object) -> datetime:
    """Raises ValueError for what is not a time, and for a time outside the years that `parse_moment` takes."""
    if not isinstance(value, str):
        raise ValueError("must be a time in ISO 8601 with offset, such as 2027-12-01T00:00:00+01:00")
    return parse_moment(value.strip())


def _future(value: datetime) -> datetime:
    if value <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return value


class NewEnd(BaseModel):
    """The new end of a project."""

    model_config = ConfigDict(extra="forbid")

    until: Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=datetime), AfterValidator(_future)] = (
        Field(description="The new end, in ISO 8601 with offset. It must not be earlier than the current end.")
    )
    why: Annotated[str, Field(max_length=1000), AfterValidator(_text)] | None = Field(
        None, description="The reason; it is recorded."
    )


def _known_address(name: str, address: str) -> None:
    """Raises `ValueError` if there is no such channel or it refuses the address."""
    if len(address) > LONGEST_ADDRESS:
        raise ValueError(f"the address must have at most {LONGEST_ADDRESS} characters")
    channel = find_channel(name)
    if channel is None:
        raise ValueError(f"{name[:60]!r} is not a channel: choose from {', '.join(names())}")
    channel.address_key(storable(address))


def _known_recipients(recipients: dict[str, str]) -> dict[str, str]:
    for name, address in recipients.items():
        _known_address(name, address)
    return recipients


class NewTestNotification(BaseModel):
    """Recipients and text of a test notification; at least one recipient is required."""

    model_config = ConfigDict(extra="forbid")

    recipients: Annotated[dict[str, str], AfterValidator(_known_recipients)] = Field(
        default_factory=dict, description='Addresses by channel name, such as `{"email": "anna@example.com"}`.'
    )
    email: EmailStr | None = Field(None, description="The same as `recipients.email`.")
    chat_id: Annotated[int, Field(strict=True, ge=-(2**63), le=MAX_BIGINT), AfterValidator(_not_zero)] | None = Field(
        None, description="A Telegram chat, the same as `recipients.telegram`."
    )
    subject: Annotated[str, Field(max_length=200), AfterValidator(_subject)] | None = Field(
        None, description="One line."
    )
    message: Annotated[str, Field(max_length=MAX_MESSAGE), AfterValidator(_text)] | None = Field(
        None, description="The text for every channel."
    )
    html: Annotated[str, AfterValidator(_text), AfterValidator(_within_html_limit)] | None = Field(
        None, description=f"The e-mail's HTML part, at most {MAX_HTML_BYTES} bytes."
    )

    @model_validator(mode="after")
    def _has_a_recipient(self) -> Self:
        if not self.addresses():
            raise ValueError("give a recipient in recipients, email or chat_id")
        for name, address in self._by_field().items():
            _known_address(name, address)
        return self

    @model_validator(mode="after")
    def _names_no_channel_twice(self) -> Self:
        for name in self._by_field().keys() & self.recipients.keys():
            raise ValueError(f"give the {name} recipient only once: in recipients or in its own field")
        return self

    def addresses(self) -> dict[str, str]:
        """Returns all recipients, by channel name."""
        return self._by_field() | self.recipients

    def field_of(self, name: str) -> tuple[str, ...]:
        """Returns where the request names the channel's recipient."""
        if name in self.recipients:
            return ("recipients", name)
        return (dict(zip(ALWAYS_DELIVERED, ("email", "chat_id"), strict=True))[name],)

    def fingerprint(self) -> str:
        """Returns a hash of the request: two requests with the same hash ask for the same thing."""
        members = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()

    def _by_field(self) -> dict[str, str]:
        chat = None if self.chat_id is None else str(self.chat_id)
        fields = zip(ALWAYS_DELIVERED, (self.email, chat), strict=True)
        return {name: address for name, address in fields if address is not None}
