"""`GET /notifications/ID`: a page for a person, JSON for a program, and nothing from outside that runs or misleads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import blocked
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, is_problem, temporal_at
from tests.support.data import Platform
from tests.support.scene import CHAT, EMAIL, Scene

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
TURNED = "\N{RIGHT-TO-LEFT OVERRIDE}"
HOSTILE = f"{TURNED}</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{{{7*7}}}}"
AS_TEXT = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


class Seen(HTMLParser):
    """What a browser makes of a page: its elements, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    @property
    def links(self) -> list[str | None]:
        return [attributes["href"] for tag, attributes in self.elements if tag == "a"]


@pytest.fixture
async def no_temporal() -> Client:
    return await temporal_at(NOBODY_LISTENS)


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, no_temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(settings, engine, no_temporal) as http:
        yield http


async def seen(http: httpx.AsyncClient, notification_id: int) -> Seen:
    answer = await http.get(f"/notifications/{notification_id}", headers=PAGE)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Seen(answer.text)


async def test_the_page_says_who_was_told_what_and_what_the_providers_answered(
    scene: Scene, http: httpx.AsyncClient
) -> None:
    scene.telegram.always("request", blocked())
    scene.sink.on("rcpt", Reply(450, "4.2.0 Greylisted"))
    await scene.due_project()
    await scene.platform.execute("UPDATE companies SET name = 'Harbour Museum', timezone = 'Asia/Tokyo'")
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    notification = await scene.notification()

    page = await seen(http, notification.id)
    project = await scene.platform.scalar("SELECT slug FROM projects")
    for words in (
        f"Notification {notification.id}: Warning of an end",
        "delivered: At least one provider accepted the message.",
        "Harbour Museum (company-",
        f"({project})",
        f"E-mail to {EMAIL}",
        "accepted: The provider accepted the message.",
        "Attempts 2",
        "smtp_rcpt_450 450 4.2.0 Greylisted",
        f"Telegram to {CHAT}",
        "rejected: The provider refused the message for good.",
        "The recipient has blocked the bot. telegram_blocked",
        "403 Forbidden: bot was blocked by the user",
        f"Subject: {mail.message['Subject']}",
        mail.message["Message-ID"],
    ):
        assert words in page.text, words
    body = mail.message.get_body(("plain",))
    assert body is not None
    for line in body.get_content().splitlines():
        assert " ".join(line.split()) in page.text
    utc = f"{notification.item_ends_at:%Y-%m-%d %H:%M:%S} UTC"
    assert re.search(rf"The item's end \S+ \S+\+09:00 \({utc}\)", page.text)
    url = f"{scene.settings.temporal_ui_url}/namespaces/default/workflows"
    assert page.links == [
        f"{url}/{notification.workflow_id}",
        f"{url}?query=CompanyId%3D%22{notification.company_id}%22",
    ]


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0.5, application/json"])
async def test_a_program_gets_json(http: httpx.AsyncClient, platform: Platform, accept: str | None) -> None:
    await platform.notification(await platform.project(await platform.company()))
    answer = await http.get("/notifications/1", headers={"Accept": accept} if accept else {})
    assert answer.json()["id"] == 1
    assert answer.headers["Vary"] == "Accept"


async def test_a_page_loads_and_runs_nothing_and_is_kept_by_nobody(http: httpx.AsyncClient, platform: Platform) -> None:
    await platform.notification(await platform.project(await platform.company()))
    answer = await http.get("/notifications/1", headers=PAGE)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Vary"] == "Accept"
    page = Seen(answer.text)
    assert not {tag for tag, _ in page.elements} & {"script", "img", "link", "iframe", "form", "object", "base"}
    assert not any(name.startswith(("on", "src", "style")) for _, attributes in page.elements for name in attributes)


