"""Finds a company by what an operator calls it, with all that names it and its people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_FIND = text("""
SELECT c.id AS company_id, c.slug, c.name, c.erased_at,
       (SELECT count(*) FROM projects WHERE company_id = c.id) AS projects,
       (SELECT count(*) FROM notifications WHERE company_id = c.id) AS notifications
FROM companies c
WHERE c.slug = :named OR c.id = :company_id
ORDER BY c.slug = :named DESC
LIMIT 1
""").bindparams(bindparam("named", type_=Text), bindparam("company_id", type_=BigInteger))

LONGEST_ID = 18
"""Digits that are taken for an id."""


@dataclass(frozen=True)
class Company:
    company_id: int
    slug: str
    name: str
    erased_at: datetime | None
    projects: int
    notifications: int


async def find_company(connection: AsyncConnection, named: str) -> Company | None:
    """Returns the company with this slug, else the one with this id. None: there is neither. Reads only."""
    is_id = named.isascii() and named.isdigit() and len(named) <= LONGEST_ID
    parameters = {"named": named, "company_id": int(named) if is_id else None}
    row = (await connection.execute(_FIND, parameters)).mappings().one_or_none()
    return None if row is None else Company(**row)


# Former addresses are known from what was sent there, as long as that is kept.
_ADDRESSES = text("""
SELECT channel, address, address_key AS key FROM contacts WHERE company_id = :company_id AND address IS NOT NULL
UNION
SELECT DISTINCT d.channel, d.recipient, lower(d.recipient)
FROM notifications n JOIN deliveries d ON d.notification_id = n.id
WHERE n.company_id = :company_id AND d.recipient IS NOT NULL
""").bindparams(bindparam("company_id", type_=BigInteger))
_NAMES = text("""
SELECT 'company' AS kind, slug, name FROM companies WHERE id = :company_id
UNION ALL
SELECT 'item', slug, name FROM projects WHERE company_id = :company_id
UNION ALL
SELECT 'item', slug, title FROM ar_contents WHERE company_id = :company_id
""").bindparams(bindparam("company_id", type_=BigInteger))


@dataclass(frozen=True)
class Personal:
    """What names a company and its people."""

    addresses: frozenset[tuple[str, str]]
    """Channel and key of each address that the company has or had."""
    written_addresses: frozenset[str]
    """The addresses as they were written, and their keys."""
    company_names: frozenset[str]
    """The company's name and slug."""
    item_slugs: frozenset[str]
    item_names: frozenset[str]
    """Names of projects, titles of AR content."""


async def find_personal(connection: AsyncConnection, company_id: int) -> Personal:
    """Returns what names the company. Reads only."""
    addresses = (await connection.execute(_ADDRESSES, {"company_id": company_id})).all()
    names = (await connection.execute(_NAMES, {"company_id": company_id})).all()
    items = [row for row in names if row.kind == "item"]
    return Personal(
        addresses=frozenset((row.channel, row.key) for row in addresses),
        written_addresses=frozenset(word for row in addresses for word in (row.address, row.key)),
        company_names=frozenset(word for row in names if row.kind == "company" for word in (row.slug, row.name)),
        item_slugs=frozenset(row.slug for row in items),
        item_names=frozenset(row.name for row in items),
    )
