"""Renders small pages for people. A page loads nothing from other servers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import HTMLResponse

from api.pages.template import PageTemplate

_TEMPLATE = PageTemplate("page", forms="'self'")

HEADERS = _TEMPLATE.headers
"""The headers of every answer to a personal link."""


@dataclass(frozen=True)
class Page:
    """The plain texts of a page; they are escaped when it is rendered."""

    locale: str
    direction: str
    title: str
    paragraphs: list[str]
    button: str | None = None
    """The button of a form that posts to the page's own address; None: no form."""

    def response(self, status: int) -> HTMLResponse:
        return _TEMPLATE.response(status, page=self)
