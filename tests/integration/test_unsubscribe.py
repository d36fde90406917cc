"""Unsubscribing: the header in the mail, the page behind the link, and what becomes of the next notice."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.body_limit import MAX_BODY_BYTES
from channels.email.unsubscribe_links import UnsubscribeLinks
from db.engine import create_engine
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, is_problem, settings_of_nobody, temporal_at
from tests.support.command_line import WHY, delivery_id, operate
from tests.support.data import Platform
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene
from tests.support.settings_for import SUPPORT_EMAIL, MakeSettings

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "activities",
    "api",
    "channels",
    "contracts",
    "csv_import",
    "db",
    "runtime",
    "temporal",
    "texts",
    "workflows",
)
PUBLIC_URL = "https://notices.platform.example/here/"
KEY = "a secret that only these tests know of"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
UNSUBSCRIBED = {"channel": "email", "address": EMAIL, "reason": "unsubscribed", "provider_reply": None}


@pytest.fixture
def make_settings(make_settings: MakeSettings) -> MakeSettings:
    """The settings of all tests, with links."""

    def make(**overrides: object) -> Settings:
        return make_settings(**{"public_url": PUBLIC_URL, "unsubscribe_secret": KEY} | overrides)

    return make


@pytest.fixture
async def no_temporal() -> Client:
    return await temporal_at(NOBODY_LISTENS)


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, no_temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    """A browser or a mail provider: it has no API key."""
    async with calling(settings, engine, no_temporal, key=None) as http:
        yield http


def link(delivery: int, recipient: str = EMAIL, key: str = KEY) -> str:
    """The path of a mail's link."""
    return urlsplit(UnsubscribeLinks(key).url("http://api", delivery, recipient)).path


async def mailed(platform: Platform, recipient: str | None = EMAIL, **company: object) -> int:
    """A notice whose mail went to the recipient. Returns the delivery's id."""
    project = await platform.project(await platform.company(**company))
    notification = await platform.notification(project)
    await platform.execute(
        "UPDATE deliveries SET recipient = :recipient WHERE notification_id = :id AND channel = 'email'",
        id=notification,
        recipient=recipient,
    )
    delivery: int = await platform.scalar(
        "SELECT id FROM deliveries WHERE notification_id = :id AND channel = 'email'", id=notification
    )
    return delivery


async def suppressions(platform: Platform) -> list[dict[str, object]]:
    return await platform.rows("SELECT channel, address, reason, provider_reply FROM suppressions")


async def test_who_unsubscribes_by_the_link_of_a_mail_gets_the_next_notice_on_telegram_only(
    scene: Scene, http: httpx.AsyncClient
) -> None:
    await scene.due_project()
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = mail.message["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert url.startswith(f"{PUBLIC_URL}unsubscribe/")
    assert EMAIL not in url
    for kind in ("plain", "html"):
        body = mail.message.get_body((kind,))
        assert body is not None
        assert url in body.get_content()
    path = urlsplit(url).path.removeprefix("/here")  # the proxy's part

    asked = await http.get(path)
    assert asked.status_code == 200
    assert await suppressions(scene.platform) == []
    done = await http.post(path, data=ONE_CLICK)
    assert done.status_code == 200
    assert await suppressions(scene.platform) == [UNSUBSCRIBED]

    await scene.platform.project(await scene.platform.scalar("SELECT id FROM companies"))
    await scene.scan_and_send()
    *_, email = await scene.platform.deliveries("email")
    *_, telegram = await scene.platform.deliveries("telegram")
    assert (email.status, email.reason) == ("skipped", "unsubscribed")
    assert telegram.status == "accepted"
    assert (len(scene.sink.messages), len(scene.telegram.to(CHAT))) == (1, 2)


async def test_an_operator_sees_who_unsubscribed_and_is_told_what_to_do(scene: Scene) -> None:
    await scene.platform.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', :address, 'unsubscribed')", address=EMAIL
    )
    await scene.due_project()
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "skipped", "accepted")
    [listed] = (await operate(scene, "suppressions")).json["items"]
    assert (listed["address"], listed["reason"]) == (EMAIL, "unsubscribed")

    email = await delivery_id(scene, "email")
    refused = await operate(scene, "resend", email, *WHY)
    assert refused.status == 1
    assert f"{EMAIL} has unsubscribed: if they ask for e-mails again, run `unsuppress email {EMAIL}`" in refused.err
    assert (await operate(scene, "unsuppress", "email", EMAIL, *WHY)).status == 0
    async with scene.worker():
        assert (await operate(scene, "resend", email, *WHY)).status == 0
        await scene.children_end()
    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,)]


