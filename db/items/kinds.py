"""The SQL that differs between the two kinds of item: projects, and AR content with an end of its own."""

from __future__ import annotations

from dataclasses import dataclass

from db.items.rules import IS_ABOUT_CONTENT, IS_ABOUT_PROJECT


@dataclass(frozen=True)
class ItemKind:
    """SQL of one kind of item."""

    items: str
    """For FROM: the project is `p`, the AR content `a`."""
    ar_content_id: str
    ar_content_slug: str
    slug: str
    ends_at: str
    is_about: str
    """A condition: notification `n` is about this item."""
    order: str


PROJECTS = ItemKind(
    items="projects p",
    ar_content_id="CAST(NULL AS bigint)",
    ar_content_slug="CAST(NULL AS text)",
    slug="p.slug",
    ends_at="p.expires_at",
    is_about=IS_ABOUT_PROJECT,
    order="p.expires_at, p.id",
)
CONTENTS = ItemKind(
    items="ar_contents a JOIN projects p ON p.id = a.project_id",
    ar_content_id="a.id",
    ar_content_slug="a.slug",
    slug="a.slug",
    ends_at="a.expires_at",
    is_about=IS_ABOUT_CONTENT,
    order="a.expires_at, a.project_id, a.id",
)


def of_kind(template: str, kind: ItemKind, **more: str) -> str:
    """Returns the statement for one kind: the template with the kind's fields and `more`."""
    return template.format(**vars(kind), **more)


def page_of(projects: str, contents: str, limit: str) -> str:
    """Returns a statement for the first items of both kinds, in the order of their ends. `limit` is a parameter's name.
    Each kind has the same order and limit, so that it does not read more."""
    return f"""
({projects}) UNION ALL ({contents})
ORDER BY ends_at, project_id, ar_content_id NULLS FIRST
LIMIT :{limit}
"""


def count_of(page: str) -> str:
    """Returns a statement that counts the page's items."""
    return f"SELECT count(*) FROM ({page}) AS counted"  # noqa: S608 - made of constants
