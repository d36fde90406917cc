"""A language counts and writes dates by its own rules, and is found however a company's locale is spelt."""

from __future__ import annotations

from datetime import datetime

import pytest

from texts.languages import Language, LanguageError, match

TAGS = {tag: Language(tag) for tag in ("en", "en-GB", "pt", "ru", "sr-Latn", "zh-Hant")}
MOMENT = datetime.fromisoformat("2026-12-01T00:30:00+00:00")


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("ru", "ru"),
        ("ru-RU", "ru"),
        ("RU-ru", "ru"),
        ("pt-BR", "pt"),
        ("en-GB", "en-GB"),
        ("en-gb", "en-GB"),
        ("en-AU", "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("sr-Latn-RS", "sr-Latn"),
        ("sr", None),
        ("tlh", None),
        ("../en", None),
        ("en/../ru", None),
        ("e", None),
        ("", None),
    ],
)
def test_a_locale_is_told_in_the_nearest_language_there_is(locale: str, tag: str | None) -> None:
    found = match(locale, TAGS)
    assert (found.tag if found else None) == tag


@pytest.mark.parametrize(
    ("count", "form"),
    [(0, "many"), (1, "one"), (2, "few"), (5, "many"), (11, "many"), (12, "many"), (21, "one"), (104, "few")],
)
def test_russian_counts_as_russians_do(count: int, form: str) -> None:
    assert Language("ru").plural(count, one="one", few="few", many="many") == form


def test_a_count_may_need_a_form_that_no_small_one_does() -> None:
    assert Language("fr").plural(1_000_000, one="jour", other="jours") == "jours"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_missing_plural_form_is_named_whatever_the_count_is(count: int) -> None:
    with pytest.raises(LanguageError, match=r"^ru: plural\(\) needs few, many, one; few is missing$"):
        Language("ru").plural(count, one="день", many="дней")


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("en", "Monday, November 30, 2026, 7:30\u202fPM"),
        ("ru", "понедельник, 30 ноября 2026\u202fг., 19:30"),  # noqa: RUF001
        ("ja", "2026年11月30日月曜日 19:30"),
    ],
)
def test_a_moment_is_written_on_the_companys_clock_as_the_language_does(tag: str, written: str) -> None:
    assert Language(tag).moment(MOMENT, "America/New_York") == written


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("klingon", "'klingon' is no locale that Babel knows, such as en or pt-BR"),
        ("pt_BR", "'pt_BR' is no locale that Babel knows, such as en or pt-BR"),
        ("pt-br", "'pt-br' must be spelt 'pt-BR'"),
    ],
)
def test_a_folder_with_a_wrong_name_is_refused(tag: str, said: str) -> None:
    with pytest.raises(LanguageError) as error:
        Language(tag)
    assert str(error.value) == said