async def test_without_a_public_url_mails_bear_no_link(scene: Scene) -> None:
    scene = scene.with_settings(public_url=None)
    await scene.due_project()
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert [name for name in mail.message if name.lower().startswith("list-")] == []


async def test_an_alert_bears_no_link(scene: Scene) -> None:
    """The operators' own address: whoever unsubscribed it would hear of nothing any more."""
    await scene.platform.execute(
        "INSERT INTO notifications (notification_type, give_up_at, dedupe_key, workflow_id, subject, message, metadata)"
        " VALUES ('alert', now() + interval '1 hour', 'alert.x', 'alert.x', 's', 'm',"
        """ '{"email_recipient": "ops@platform.example"}')"""
    )
    await scene.platform.execute("INSERT INTO deliveries (notification_id, channel) VALUES (1, 'email')")
    await scene.platform.execute(
        "INSERT INTO deliveries (notification_id, channel, status) VALUES (1, 'telegram', 'skipped')"
    )
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert mail.recipients == ("ops@platform.example",)
    assert "List-Unsubscribe" not in mail.message


async def test_each_mail_is_signed_with_the_secret_as_it_is_then(
    scene: Scene, tmp_path: Path, engine: AsyncEngine, no_temporal: Client
) -> None:
    file = tmp_path / "secret"
    file.write_text(KEY)
    scene = scene.with_settings(unsubscribe_secret=None, unsubscribe_secret_file=file)
    paths = []
    async with calling(scene.settings, engine, no_temporal, key=None) as http:
        for secret in (f"first {KEY}\n", f"second {KEY}\n"):
            file.write_text(secret)
            await scene.due_project()
            await scene.scan_and_send()
            *_, mail = scene.sink.messages
            paths.append(urlsplit(mail.message["List-Unsubscribe"].strip("<>")).path.removeprefix("/here"))
        first, second = [(await http.get(path)).status_code for path in paths]
        assert (first, second) == (404, 200)
        file.write_text(f"first {KEY}\n")
        first, second = [(await http.get(path)).status_code for path in paths]
        assert (first, second) == (200, 404)
        file.unlink()
        answer = await http.get(paths[0])
        assert is_problem(answer, 503)
        assert str(file) not in answer.text


