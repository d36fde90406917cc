"""The query parameters of the lists. Every other parameter is refused.

Values such as a recipient stand in the request's URL, which no log of this application holds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy.engine import RowMapping

from api.requests import LONGEST_ADDRESS, MAX_BIGINT, Slug, storable
from channels.recipients import recipients_named
from channels.registry import names
from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.record.filters import DeliveryFilter, NotificationFilter
from runtime.times import parse_instant


def encode_cursor(last_id: int) -> str:
    """Returns the cursor of the page after the row `last_id`."""
    return base64.urlsafe_b64encode(str(last_id).encode()).decode().rstrip("=")


def next_cursor(rows: Sequence[RowMapping], limit: int) -> str | None:
    """Returns the cursor of the next page, if of at most `limit` + 1 rows one is left for it."""
    return encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None


def _decode_cursor(value: object) -> int | None:
    if value is None:
        return None
    cursor = str(value)
    try:
        last_id = int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        last_id = 0
    if not 0 < last_id <= MAX_BIGINT or encode_cursor(last_id) != cursor:
        raise ValueError("is not a cursor: use the next_cursor of a page")
    return last_id


def _moment(value: object) -> datetime:
    return parse_instant(str(value))


def _channel(name: str) -> str:
    if name not in names():
        raise ValueError(f"is not a channel: choose from {', '.join(names())}")
    return name


_Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
_Code = Annotated[str, Field(max_length=200), AfterValidator(storable)]


class _RecordQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Most rows on a page.")
    cursor: Annotated[int | None, BeforeValidator(_decode_cursor, json_schema_input_type=str | None)] = Field(
        None, description="The `next_cursor` of the previous page."
    )
    company: Slug | None = Field(None, description="The company's slug or id.")
    project: Slug | None = Field(None, description="The project's slug or id.")
    content: Slug | None = Field(None, description="The AR content's slug or id.")
    channel: Annotated[str, AfterValidator(_channel)] | None = Field(None, description="A channel, such as `email`.")
    reason: _Code | None = Field(None, description="The code of a delivery's reason.")
    recipient: Annotated[str, Field(max_length=LONGEST_ADDRESS), AfterValidator(storable)] | None = Field(
        None,
        description="A recipient of a delivery: an e-mail address or chat id, in any spelling.",
    )
    since: _Moment | None = Field(None, description="At this time or later: ISO 8601 with offset, or `-2h`.")
    until: _Moment | None = Field(None, description="Before this time: ISO 8601 with offset, or `-2h`.")

    @field_validator("recipient")
    @classmethod
    def _is_an_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            recipients_named(value.strip(), info.data.get("channel"))
        return value

    def _fields(self) -> dict[str, Any]:
        """Returns the fields of a `RecordFilter`."""
        address = self.recipient
        return {
            **self.model_dump(include={"company", "project", "content", "channel", "reason", "since", "until"}),
            "recipients": None if address is None else recipients_named(address.strip(), self.channel),
        }


class NotificationQuery(_RecordQuery):
    """Which notifications to list. `since` and `until` are about when they were opened."""

    type: NotificationType | None = None
    status: NotificationStatus | None = None

    def filter(self) -> NotificationFilter:
        return NotificationFilter(notification_type=self.type, status=self.status, **self._fields())


class DeliveryQuery(_RecordQuery):
    """Which deliveries to list. `since` and `until` are about when they ended or, if they have not, were opened."""

    status: DeliveryStatus | None = None
    notification: Annotated[int, Field(ge=1, le=MAX_BIGINT)] | None = Field(None, description="A notification's id.")

    def filter(self) -> DeliveryFilter:
        return DeliveryFilter(status=self.status, notification_id=self.notification, **self._fields())
