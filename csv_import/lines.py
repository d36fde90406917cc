"""The lines of the three files, with the columns in their order. An empty field takes the table's default."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from csv_import.fields import (
    ChatId,
    Days,
    Email,
    Flag,
    JsonObject,
    Locale,
    OneLine,
    QuietHours,
    Slug,
    Status,
    Tags,
    Time,
    TimeZone,
)
from db.models import ProjectStatus


class CsvLine(BaseModel):
    """A line whose fields are all good. Its slug says which row it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: ClassVar[str | None] = None
    """The column that names a row of the file before."""

    slug: Slug


class CompanyLine(CsvLine):
    name: OneLine
    contact_email: Email | None = None
    telegram_chat_id: ChatId | None = None
    locale: Locale = "en"
    timezone: TimeZone = "UTC"
    email_enabled: Flag = True
    telegram_enabled: Flag = True


class CompanyWithQuietHoursLine(CompanyLine):
    """Of a file with the optional column. Without it the quiet hours in the database stay."""

    quiet_hours: QuietHours | None = None
    """When they begin and end, on the company's clock; None: it has none."""


class ProjectLine(CsvLine):
    reference: ClassVar[str | None] = "company_slug"

    company_slug: Slug
    name: OneLine
    status: Status = ProjectStatus.ACTIVE
    starts_at: Time | None = None
    expires_at: Time
    auto_renew: Flag = False
    subscription_type: OneLine | None = None
    notify_before_expiry_days: Days | None = None
    """None: EXPIRY_THRESHOLDS_DAYS."""
    tags: Tags = Field(default_factory=list)
    metadata: JsonObject = Field(default_factory=dict)


class ArContentLine(CsvLine):
    reference: ClassVar[str | None] = "project_slug"

    project_slug: Slug
    title: OneLine
    is_active: Flag = True
    expires_at: Time | None = None
    """None: it ends with its project."""
