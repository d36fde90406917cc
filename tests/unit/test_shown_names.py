"""A name shows what it is: nothing invisible is in it, it turns nothing around it, and it never hides the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.unsubscribing import UnsubscribePages
from channels.email.texts import render_mail
from channels.telegram.texts import PART, render_message
from commands.preview import Item, sample
from contracts.keys import NotificationType
from csv_import.lines import CompanyLine
from csv_import.reading import CsvFile
from runtime.names import LONGEST_SHOWN, isolated, shown, visible
from texts.links import link
from texts.renderer import Renderer

TEMPLATE = "https://platform.example/projects/{slug}/renew"
RENDERER = Renderer(TEMPLATE, "help@platform.example", {PART: None})
CLAIM = sample(NotificationType.EXPIRING, "en", Item.CONTENT)

HEBREW = "\u05e9\u05dc\u05d5\u05dd"
UNSEEN = (
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\ufeff\u00ad\u2060\U000e0041\u3164"
)
SEEN = [
    "Museum Nord",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{MICROSCOPE} Lab",
    "\N{WAVING WHITE FLAG}\N{VARIATION SELECTOR-16}\N{ZERO WIDTH JOINER}\N{RAINBOW}",
    "\N{WAVING BLACK FLAG}\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f England",
    "\u0645\u06cc\N{ZERO WIDTH NON-JOINER}\u062e\u0648\u0627\u0647\u0645",  # Persian, spelled with a non-joiner
    "\u0915\u094d\N{ZERO WIDTH JOINER}\u0937",  # Devanagari
    "Zoo Süd",
]


@pytest.mark.parametrize("character", UNSEEN)
def test_what_nobody_sees_is_removed(character: str) -> None:
    assert visible(f"Ac{character}me") == "Acme"
    assert visible(f"{character}Acme{character}") == "Acme"


@pytest.mark.parametrize("name", SEEN)
def test_what_is_seen_stays(name: str) -> None:
    assert visible(name) == name
    assert shown(name) == name


@pytest.mark.parametrize("joiner", ["\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"])
def test_a_joiner_that_joins_nothing_is_removed(joiner: str) -> None:
    assert visible(f"A{joiner}cme{joiner}") == "Acme"


@given(st.text())
def test_any_name_becomes_one_short_line(name: str) -> None:
    line = shown(name)
    assert len(line) <= LONGEST_SHOWN
    assert len(line.splitlines()) <= 1
    assert not set(line) & set(UNSEEN)
    assert shown(line) == line


def test_a_name_is_isolated_only_if_it_runs_the_other_way() -> None:
    assert isolated("Acme 7", "ltr") == "Acme 7"
    assert isolated(f"{HEBREW} 7", "ltr") == f"\u2068{HEBREW} 7\u2069"
    assert isolated("Acme 7", "rtl") == "\u2068Acme 7\u2069"
    assert isolated(f"{HEBREW} 7", "rtl") == f"{HEBREW} 7"
    assert isolated("2026", "rtl") == "2026"


@pytest.mark.parametrize("name", ["\u202eemcA", "Ac\u200bme", "Acme\u2066", "x" * 5000])
def test_texts_of_rows_from_before_show_it_too(name: str) -> None:
    claim = replace(CLAIM, company_name=name, project_name=name, content=name, contents=[name])
    mail = render_mail(RENDERER, claim)
    for text in (mail.subject, mail.text, mail.html or "", render_message(RENDERER, claim)):
        assert not set(text) & set(UNSEEN)
        assert shown(name) in text
        assert "x" * LONGEST_SHOWN not in text
    for text in (mail.text, mail.html or "", render_message(RENDERER, claim)):
        assert "November 27, 2026" in text
    page = UnsubscribePages().question("en", "a***@customer.example", name)
    assert not set("".join(page.paragraphs)) & set(UNSEEN)


def test_a_name_that_runs_the_other_way_does_not_move_the_words_beside_it() -> None:
    claim = replace(CLAIM, project_name=f"{HEBREW} 7", content=None)
    mail = render_mail(RENDERER, claim)
    assert mail.subject == f"\u2068{HEBREW} 7\u2069 ends in 7 days"
    for text in (mail.text, mail.html or "", render_message(RENDERER, claim)):
        assert f"\u2068{HEBREW} 7\u2069" in text
    page = UnsubscribePages().question("en", "a***@customer.example", HEBREW)
    assert any(f"\u2068{HEBREW}\u2069" in paragraph for paragraph in page.paragraphs)


@pytest.mark.parametrize(
    ("slug", "part"),
    [
        ("ship", "ship"),
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("schiff-süd", "schiff-s%C3%BCd"),
        ("%2e", "%252e"),
    ],
)
def test_a_link_escapes_the_slug(slug: str, part: str) -> None:
    assert link(TEMPLATE, slug=slug) == f"https://platform.example/projects/{part}/renew"
    mail = render_mail(RENDERER, replace(CLAIM, content=None, content_slug=None, project_slug=slug))
    assert f"/projects/{part}/renew\n" in mail.text


@pytest.mark.parametrize("slug", [".", ".."])
def test_a_row_from_before_whose_slug_is_a_step_has_no_link(slug: str) -> None:
    claim = replace(CLAIM, content=None, content_slug=None, project_slug=slug)
    mail = render_mail(RENDERER, claim)
    for text in (mail.text, mail.html or "", render_message(RENDERER, claim)):
        assert "/projects/" not in text
        assert "help@platform.example" in text


def test_an_import_keeps_of_a_name_what_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "companies.csv"
    columns = ",".join(CompanyLine.model_fields)
    file.write_text(f"{columns}\nacme,\ufeff\u202eAcme\u200b GmbH\u202c,,,,,,\n", encoding="utf-8")
    [line] = CsvFile(file, CompanyLine).lines()
    assert line.row is not None
    assert line.row.name == "Acme GmbH"