async def test_a_secret_that_is_missing_holds_the_mail_back_and_alerts(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(KEY)
    scene = scene.with_settings(unsubscribe_secret=None, unsubscribe_secret_file=file, admin_email="ops@admin.example")
    async with scene.worker():
        await scene.scan()  # the worker has started, which it does not without the secret
        file.write_text("\n")
        await scene.due_project()
        await scene.scan()
        await scene.sink.wait_for(1, PATIENCE)
        assert [mail.recipients for mail in scene.sink.messages] == [("ops@admin.example",)]
        file.write_text(f"{KEY}\n")
        await scene.children_end()
    assert sorted(mail.recipients for mail in scene.sink.messages) == [(EMAIL,), ("ops@admin.example",)]


async def test_the_page_says_whose_mails_would_end_without_telling_the_address(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    page = await http.get(link(await mailed(platform, name="Acme & Sons")), headers=BROWSER)
    assert page.status_code == 200
    assert "a***@customer.example" in page.text
    assert EMAIL not in page.text
    assert "Acme &amp; Sons" in page.text


@pytest.mark.parametrize(
    ("locale", "lang", "words"),
    [
        ("en", "en", "Unsubscribe from these e-mails?"),
        ("ru", "ru", "Отписаться"),
        ("ru-RU", "ru", "Отписаться"),
        ("RU", "ru", "Отписаться"),
        ("ru_RU", "ru", "Отписаться"),
        ("xx", "en", "Unsubscribe from"),
    ],
)
async def test_the_page_speaks_the_companys_language(
    http: httpx.AsyncClient, platform: Platform, locale: str, lang: str, words: str
) -> None:
    page = await http.get(link(await mailed(platform, locale=locale)))
    assert re.search(r"<h1>[^<]+\?</h1>", page.text)  # it asks, and has done nothing yet
    assert f'<html lang="{lang}">' in page.text
    assert words in page.text


async def test_a_test_to_an_address_of_no_company_can_be_answered_too(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    delivery = await mailed(platform)
    await platform.execute("UPDATE notifications SET notification_type = 'test', company_id = NULL, project_id = NULL")
    page = await http.get(link(delivery))
    assert (page.status_code, "a***@customer.example" in page.text) == (200, True)
    assert "None" not in page.text


async def test_html_in_an_address_and_a_name_is_text(http: httpx.AsyncClient, platform: Platform) -> None:
    address = '<b>"@customer.example"><img src=x>'
    path = link(await mailed(platform, address, name="<script>alert(1)</script>{{ 7 * 7 }}{support}"), address)
    for page in (await http.get(path), await http.post(path)):
        assert page.status_code == 200
        assert "<img" not in page.text
        assert "<script" not in page.text
        assert "customer.example&#34;&gt;&lt;img src=x&gt;" in page.text
    assert await platform.scalar("SELECT address FROM suppressions") == address


class _Resources(HTMLParser):
    """What a page would load, run or be able to do."""

    found: list[str]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [name for name, _ in attributes if name in ("src", "href", "action", "style", "formaction")]
        self.found += [tag for tag in (tag,) if tag in ("script", "link", "img", "iframe", "object", "base")]
        self.found += [name for name, _ in attributes if name.startswith("on")]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("valid", [True, False])
async def test_every_page_is_complete_in_itself_and_kept_by_nobody(
    http: httpx.AsyncClient, platform: Platform, method: str, valid: bool
) -> None:
    path = link(await mailed(platform), key=KEY if valid else "another")
    page = await http.request(method, path, headers=BROWSER)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    resources = _Resources()
    resources.found = []
    resources.feed(page.text)
    assert resources.found == []
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} < set(policy)
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Cache-Control"] == "no-store"


async def test_scanners_that_follow_the_link_change_nothing(http: httpx.AsyncClient, platform: Platform) -> None:
    path = link(await mailed(platform))
    for _ in range(2):
        assert (await http.head(path)).status_code == 200
        assert (await http.get(path, headers=BROWSER)).status_code == 200
        assert (await http.options(path)).status_code == 405
        assert is_problem(await http.put(path), 405)
    assert await suppressions(platform) == []


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {},
        {"content": b"\xff\0", "headers": {"Content-Type": "multipart/form-data"}},
    ],
    ids=["form", "multipart", "none", "nonsense"],
)
async def test_one_click_unsubscribes_whatever_its_body(
    http: httpx.AsyncClient, platform: Platform, body: dict[str, Any]
) -> None:
    path = link(await mailed(platform))
    done = await http.post(path, **body)
    assert (done.status_code, "You have unsubscribed" in done.text) == (200, True)
    assert await suppressions(platform) == [UNSUBSCRIBED]


async def test_the_pages_own_form_unsubscribes(http: httpx.AsyncClient, platform: Platform) -> None:
    path = link(await mailed(platform))
    page = (await http.get(path)).text
    [form] = re.findall(r"<form method=\"post\">(.*?)</form>", page, re.DOTALL)
    fields = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', form))
    assert (await http.post(path, data=fields, headers=BROWSER | {"Origin": "null"})).status_code == 200
    assert await suppressions(platform) == [UNSUBSCRIBED]


async def test_twice_is_as_once_and_the_page_says_that_it_is_done(http: httpx.AsyncClient, platform: Platform) -> None:
    path = link(await mailed(platform))
    await http.post(path, data=ONE_CLICK)
    before = await platform.rows("SELECT * FROM suppressions")
    again = await http.post(path, data=ONE_CLICK)
    assert (again.status_code, await platform.rows("SELECT * FROM suppressions")) == (200, before)
    page = await http.get(path)
    assert (page.status_code, "You have unsubscribed" in page.text, "<form" in page.text) == (200, True, False)


