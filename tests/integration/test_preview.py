"""`preview`: every text can be looked at, on a machine without any server."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from contracts.keys import NotificationType
from local.stand_ins.telegram_entities import plain_text
from tests.support.command_line import cli

LINKS = {"RENEW_URL_TEMPLATE": "https://platform.example/{slug}/renew", "SUPPORT_EMAIL": "help@platform.example"}


async def preview(*arguments: str) -> str:
    ended = await cli("preview", *arguments, environment=LINKS)
    assert (ended.status, ended.err) == (0, "")
    return ended.out


async def test_an_e_mail_is_shown_with_all_its_parts() -> None:
    shown = await preview("--type", "expiring", "--locale", "ru-RU")
    lines = shown.splitlines()
    assert lines[0] == "Срок проекта «Old Harbour Walk» заканчивается через 7 дней"
    assert lines[2] == "Здравствуйте, Harbour Museum!"
    assert "https://platform.example/old-harbour-walk/renew" in lines
    assert '<html lang="ru" dir="ltr">' in lines
    assert lines[-1] == "</html>"


async def test_the_html_alone_can_be_sent_to_a_file() -> None:
    shown = await preview("--type", "expired", "--item", "content", "--part", "html")
    assert shown.startswith("<!doctype html>")
    assert shown.endswith("</html>\n")
    HTMLParser().feed(shown)


async def test_content_leads_to_its_own_page() -> None:
    links = LINKS | {"RENEW_CONTENT_URL_TEMPLATE": "https://platform.example/contents/{slug}"}
    ended = await cli("preview", "--type", "expiring", "--item", "content", "--part", "text", environment=links)
    assert "https://platform.example/contents/lighthouse-keeper" in ended.out.splitlines()


async def test_the_subject_alone_is_one_line() -> None:
    shown = await preview("--type", "expired", "--item", "content", "--locale", "ru", "--part", "subject")
    assert shown == "AR-контент «The lighthouse keeper» (проект «Old Harbour Walk») отключён: срок истёк\n"


@pytest.mark.parametrize("notification_type", list(NotificationType))
async def test_a_telegram_message_is_shown_as_it_is_sent(notification_type: NotificationType) -> None:
    ended = await cli("preview", "--type", notification_type, "--channel", "telegram", "--json", environment=LINKS)
    assert ended.status == 0
    assert list(ended.json) == ["telegram"]
    assert plain_text(ended.json["telegram"], "HTML")


async def test_a_part_that_the_channel_does_not_have_exits_2_and_names_those_there_are() -> None:
    ended = await cli("preview", "--type", "test", "--channel", "telegram", "--part", "subject", environment=LINKS)
    assert (ended.status, ended.out) == (2, "")
    assert "this channel has no subject.txt, only telegram.html" in " ".join(ended.err.split())


async def test_json_has_the_parts_by_name() -> None:
    ended = await cli("preview", "--type", "test", "--json", environment=LINKS)
    assert list(ended.json) == ["subject", "text", "html"]
    assert ended.json["subject"] == "Test notification"


async def test_each_part_can_be_written_to_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "texts"
    shown = await preview("--type", "expiring", "--output", str(folder))
    assert shown.splitlines() == [str(folder / name) for name in ("subject.txt", "text.txt", "html.html")]
    assert (folder / "subject.txt").read_text() == "Old Harbour Walk ends in 7 days\n"
    assert (folder / "html.html").read_text().startswith("<!doctype html>")


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = await cli("preview", "--type", "test", "--output", str(tmp_path / "file" / "texts"), environment=LINKS)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == f"cli: {tmp_path}/file/texts: Not a directory\n"


async def test_a_locale_without_templates_exits_2_and_names_those_there_are() -> None:
    ended = await cli("preview", "--type", "test", "--locale", "tlh", environment=LINKS)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "cli: --locale: 'tlh' has no templates: choose from en, ru\n"


@pytest.mark.parametrize("missing", LINKS)
async def test_what_a_company_would_be_shown_has_to_be_set(missing: str) -> None:
    ended = await cli("preview", "--type", "expiring", environment=LINKS | {missing: ""})
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"cli: {missing}: required")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--type", "nosuch"],
        ["--type", "test", "--item", "content"],
        ["--type", "test", "--channel", "telegram", "--part", "html"],
    ],
)
async def test_arguments_that_do_not_go_together_exit_2(arguments: list[str]) -> None:
    ended = await cli("preview", *arguments, environment=LINKS)
    assert (ended.status, ended.out) == (2, "")
    assert "Error: " in ended.err
