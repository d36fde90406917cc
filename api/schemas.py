"""The bodies of the API's answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.models import ProjectStatus


class FieldError(BaseModel):
    """One error in a request."""

    field: str = Field(description="The field or parameter; `body` for the body as a whole.")
    reason: str


class Problem(BaseModel):
    """An error, as in RFC 9457."""

    type: str = Field("about:blank", description="Always `about:blank`: `status` gives the kind of error.")
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = Field(None, description="For 422: the errors, field by field.")


class Notification(BaseModel):
    """One notification, with the outcome on both channels in one row."""

    id: int
    notification_type: NotificationType
    status: NotificationStatus
    company_id: int | None
    company_slug: str | None
    project_id: int | None
    project_slug: str | None
    ar_content_id: int | None = Field(description="The AR content it is about; null: the project itself.")
    ar_content_slug: str | None
    subject: str | None
    days_left: int | None = Field(
        description="Days to the end when the notification was opened, on the company's calendar."
    )
    item_ends_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    workflow_id: str
    web_ui_url: str = Field(description="Its workflow in the Temporal Web UI.")
    email_sent: bool
    email_sent_at: datetime | None
    email_error: str | None
    telegram_sent: bool
    telegram_sent_at: datetime | None
    telegram_error: str | None


class Delivery(BaseModel):
    """One delivery of a notification: what was handed over, and the provider's answer."""

    channel: str = Field(description="The channel's name, such as `email`.")
    status: DeliveryStatus
    reason: str | None = Field(description="A stable code; null while nothing went wrong.")
    attempts: int
    recipient: str | None
    subject: str | None
    body: str | None = Field(description="The text as sent; for e-mail, the plain text part.")
    body_html: str | None
    provider_id: str | None = Field(description="E-mail: the Message-ID; Telegram: the message_id.")
    provider_reply: str | None
    possible_duplicate: bool = Field(description="Whether the recipient may have received more than one copy.")
    claimed_at: datetime | None
    sending_at: datetime | None
    finished_at: datetime | None
    text_sha256: str | None = Field(
        description="Once the text is removed: the SHA-256 of the subject, an empty line and the text, in UTF-8."
    )
    html_sha256: str | None = Field(description="The same for `body_html`.")


class NotificationDetail(Notification):
    texts_removed_at: datetime | None = Field(
        description="When its texts, recipients and the providers' words were removed, because TEXTS_KEEP_DAYS had "
        "passed or its company was erased."
    )
    deliveries: list[Delivery]


class NotificationPage(BaseModel):
    """One page of notifications, newest first."""

    items: list[Notification]
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class ListedDelivery(BaseModel):
    """One delivery in a list, without its text."""

    id: int
    notification_id: int
    notification_type: NotificationType
    company_slug: str | None
    project_slug: str | None
    ar_content_slug: str | None
    channel: str = Field(description="The channel's name, such as `email`.")
    status: DeliveryStatus
    reason: str | None = Field(description="A stable code; null while nothing went wrong.")
    attempts: int
    recipient: str | None
    provider_id: str | None
    provider_reply: str | None
    possible_duplicate: bool
    created_at: datetime
    sending_at: datetime | None
    finished_at: datetime | None


class DeliveryPage(BaseModel):
    """One page of deliveries, newest first."""

    items: list[ListedDelivery]
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class Reactivated(BaseModel):
    """What was deactivated at the old end and is active again."""

    project: bool
    contents: int = Field(description="The number of AR content items.")


class RenewedProject(BaseModel):
    """The project with its new end."""

    slug: str
    status: Literal[ProjectStatus.ACTIVE, ProjectStatus.EXPIRED] = Field(
        description="`expired` if this application did not deactivate the project: then it is not reactivated."
    )
    expires_at: datetime
    previous_expires_at: datetime
    reactivated: Reactivated
    skipped_deliveries: int = Field(description="Deliveries about the old end that will not be sent any more.")


class RenewedContent(BaseModel):
    """The AR content with its new end."""

    slug: str
    project: str = Field(description="Its project's slug.")
    is_active: bool = Field(
        description="false if this application did not deactivate it: then it is not reactivated, and stays inactive."
    )
    expires_at: datetime
    previous_expires_at: datetime
    ends_with_project_at: datetime | None = Field(
        description="Its project's end, if that comes first: the AR content ends with the project. null otherwise."
    )
    reactivated: bool
    skipped_deliveries: int = Field(description="Deliveries about the old end that will not be sent any more.")


class StartedTest(BaseModel):
    """A test notification that was started. `GET /notifications/{notification_id}` shows its outcome."""

    notification_id: int
    workflow_id: str
    web_ui_url: str


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Checks(BaseModel):
    """The state of each server that a request may need."""

    database: Literal["ok", "away", "other_revision"] = Field(
        description="`other_revision`: its tables are not those that this release needs."
    )
    temporal: Literal["ok", "away"]


class Readiness(BaseModel):
    checks: Checks


class NotReady(Problem):
    checks: Checks