async def test_an_address_that_was_gone_stays_unsubscribed_when_it_is_back(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    path = link(await mailed(platform))
    await platform.execute(
        "INSERT INTO suppressions (channel, address, reason, provider_reply)"
        " VALUES ('email', :address, 'bounced', '5.1.1')",
        address=EMAIL,
    )
    assert "<form" in (await http.get(path)).text
    assert (await http.post(path)).status_code == 200
    assert await suppressions(platform) == [UNSUBSCRIBED]


async def test_the_address_counts_in_any_spelling(http: httpx.AsyncClient, platform: Platform) -> None:
    path = link(await mailed(platform, "Anna@Customer.Example"), "Anna@Customer.Example")
    assert (await http.post(path)).status_code == 200
    assert await suppressions(platform) == [UNSUBSCRIBED]


async def test_after_a_mail_went_to_a_corrected_address_the_older_link_unsubscribes_nobody(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    delivery = await mailed(platform, "new@customer.example")
    assert is_problem(await http.post(link(delivery, "old@customer.example")), 404)
    assert await suppressions(platform) == []
    assert (await http.post(link(delivery, "new@customer.example"))).status_code == 200


def tampered(path: str) -> list[str]:
    head, _, token = path.rpartition("/")
    payload, _, signature = token.partition(".")
    other = payload[:-1] + ("A" if payload[-1] != "A" else "B")
    return [
        f"{head}/{wrong}" for wrong in (f"{other}.{signature}", payload, f"{payload}.", f".{signature}", "x", "%00")
    ]


async def test_a_token_that_was_not_made_here_is_not_found(http: httpx.AsyncClient, platform: Platform) -> None:
    delivery = await mailed(platform)
    wrong = [link(delivery, key="another"), link(delivery + 1000), *tampered(link(delivery))]
    for path in wrong:
        for method in ("GET", "POST"):
            answer = await http.request(method, path)
            assert is_problem(answer, 404), path
            assert "Use the link in your latest e-mail" in answer.json()["detail"]
            page = await http.request(method, path, headers=BROWSER | {"Accept-Language": "ru-RU,ru;q=0.9"})
            assert (page.status_code, "Ссылка недействительна" in page.text) == (404, True)
    assert await suppressions(platform) == []


async def test_a_delivery_that_went_to_nobody_or_on_telegram_has_no_link(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    nobody = await mailed(platform, None)
    telegram = await platform.scalar("UPDATE deliveries SET recipient = '77' WHERE channel = 'telegram' RETURNING id")
    for path in (link(nobody), link(nobody, "None"), link(telegram, "77")):
        assert is_problem(await http.post(path), 404)
    assert await suppressions(platform) == []


async def test_without_a_secret_no_link_is_valid(
    make_settings: MakeSettings, engine: AsyncEngine, no_temporal: Client, platform: Platform
) -> None:
    path = link(await mailed(platform))
    async with calling(make_settings(unsubscribe_secret=None, public_url=None), engine, no_temporal, key=None) as http:
        assert is_problem(await http.post(path), 404)


async def test_a_body_beyond_the_limit_is_refused(http: httpx.AsyncClient, platform: Platform) -> None:
    path = link(await mailed(platform))
    assert is_problem(await http.post(path, content=b"x" * (MAX_BODY_BYTES + 1)), 413)
    assert await suppressions(platform) == []


async def test_with_the_database_away_both_are_503(no_temporal: Client) -> None:
    settings = settings_of_nobody(unsubscribe_secret=KEY)
    async with calling(settings, create_engine(settings, "test"), no_temporal, key=None) as http:
        for method in ("GET", "POST"):
            assert is_problem(await http.request(method, link(1)), 503)
            page = await http.request(method, link(1), headers=BROWSER)
            assert (page.status_code, "nothing was changed" in page.text) == (503, True)
            assert is_problem(await http.request(method, link(1, key="another")), 404)


@pytest.mark.parametrize(
    "path", ["/unsubscribe", "/unsubscribex", "/unsubscribe/../notifications", "/unsubscribe/x/../../notifications"]
)
async def test_nothing_else_is_opened_without_a_key(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(httpx.URL("http://api").copy_with(raw_path=path.encode()))
    assert answer.status_code in (401, 404)
    assert "items" not in answer.text


async def test_the_api_does_not_start_while_a_language_lacks_its_page(tmp_path: Path) -> None:
    """In a copy of the program, as whoever adds a language has it."""
    for package in PROGRAM:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "settings.py", tmp_path)
    (tmp_path / "texts" / "templates" / "ru" / "unsubscribe.toml").unlink()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": f"postgresql://u:p@{NOBODY_LISTENS}/x",
            "TEMPORAL_ADDRESS": NOBODY_LISTENS,
            "SUPPORT_EMAIL": SUPPORT_EMAIL,
            "API_AUTH": "off",
            "API_PORT": "0",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (2, "api: templates/ru/unsubscribe.toml is missing\n")
