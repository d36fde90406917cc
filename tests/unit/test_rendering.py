"""The texts say what a company must know, in its own time, and cannot be broken by what it calls its things."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from contracts import DeliveryStatus
from db.deliveries import Claim
from rendering import Renderer

RENDERER = Renderer("https://platform.example/projects/{slug}/renew", "help@platform.example")
CLAIM = Claim(
    delivery_id=1,
    claim_seq=1,
    status=DeliveryStatus.PENDING,
    reason=None,
    obstacle=None,
    in_doubt=False,
    notification_type="expiring",
    dedupe_key="expiring.project-42.20261201T000000Z.7d",
    subject=None,
    message=None,
    metadata={},
    recipient="a@customer.example",
    ends_at=datetime.fromisoformat("2026-12-01T00:30:00+00:00"),
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
    mail = RENDERER.email(CLAIM)
    assert mail.html is not None
    for said in (
        "in 7 days",
        "Monday, November 30, 2026",
        "America/New_York",
        "https://platform.example/projects/ship/renew",
        "help@platform.example",
        "switched off",
    ):
        assert said in mail.text
        assert said in mail.html
        assert said in RENDERER.telegram(CLAIM)
    for said in ("Museum <Nord> & Söhne", "Ship <b>ahoy</b>", "Bow & stern", "<script>alert(1)</script>"):
        assert said in mail.text


def test_html_is_escaped() -> None:
    mail = RENDERER.email(CLAIM)
    for html in (mail.html or "", RENDERER.telegram(CLAIM)):
        assert "<script>" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "Museum &lt;Nord&gt; &amp; Söhne" in html
        assert "Ship &lt;b&gt;ahoy" in html


def test_a_subject_is_one_line_and_not_escaped() -> None:
    mail = RENDERER.email(replace(CLAIM, project_name="Ship\r\nBcc: everybody@customer.example"))
    assert mail.subject == "Ship Bcc: everybody@customer.example ends in 7 days"


@pytest.mark.parametrize(("days", "said"), [(0, "today"), (1, "tomorrow"), (2, "in 2 days")])
def test_days_are_said_as_people_say_them(days: int, said: str) -> None:
    mail = RENDERER.email(replace(CLAIM, days_left=days))
    assert said in mail.subject
    assert said in mail.text


def test_a_project_without_content_has_no_empty_list() -> None:
    bare = replace(CLAIM, contents=[])
    assert "<ul" not in (RENDERER.email(bare).html or "")
    assert "AR content" not in RENDERER.email(bare).text + RENDERER.telegram(bare)


def test_a_locale_without_templates_is_told_in_english() -> None:
    assert "ends in 7 days" in RENDERER.email(replace(CLAIM, locale="tlh")).subject


def test_a_test_brings_its_own_text() -> None:
    own = replace(
        CLAIM, notification_type="test", subject="Hi", message="Plain & simple", metadata={"html": "<p>Rich</p>"}
    )
    mail = RENDERER.email(own)
    assert (mail.subject, mail.text, mail.html) == ("Hi", "Plain & simple", "<p>Rich</p>")
    assert RENDERER.telegram(own) == "<b>Hi</b>\n\nPlain &amp; simple"