async def test_what_comes_from_outside_is_text(http: httpx.AsyncClient, platform: Platform) -> None:
    company = await platform.company(name=HOSTILE, slug="x", timezone="Europe/Berlin")
    project = await platform.project(company, name=HOSTILE)
    content = await platform.content(company, project, title=HOSTILE)
    await platform.notification(project, ar_content_id=content, subject=HOSTILE)
    await platform.execute(
        "UPDATE deliveries SET recipient = :it, subject = :it, body = :lines, body_html = :it, provider_id = :it,"
        " provider_reply = :it, reason = :it, status = 'rejected',"
        " earlier_attempts = jsonb_build_array(jsonb_build_object("
        "     'attempt', 1, 'at', now(), 'reason', CAST(:it AS text), 'reply', CAST(:it AS text)))",
        it=HOSTILE,
        lines=f"{HOSTILE}\n{HOSTILE}",
    )
    await platform.execute("UPDATE contacts SET label = :it", it=HOSTILE)
    await platform.execute(
        "INSERT INTO interventions (action, operator, why, delivery_id) SELECT 'resend', :it, :it, id FROM deliveries",
        it=HOSTILE,
    )
    page = await seen(http, 1)
    assert TURNED not in page.text
    assert page.text.count(AS_TEXT) == 4 + 2 * 11 + 2 * 2  # of the notification, of each delivery, of each intervention
    assert not {tag for tag, _ in page.elements} & {"script", "img"}


async def test_a_long_text_is_cut(http: httpx.AsyncClient, platform: Platform) -> None:
    await platform.notification(await platform.project(await platform.company()))
    await platform.execute("UPDATE deliveries SET body_html = :it WHERE channel = 'email'", it="<p>long</p>" * 9000)
    page = await seen(http, 1)
    assert "[The rest is left out here. The JSON has it.]" in page.text
    assert len(page.text) < 25_000


async def test_a_test_to_a_recipient_of_its_own_has_no_company(
    http: httpx.AsyncClient, platform: Platform, settings: Settings
) -> None:
    await platform.execute(
        "INSERT INTO notifications (notification_type, give_up_at, dedupe_key, workflow_id, metadata)"
        " VALUES ('test', now(), 'test.1', 'test.1', CAST(:own AS jsonb))",
        own='{"email_recipient": "a@customer.example"}',
    )
    await platform.execute("INSERT INTO deliveries (notification_id, channel) VALUES (1, 'email'), (1, 'telegram')")
    page = await seen(http, 1)
    assert "Notification 1: Test open: At least one delivery has not ended yet." in page.text
    assert "E-mail to a@customer.example pending: Not sent yet. Another attempt follows." in page.text
    assert page.links == [f"{settings.temporal_ui_url}/namespaces/default/workflows/test.1"]


async def test_what_does_not_exist_is_a_page_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/notifications/9", headers=PAGE)
    assert answer.status_code == 404
    assert "There is no notification 9." in Seen(answer.text).text
    assert is_problem(await http.get("/notifications/9"), 404)


async def test_head_is_as_get_without_the_body(http: httpx.AsyncClient, platform: Platform) -> None:
    await platform.notification(await platform.project(await platform.company()))
    for headers in (PAGE, {}):
        got, asked = [await http.request(method, "/notifications/1", headers=headers) for method in ("GET", "HEAD")]
        assert (asked.status_code, asked.headers["Content-Type"]) == (200, got.headers["Content-Type"])


async def test_of_a_removed_text_the_page_shows_the_digest_and_no_recipient(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    notification = await platform.notification(await platform.project(await platform.company(contact_email=EMAIL)))
    await platform.execute("UPDATE deliveries SET status = 'accepted', text_sha256 = sha256('x')")
    await platform.execute("UPDATE notifications SET texts_removed_at = now()")
    page = await seen(http, notification)
    assert "Texts and recipients removed" in page.text
    assert f"SHA-256 of the text {hashlib.sha256(b'x').hexdigest()}" in page.text
    assert EMAIL not in page.text
