"""The daily summary in every language, with every count."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from db.operators.summary import DaySummary, LastingProblem
from texts.environments import TEMPLATES
from texts.languages import LanguageError
from texts.summary import PROBLEMS_SHOWN, TEXT, SummaryTexts

LANGUAGES = sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir())
PROBLEM = LastingProblem("smtp_away", "The mail server does not answer", datetime(2026, 11, 24, 20, 5, tzinfo=UTC))
BUSY = DaySummary(
    day=date(2026, 11, 24),
    today=date(2026, 11, 25),
    is_yesterday=True,
    sent=1412,
    rejected=3,
    failed=0,
    in_doubt=1,
    projects_off=1,
    contents_off=12,
    due_today=87,
    unreachable=2,
    waiting=5,
    problems=[PROBLEM],
)
QUIET = replace(
    BUSY,
    is_yesterday=False,
    sent=0,
    rejected=0,
    in_doubt=0,
    projects_off=0,
    contents_off=0,
    due_today=0,
    unreachable=0,
    waiting=0,
    problems=[],
)


def test_a_busy_day_in_english() -> None:
    texts = SummaryTexts("en-GB")
    assert texts.subject(BUSY) == ("Daily summary, Tuesday, November 24, 2026: 1,412 sent, 3 rejected, 1 in doubt")
    assert texts.text(BUSY) == (
        "Yesterday, Tuesday, November 24, 2026: 1,412 messages sent, 3 rejected, 1 in doubt.\n"
        "Deactivated: 1 project, 12 AR content items.\n"
        "\n"
        "Today 87 items are due.\n"
        "5 notifications are waiting now.\n"
        "2 companies cannot be reached: none of their addresses can be used.\n"
        "\n"
        "Open problems:\n"
        "- The mail server does not answer (since 2026-11-24 20:05 UTC)\n"
    )


def test_a_quiet_day_in_english() -> None:
    assert SummaryTexts("en").text(QUIET) == (
        "Tuesday, November 24, 2026: 0 messages sent, 0 rejected, 0 in doubt.\n"
        "\n"
        "Today nothing is due.\n"
        "Every company can be reached.\n"
        "\n"
        "There are no open problems.\n"
    )


def with_spaces(text: str) -> str:
    """Russian numbers and years have spaces at which no line breaks."""
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_a_busy_day_in_russian() -> None:
    texts = SummaryTexts("ru-RU")
    assert texts.subject(BUSY) == (
        "Сводка за день, вторник, 24 ноября 2026 г.: отправлено 1 412, отклонено 3, под вопросом 1"
    )
    assert with_spaces(texts.text(replace(BUSY, failed=4))) == (
        "Вчера, вторник, 24 ноября 2026 г.: отправлено 1 412 сообщений, отклонено 3, отправить не удалось 4,"
        " под вопросом 1.\n"
        "Отключено: 1 проект, 12 объектов AR-контента.\n"
        "\n"
        "Сегодня нужно предупредить о сроке 87 объектов.\n"
        "Сейчас ожидают отправки 5 уведомлений.\n"
        "Невозможно связаться с 2 компаниями: ни один адрес не подходит.\n"
        "\n"
        "Открытые проблемы:\n"
        "- The mail server does not answer (с 2026-11-24 20:05 UTC)\n"
    )


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "о сроке 1 объекта"), (2, "о сроке 2 объектов"), (21, "о сроке 21 объекта"), (11, "о сроке 11 объектов")],
)
def test_russian_counts(count: int, said: str) -> None:
    assert said in SummaryTexts("ru").text(replace(BUSY, due_today=count))


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_count_can_be_said(locale: str) -> None:
    texts = SummaryTexts(locale)
    for count in range(125):
        summary = replace(
            BUSY,
            sent=count,
            rejected=count,
            failed=count,
            in_doubt=count,
            projects_off=count,
            contents_off=count,
            due_today=count,
            unreachable=count,
            waiting=count,
            problems=[PROBLEM] * count,
        )
        text = texts.text(summary)
        assert "None" not in text
        assert "\n\n\n" not in text
        assert text.count(str(count)) >= 4 or count == 0
        assert text.count(PROBLEM.subject) == min(count, PROBLEMS_SHOWN)
        assert "\n" not in texts.subject(summary)


def test_a_language_without_texts_is_refused_by_name() -> None:
    with pytest.raises(LanguageError, match=r"^ADMIN_LOCALE: there are no texts in 'xx': choose from en, ru$"):
        SummaryTexts("xx")


def test_a_language_that_lacks_the_summary_stops_the_start(tmp_path: Path) -> None:
    templates = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (templates / "ru" / TEXT).unlink()
    with pytest.raises(LanguageError, match=r"^templates/ru/summary/text\.txt is missing$"):
        SummaryTexts("ru", templates)
