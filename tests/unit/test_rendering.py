"""The texts say what a company must know, in its own time, and cannot be broken by what it calls its things."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import pytest

from channels.email.texts import render_mail
from channels.telegram.texts import PART, render_message
from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus
from db.record.claim import Claim
from tests.support.clocks import on_clock
from texts.renderer import Renderer

RENDERER = Renderer("https://platform.example/projects/{slug}/renew", "help@platform.example", {PART: None})
CLAIM = Claim(
    delivery_id=1,
    channel="email",
    contact_id=1,
    notification_id=1,
    recipient_key="a@customer.example",
    claim_seq=1,
    status=DeliveryStatus.PENDING,
    reason=None,
    obstacle=None,
    in_doubt=False,
    notification_type=NotificationType.EXPIRING,
    dedupe_key="expiring.project-42.20261201T000000Z.7d",
    subject=None,
    message=None,
    metadata={},
    recipient="a@customer.example",
    ends=on_clock(datetime.fromisoformat("2026-12-01T00:30:00+00:00"), "America/New_York"),
    days_left=7,
    company_id=7,
    company_name="Museum <Nord> & Söhne",
    locale="en",
    timezone="America/New_York",
    project_name="Ship <b>ahoy</b>",
    project_slug="ship",
    contents=["Bow & stern", "<script>alert(1)</script>"],
)


def test_a_warning_names_everything() -> None:
    mail = render_mail(RENDERER, CLAIM)
    assert mail.html is not None
    for said in (
        "in 7 days",
        "Monday, November 30, 2026 at 7:30\u202fPM",
        "Eastern Time (UTC\N{MINUS SIGN}05:00)",
        "https://platform.example/projects/ship/renew",
        "help@platform.example",
        "After that it will be deactivated",
    ):
        assert said in mail.text
        assert said in mail.html
        assert said in render_message(RENDERER, CLAIM)
    for said in ("Museum <Nord> & Söhne", "Ship <b>ahoy</b>", "Bow & stern", "<script>alert(1)</script>"):
        assert said in mail.text


def test_html_is_escaped() -> None:
    mail = render_mail(RENDERER, CLAIM)
    for html in (mail.html or "", render_message(RENDERER, CLAIM)):
        assert "<script>" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "Museum &lt;Nord&gt; &amp; Söhne" in html
        assert "Ship &lt;b&gt;ahoy" in html


def test_a_subject_is_one_line_and_not_escaped() -> None:
    mail = render_mail(RENDERER, replace(CLAIM, project_name="Ship\r\nBcc: everybody@customer.example"))
    assert mail.subject == "Ship Bcc: everybody@customer.example ends in 7 days"


@pytest.mark.parametrize(("days", "said"), [(0, "today"), (1, "tomorrow"), (2, "in 2 days")])
def test_days_are_said_as_people_say_them(days: int, said: str) -> None:
    mail = render_mail(RENDERER, replace(CLAIM, days_left=days))
    assert said in mail.subject
    assert said in mail.text


def test_a_project_without_content_has_no_empty_list() -> None:
    bare = replace(CLAIM, contents=[])
    assert "<ul" not in (render_mail(RENDERER, bare).html or "")
    assert "AR content" not in render_mail(RENDERER, bare).text + render_message(RENDERER, bare)


def test_a_locale_without_templates_is_told_in_english() -> None:
    assert "ends in 7 days" in render_mail(RENDERER, replace(CLAIM, locale="tlh")).subject


@pytest.mark.parametrize("locale", ["en", "ru"])
@pytest.mark.parametrize("notification_type", list(NotificationType))
def test_a_channel_without_a_part_of_its_own_takes_the_shared_texts(
    notification_type: NotificationType, locale: str
) -> None:
    """They know nothing of mails."""
    claim = replace(CLAIM, notification_type=notification_type, locale=locale)
    claim = replace(claim, subject="Full", message="The disk is full")
    assert RENDERER.subject(claim)
    for text in (RENDERER.text(claim), RENDERER.html(claim)):
        assert not re.search("e-mail|письмо|почт", text)
    if notification_type in (NotificationType.ALERT, NotificationType.TEST):
        assert RENDERER.text(claim).strip() == "The disk is full"


def test_a_test_brings_its_own_text() -> None:
    own = replace(
        CLAIM,
        notification_type=NotificationType.TEST,
        subject="Hi",
        message="Plain & simple",
        metadata={"html": "<p>Rich</p>"},
    )
    mail = render_mail(RENDERER, own)
    assert (mail.subject, mail.text, mail.html) == ("Hi", "Plain & simple", "<p>Rich</p>")
    assert render_message(RENDERER, own) == "<b>Hi</b>\n\nPlain &amp; simple"


def test_a_notice_of_content_with_an_end_of_its_own_spares_its_project() -> None:
    mail = render_mail(RENDERER, replace(CLAIM, content="Bow & stern", contents=[]))
    assert mail.subject == "Bow & stern (Ship <b>ahoy</b>) ends in 7 days"
    assert "The rest of the project stays active." in mail.text
    assert "<strong>Bow &amp; stern</strong>" in (mail.html or "")


def test_what_has_ended_is_named_with_what_was_deactivated_with_it() -> None:
    ended = replace(CLAIM, notification_type=NotificationType.EXPIRED, days_left=-1)
    mail = render_mail(RENDERER, ended)
    assert mail.subject == "Ship <b>ahoy</b> has ended and was deactivated"
    for text in (mail.text, mail.html or "", render_message(RENDERER, ended)):
        assert "Monday, November 30, 2026" in text
        assert "deactivated" in text
        assert "https://platform.example/projects/ship/renew" in text
        assert "script" in text


def test_an_alert_has_html_too_with_its_lines_kept() -> None:
    alert = replace(
        CLAIM, notification_type=NotificationType.ALERT, subject="Telegram is refused", message="One <b>\n\nTwo"
    )
    mail = render_mail(RENDERER, alert)
    assert (mail.subject, mail.text.strip()) == ("Telegram is refused", "One <b>\n\nTwo")
    assert '<p style="white-space:pre-line">One &lt;b&gt;\n\nTwo</p>' in (mail.html or "")


def test_a_link_cannot_be_broken_out_of() -> None:
    mail = render_mail(RENDERER, replace(CLAIM, project_slug='x"><script>'))
    assert 'x"><script>' not in (mail.html or "")


MIDNIGHT = on_clock(datetime.fromisoformat("2026-12-01T05:00:00+00:00"), "America/New_York")


@pytest.mark.parametrize(
    ("locale", "end", "days"),
    [
        ("en", "nd of Monday, November 30, 2026", "today"),  # codespell:ignore nd
        ("ru", "понедельник, 30 ноября 2026\u202fг., в конце дня", "сегодня"),  # noqa: RUF001 - Russian
    ],
)
def test_an_end_at_midnight_is_told_as_the_day_that_is_over(locale: str, end: str, days: str) -> None:
    """The days until then are counted to that day: "ends tomorrow, at the end of today" is no answer."""
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        claim = replace(CLAIM, notification_type=notification_type, locale=locale, ends=MIDNIGHT, days_left=0)
        mail = render_mail(RENDERER, claim)
        for text in (mail.text, mail.html or "", render_message(RENDERER, claim)):
            assert end in text
            assert "12:00" not in text
            assert "00:00." not in text
        assert (days in mail.subject) is (notification_type == "expiring")


def test_a_sentence_after_the_greeting_starts_as_a_sentence() -> None:
    for text in (render_mail(RENDERER, CLAIM).text, render_message(RENDERER, CLAIM)):
        assert ",\n\nYour project" in text


@pytest.mark.parametrize(
    ("locale", "name", "told"),
    [("ru", "Тур «Море»", "«Тур „Море“»"), ("en", "The “Sea”", "“The ‘Sea’”")],  # noqa: RUF001 - quotes
)
def test_marks_within_quotation_marks_are_the_inner_ones(locale: str, name: str, told: str) -> None:
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        claim = replace(CLAIM, notification_type=notification_type, locale=locale, project_name=name, content="Bow")
        mail = render_mail(RENDERER, claim)
        for text in (mail.text, render_message(RENDERER, claim)):
            assert told in text
        assert locale == "en" or told in mail.subject


def test_a_russian_message_greets_in_telegram_too() -> None:
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        claim = replace(CLAIM, notification_type=notification_type, locale="ru")
        _, greeting, *_ = render_message(RENDERER, claim).split("\n\n")
        assert greeting == "Здравствуйте, Museum &lt;Nord&gt; &amp; Söhne!"
