"""Every language says everything, with every count; another language is just one more folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.pages.unsubscribing import FILE, UnsubscribePages
from channels.email.texts import render_mail
from channels.registry import channels
from channels.telegram.texts import PART, render_message
from commands.preview import Item, sample
from contracts.keys import NotificationType
from db.record.claim import Claim
from texts.environments import TEMPLATES
from texts.languages import Language, LanguageError
from texts.renderer import CONTENTS_SHOWN, PARTS, PHRASES, Renderer
from texts.summary import SUBJECT, TEXT

LANGUAGES = sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir())
LINKS = ("https://platform.example/projects/{slug}/renew", "help@platform.example")
OWN_PARTS = [part for channel in channels() for part, folder in channel.parts.items() if folder is None]
CONTENT_LINK = "https://platform.example/projects/{project}/contents/{slug}/renew"
RENDERER = Renderer(*LINKS, dict.fromkeys(OWN_PARTS), renew_content_url_template=CONTENT_LINK)
WITHOUT_CONTENT_LINK = Renderer(*LINKS, dict.fromkeys(OWN_PARTS))
DAYS = range(401)
UNSUBSCRIBE_URL = "https://platform.example/unsubscribe?a=1&b=2"


def all_claims(locale: str) -> Iterator[Claim]:
    """One of each type and item."""
    for notification_type in NotificationType:
        yield sample(notification_type, locale, Item.PROJECT)
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        yield sample(notification_type, locale, Item.CONTENT)


def test_english_and_russian_are_there() -> None:
    assert {"en", "ru"} <= set(LANGUAGES)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_language_has_every_text_and_no_other(locale: str) -> None:
    folder = TEMPLATES / locale
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        PHRASES,
        FILE,
        SUBJECT,
        TEXT,
        *(f"{each}/{part}" for each in NotificationType for part in (*PARTS, *OWN_PARTS)),
    }


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_text_says_something(locale: str) -> None:
    for claim in all_claims(locale):
        mail = render_mail(RENDERER, claim, UNSUBSCRIBE_URL)
        for text in (mail.subject, mail.text, mail.html, render_message(RENDERER, claim)):
            assert text
            assert text.strip()
            assert "None" not in text
            assert "\n\n\n" not in text


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_number_of_days_and_contents_can_be_said(locale: str) -> None:
    forms: set[str] = set()
    language = Language(locale)
    claim = sample(NotificationType.EXPIRING, locale, Item.PROJECT)
    for days in DAYS:
        counted = replace(claim, days_left=days, contents=["Ship"] * (CONTENTS_SHOWN + days))
        mail = render_mail(RENDERER, counted)
        for text in (mail.subject, mail.text, mail.html or "", render_message(RENDERER, counted)):
            assert days < 2 or str(days) in text
        for text in (mail.text, mail.html or "", render_message(RENDERER, counted)):
            assert text.count("Ship") == CONTENTS_SHOWN
        forms.add(language.locale.plural_form(days))
    assert forms == language.plural_forms


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0, "сегодня"),
        (1, "завтра"),
        (2, "через 2 дня"),
        (5, "через 5 дней"),
        (11, "через 11 дней"),
        (21, "через 21 день"),
        (112, "через 112 дней"),
    ],
)
def test_russian_days(days: int, said: str) -> None:
    claim = replace(sample(NotificationType.EXPIRING, "ru-RU", Item.PROJECT), days_left=days)
    assert render_mail(RENDERER, claim).subject == f"Срок проекта «Old Harbour Walk» заканчивается {said}"


@pytest.mark.parametrize(
    ("more", "said"), [(1, "и ещё 1 объект"), (2, "и ещё 2 объекта"), (37, "и ещё 37 объектов"), (0, None)]
)
def test_russian_contents(more: int, said: str | None) -> None:
    contents = ["Ship"] * (CONTENTS_SHOWN + more)
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        claim = replace(sample(notification_type, "ru", Item.PROJECT), contents=contents)
        mail = render_mail(RENDERER, claim)
        for text in (mail.text, mail.html or "", render_message(RENDERER, claim)):
            assert re.findall(r"и ещё \d+ \w+", text) == ([said] if said else [])


@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_ends_is_named_with_its_project(locale: str) -> None:
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        claim = sample(notification_type, locale, Item.CONTENT)
        mail = render_mail(RENDERER, claim)
        for text in (mail.subject, mail.text, mail.html or "", render_message(RENDERER, claim)):
            assert "The lighthouse keeper" in text
            assert "Old Harbour Walk" in text
        for text in (mail.text, mail.html or "", render_message(RENDERER, claim)):
            assert "https://platform.example/projects/old-harbour-walk/contents/lighthouse-keeper/renew" in text
            assert "https://platform.example/projects/old-harbour-walk/renew" not in text
            assert "2026" in text


@pytest.mark.parametrize("locale", LANGUAGES)
def test_without_a_page_for_content_its_text_has_no_link_and_names_whom_to_ask(locale: str) -> None:
    for notification_type in (NotificationType.EXPIRING, NotificationType.EXPIRED):
        claim = sample(notification_type, locale, Item.CONTENT)
        mail = render_mail(WITHOUT_CONTENT_LINK, claim)
        for text in (mail.text, mail.html or "", render_message(WITHOUT_CONTENT_LINK, claim)):
            assert "/renew" not in text
            assert "None" not in text
            assert "help@platform.example" in text
        of_project = sample(notification_type, locale, Item.PROJECT)
        assert "/projects/old-harbour-walk/renew" in render_mail(WITHOUT_CONTENT_LINK, of_project).text


def test_a_slug_in_a_link_is_percent_encoded() -> None:
    claim = replace(sample(NotificationType.EXPIRING, "en", Item.PROJECT), project_slug="a/../b?c=d&\u00e9")
    assert "https://platform.example/projects/a%2F..%2Fb%3Fc%3Dd%26%C3%A9/renew\n" in render_mail(RENDERER, claim).text
    claim = replace(sample(NotificationType.EXPIRING, "en", Item.CONTENT), content_slug="a/b", project_slug="c d")
    assert "https://platform.example/projects/c%20d/contents/a%2Fb/renew\n" in render_mail(RENDERER, claim).text


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_mail_bears_the_link_to_unsubscribe_where_there_is_one(locale: str) -> None:
    for claim in all_claims(locale):
        for url in (UNSUBSCRIBE_URL, None):
            mail = render_mail(RENDERER, claim, url)
            bears = url is not None and claim.notification_type != NotificationType.ALERT
            assert (UNSUBSCRIBE_URL in mail.text) is bears
            assert ('href="https://platform.example/unsubscribe?a=1&amp;b=2"' in (mail.html or "")) is bears
        assert "unsubscribe" not in render_message(RENDERER, claim)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_html_says_which_language_it_is(locale: str) -> None:
    for claim in all_claims(locale):
        assert f'<html lang="{locale}" dir="ltr">' in (render_mail(RENDERER, claim).html or "")


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return shutil.copytree(TEMPLATES, tmp_path / "templates")


def test_another_language_is_one_more_folder(templates: Path) -> None:
    shutil.copytree(templates / "en", templates / "de")
    (templates / "de" / "expiring" / "subject.txt").write_text("{{ project }} endet am {{ ends_at }}")
    renderer = Renderer(*LINKS, {PART: None}, templates)
    mail = render_mail(renderer, sample(NotificationType.EXPIRING, "de-AT", Item.PROJECT))
    assert mail.subject == "Old Harbour Walk endet am Freitag, 27. November 2026, 23:59"
    assert '<html lang="de" dir="ltr">' in (mail.html or "")

    page = templates / "de" / FILE
    page.write_text(page.read_text().replace("Unsubscribe from these e-mails?", "Diese E-Mails abbestellen?"))
    for locale in ("de", "DE", "de-AT", "de_AT"):
        question = UnsubscribePages(templates).question(locale, "a***@customer.example", None)
        html = bytes(question.response(200).body).decode()
        assert "<h1>Diese E-Mails abbestellen?</h1>" in html
        assert '<html lang="de">' in html
    page.unlink()
    with pytest.raises(LanguageError, match=r"^templates/de/unsubscribe\.toml is missing$"):
        UnsubscribePages(templates)


def test_a_language_may_be_written_from_right_to_left(templates: Path) -> None:
    (templates / "en").rename(templates / "he")
    shutil.copytree(templates / "he", templates / "en")
    mail = render_mail(Renderer(*LINKS, {PART: None}, templates), sample(NotificationType.TEST, "he", Item.PROJECT))
    assert '<html lang="he" dir="rtl">' in (mail.html or "")
    assert 'align="right"' in (mail.html or "")


@pytest.mark.parametrize("name", [PHRASES, "alert/telegram.html"])
def test_a_language_that_lacks_a_file_stops_the_start(templates: Path, name: str) -> None:
    (templates / "ru" / name).unlink()
    with pytest.raises(LanguageError, match=rf"^templates/ru/{name} is missing$"):
        Renderer(*LINKS, {PART: None}, templates)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('done = "Вы отписались"\n', "", ": done is missing"),
        ("done = ", "don = ", ": done is missing"),
        ('done = "', 'more = "x"\ndone = "', ": more is not the name of a text"),
        ('"Вы отписались"', "1", ": done must be text and not empty"),
        (
            "{support}",
            "{suport}",  # codespell:ignore suport
            ": again: write {address}, {company} or {support}, no other placeholder",
        ),
        ("{support}", "{support.x}", ": again: write {address}, {company} or {support}, no other placeholder"),
        ('done = "', "done = ", " is not TOML: Invalid value (at line 6, column 8)"),
    ],
)
def test_a_page_that_lacks_a_text_stops_the_start(templates: Path, old: str, new: str, said: str) -> None:
    page = templates / "ru" / FILE
    page.write_text(page.read_text().replace(old, new))
    with pytest.raises(LanguageError) as error:
        UnsubscribePages(templates)
    assert str(error.value) == f"templates/ru/unsubscribe.toml{said}"


def test_a_page_may_be_written_from_right_to_left(templates: Path) -> None:
    shutil.copytree(templates / "en", templates / "he")
    page = UnsubscribePages(templates).away("he-IL")
    assert '<body dir="rtl">' in bytes(page.response(503).body).decode()


def test_english_cannot_be_missing(templates: Path) -> None:
    shutil.rmtree(templates / "en")
    with pytest.raises(LanguageError, match=r"^templates/en is missing"):
        UnsubscribePages(templates)
    with pytest.raises(LanguageError, match=r"^templates/en is missing"):
        Renderer(*LINKS, {PART: None}, templates)


def test_a_language_that_lacks_a_plural_form_is_noticed_by_one_text(templates: Path) -> None:
    phrases = templates / "ru" / PHRASES
    phrases.write_text(phrases.read_text().replace('few="дня", ', ""))
    with pytest.raises(LanguageError, match=r"^ru: plural\(\) needs few, many, one; few is missing$"):
        render_mail(Renderer(*LINKS, {PART: None}, templates), sample(NotificationType.EXPIRING, "ru", Item.PROJECT))
