"""Words the daily summary, in the language of the operators."""

from __future__ import annotations

from pathlib import Path

from db.operators.summary import DaySummary
from texts.environments import TEMPLATES, environment
from texts.languages import LanguageError, find_languages, match

SUBJECT, TEXT = "summary/subject.txt", "summary/text.txt"
PROBLEMS_SHOWN = 10
"""Most problems that the text names; the others are counted."""


class SummaryTexts:
    """Words summaries in one language."""

    def __init__(self, locale: str, templates: Path = TEMPLATES) -> None:
        """Raises `LanguageError` if there are no texts in this language, or if they are not complete."""
        languages = find_languages(templates)
        language = match(locale, languages)
        if language is None:
            raise LanguageError(f"ADMIN_LOCALE: there are no texts in {locale!r}: choose from {', '.join(languages)}")
        self._language = language
        self._templates = environment(language, [templates], (SUBJECT, TEXT))

    @property
    def locale(self) -> str:
        """The language's tag."""
        return self._language.tag

    def subject(self, summary: DaySummary) -> str:
        """Returns one line."""
        return " ".join(self._render(SUBJECT, summary).split())

    def text(self, summary: DaySummary) -> str:
        return self._render(TEXT, summary)

    def _render(self, name: str, summary: DaySummary) -> str:
        variables = {
            **vars(summary),
            "date": self._language.full_date(summary.day),
            "problems": summary.problems[:PROBLEMS_SHOWN],
            "more_problems": max(0, len(summary.problems) - PROBLEMS_SHOWN),
        }
        return self._templates.get_template(name).render(variables)
