"""Finds what an operator names by slug or by id. A slug takes precedence, since a slug may consist of digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import ScalarSelect

from db.models import ArContent, Company, Project

_KINDS: Mapping[str, type[Company | Project | ArContent]] = {
    "company": Company,
    "project": Project,
    "AR content": ArContent,
}
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Found:
    """A company, a project or AR content."""

    id: int
    slug: str


def id_of(model: type[Company | Project | ArContent], named: str) -> ScalarSelect[Any]:
    """Returns a subquery of the id, for statements that shall not need another round trip. Null: there is none."""
    found = select(model.id).where(or_(model.slug == named, model.id == as_id(named)))
    return found.order_by((model.slug == literal(named)).desc()).limit(1).scalar_subquery()


def as_id(named: str) -> int | None:
    """Returns the id that the text can be. None: it can only be a slug."""
    if not (named.isascii() and named.isdigit() and len(named) <= len(str(MAX_ID))):
        return None
    number = int(named)
    return number if 0 < number <= MAX_ID else None


async def find_named(connection: AsyncConnection, kind: str, named: str) -> Found | None:
    """Finds a `company`, a `project` or `AR content`. None: there is none."""
    model = _KINDS[kind]
    found = select(model.id, model.slug).where(or_(model.slug == named, model.id == as_id(named)))
    row = (await connection.execute(found.order_by((model.slug == literal(named)).desc()).limit(1))).one_or_none()
    return None if row is None else Found(row.id, row.slug)
