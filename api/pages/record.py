"""The page that shows a person one notification: who was told what, when, and what the provider answered.

What comes from outside is shown as text, without invisible characters, and HTML as its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import RowMapping
from starlette.responses import HTMLResponse

from api.pages.template import PageTemplate
from channels.registry import find_channel, find_plan
from contracts import in_words
from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.record.shown import ShownRecord
from runtime.names import shown, visible

LONGEST_TEXT = 20_000
"""Characters of a text that the page shows."""
_CUT = "\n[The rest is left out here. The JSON has it.]"
_CLOCK = "%Y-%m-%d %H:%M:%S"
_TEMPLATE = PageTemplate("record")

HEADERS = _TEMPLATE.headers

LocalTimes = Mapping[datetime, datetime]
"""From a moment to the same moment with the offset of the page's time zone, as the database computes it."""


@dataclass(frozen=True)
class Links:
    """The page's links to the Temporal Web UI."""

    workflow: str
    company: str | None
    """The company's workflows; None without a company."""


@dataclass(frozen=True)
class _Moment:
    local: str
    utc: str | None
    """None: the page's clock shows UTC."""


Facts = list[tuple[str, str | _Moment]]


@dataclass(frozen=True)
class _Attempt:
    """An attempt that was refused and tried again."""

    number: int
    at: _Moment
    reason: str
    reply: str | None


@dataclass(frozen=True)
class _Delivery:
    channel: str
    recipient: str | None
    status: DeliveryStatus
    meaning: str
    code: str | None
    reason: str | None
    facts: Facts
    earlier: list[_Attempt]
    reply: str | None
    subject: str | None
    body: str | None
    html: str | None


@dataclass(frozen=True)
class _Intervention:
    at: _Moment
    action: str
    channel: str
    operator: str
    why: str


@dataclass(frozen=True)
class _Record:
    title: str
    status: NotificationStatus
    meaning: str
    zone: str
    workflow_url: str
    company_url: str | None
    facts: Facts
    deliveries: list[_Delivery]
    interventions: list[_Intervention]


def moments(record: ShownRecord) -> set[datetime]:
    """Returns every moment that the page shows."""
    rows = [record.notification, *record.deliveries, *record.interventions]
    shown_directly = {value for row in rows for value in row.values() if isinstance(value, datetime)}
    attempts = (each for delivery in record.deliveries for each in delivery["earlier_attempts"])
    return shown_directly | {datetime.fromisoformat(each["at"]) for each in attempts}


def record_page(record: ShownRecord, zone: str, local: LocalTimes, links: Links) -> HTMLResponse:
    """Returns the page; its clock is that of `zone`."""
    notification = record.notification
    status = NotificationStatus(notification["status"])
    page = _Record(
        title=f"Notification {notification['id']}: {_title(notification)}",
        status=status,
        meaning=in_words.of_notification(status),
        zone=zone,
        workflow_url=links.workflow,
        company_url=links.company,
        facts=list(_facts(notification, local)),
        deliveries=[_delivery(each, local) for each in record.deliveries],
        interventions=[
            _Intervention(
                _moment(each["created_at"], local),
                each["action"],
                _heading(each["channel"]),
                shown(each["operator"]),
                shown(each["why"]),
            )
            for each in record.interventions
        ],
    )
    return _TEMPLATE.response(200, page=page)


def _title(notification: RowMapping) -> str:
    return in_words.of_type(NotificationType(notification["notification_type"]))


def _facts(notification: RowMapping, local: LocalTimes) -> Iterator[tuple[str, str | _Moment]]:
    for name, what in (("Company", "company"), ("Project", "project")):
        if notification[f"{what}_slug"] is not None:
            yield name, _named(notification[f"{what}_name"], notification[f"{what}_slug"])
    if notification["content_slug"] is not None:
        yield "AR content", _named(notification["content_title"], notification["content_slug"])
    if notification["subject"] is not None:
        yield "Subject", shown(notification["subject"])
    if notification["threshold_days"] is not None:
        yield "Threshold", _days(notification["threshold_days"])
    if notification["days_left"] is not None:
        yield "Days left when opened", str(notification["days_left"])
    yield from _times(
        notification,
        local,
        {
            "item_ends_at": "The item's end",
            "scan_at": "Scan",
            "created_at": "Opened",
            "started_at": "Workflow started",
            "recovered_at": "Recovered",
            "finished_at": "Ended",
            "texts_removed_at": "Texts and recipients removed",
        },
    )
    if notification["finished_at"] is None:
        yield "Given up at", _moment(notification["give_up_at"], local)


def _delivery(delivery: RowMapping, local: LocalTimes) -> _Delivery:
    status = DeliveryStatus(delivery["status"])
    plan, code = find_plan(delivery["channel"]), delivery["reason"]
    return _Delivery(
        channel=_heading(delivery["channel"]),
        recipient=_one_line(delivery["recipient"]),
        status=status,
        meaning=in_words.of_delivery(status),
        code=_one_line(code),
        reason=None if code is None else (plan.in_words(code) if plan else in_words.of_reason(code) or ""),
        facts=list(_delivery_facts(delivery, local)),
        earlier=[
            _Attempt(
                each["attempt"],
                _moment(datetime.fromisoformat(each["at"]), local),
                shown(each["reason"]),
                _text(each["reply"]),
            )
            for each in delivery["earlier_attempts"]
        ],
        reply=_text(delivery["provider_reply"]),
        subject=_one_line(delivery["subject"]),
        body=_text(delivery["body"]),
        html=_text(delivery["body_html"]),
    )


def _delivery_facts(delivery: RowMapping, local: LocalTimes) -> Iterator[tuple[str, str | _Moment]]:
    if delivery["label"]:
        yield "Contact", shown(delivery["label"])
    yield "Attempts", str(delivery["attempts"])
    yield from _times(
        delivery,
        local,
        {
            "claimed_at": "Last attempt",
            "sending_at": "Hand-over began",
            "reopened_at": "Reopened",
            "finished_at": "Ended",
        },
    )
    if delivery["provider_id"] is not None:
        yield "Message's id", shown(delivery["provider_id"])
    for kind, name in (("text", "SHA-256 of the text"), ("html", "SHA-256 of the HTML")):
        if delivery[f"{kind}_sha256"] is not None:
            yield name, delivery[f"{kind}_sha256"]
    if delivery["possible_duplicate"]:
        yield "Copies", "The recipient may have received more than one."


def _times(row: RowMapping, local: LocalTimes, names: Mapping[str, str]) -> Iterator[tuple[str, _Moment]]:
    for column, name in names.items():
        if row[column] is not None:
            yield name, _moment(row[column], local)


def _moment(moment: datetime, local: LocalTimes) -> _Moment:
    there = local[moment]
    offset = there.utcoffset()
    if not offset:
        return _Moment(f"{there:{_CLOCK}} UTC", None)
    return _Moment(there.isoformat(" ", "seconds"), f"{moment.astimezone(UTC):{_CLOCK}} UTC")


def _heading(channel: str) -> str:
    known = find_channel(channel)
    return known.words.heading if known else channel


def _named(name: str, slug: str) -> str:
    return f"{shown(name)} ({slug})"


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _one_line(text: str | None) -> str | None:
    return None if text is None else visible(text)


def _text(text: str | None) -> str | None:
    """Returns a text of several lines without invisible characters, and not longer than a page should be."""
    if text is None:
        return None
    seen = "\n".join(visible(line) for line in text[:LONGEST_TEXT].splitlines())
    return seen if len(text) <= LONGEST_TEXT else seen + _CUT
