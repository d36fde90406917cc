"""Reads all that is on record about a company, in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, BindParameter, Text, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.people.companies import Personal
from db.people.stop import columns_of
from db.record.rules import always_delivered
from db.record.texts import HTML_SHA256, SENT_TEXT, TEXT_SHA256

PAGE = 200
"""Notifications that one statement reads."""

# Of each table all columns: a column that is added is exported too.
_COMPANY = text("""
SELECT to_jsonb(c) AS company,
       ARRAY(SELECT to_jsonb(contact) FROM contacts contact WHERE contact.company_id = c.id ORDER BY contact.id)
           AS contacts,
       ARRAY(SELECT to_jsonb(p) FROM projects p WHERE p.company_id = c.id ORDER BY p.id) AS projects,
       ARRAY(SELECT to_jsonb(a) FROM ar_contents a WHERE a.company_id = c.id ORDER BY a.id) AS ar_contents,
       ARRAY(
           SELECT to_jsonb(s) FROM suppressions s
           WHERE (s.channel, s.address) IN (SELECT * FROM unnest(:channels, :keys)) ORDER BY s.created_at
       ) AS suppressions,
       ARRAY(
           SELECT to_jsonb(i) FROM interventions i
           WHERE i.company_id = c.id
              OR i.project_id IN (SELECT id FROM projects WHERE company_id = c.id)
              OR (i.channel, i.address) IN (SELECT * FROM unnest(:channels, :keys))
              OR i.delivery_id IN (
                  SELECT d.id FROM notifications n JOIN deliveries d ON d.notification_id = n.id
                  WHERE n.company_id = c.id
              )
           ORDER BY i.id
       ) AS interventions
FROM companies c
WHERE c.id = :company_id
""").bindparams(
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("company_id", type_=BigInteger),
)

_TO_THEM = """
n.company_id IS NULL AND n.notification_type = 'test' AND EXISTS (
    SELECT FROM deliveries d JOIN unnest(:channels, :keys) AS own (channel, key) ON own.channel = d.channel
    WHERE d.notification_id = n.id
      AND own.key IN (lower(d.recipient), lower(n.metadata ->> (d.channel || '_recipient')),
                      n.metadata ->> (d.channel || '_recipient_key'))
)"""
_NOTIFICATIONS = """
SELECT n.id, to_jsonb(n) AS notification, (
    SELECT jsonb_agg(
        to_jsonb(d) - ARRAY['subject', 'body', 'body_html', 'text_sha256', 'html_sha256']
        || jsonb_build_object('text', {sent_text}, 'html', d.body_html, 'text_sha256', encode({text_sha256}, 'hex'),
                              'html_sha256', encode({html_sha256}, 'hex'))
        ORDER BY array_position(:always_delivered, d.channel), d.id
    )
    FROM deliveries d WHERE d.notification_id = n.id
) AS deliveries
FROM notifications n
WHERE {whose} AND n.id > :after
ORDER BY n.id
LIMIT :limit
"""


def _notifications(whose: str, *parameters: BindParameter[Any]) -> TextClause:
    statement = _NOTIFICATIONS.format(
        whose=whose, sent_text=SENT_TEXT, text_sha256=TEXT_SHA256, html_sha256=HTML_SHA256
    )
    page = (bindparam("after", type_=BigInteger), bindparam("limit", type_=BigInteger))
    return text(statement).bindparams(always_delivered(), *page, *parameters)


_THEIRS = _notifications("n.company_id = :company_id", bindparam("company_id", type_=BigInteger))
_TESTS_TO_THEM = _notifications(
    _TO_THEM, bindparam("channels", type_=ARRAY(Text)), bindparam("keys", type_=ARRAY(Text))
)


async def read_company(connection: AsyncConnection, company_id: int, personal: Personal) -> dict[str, Any]:
    """Returns the company with its contacts, projects, AR content, suppressions and interventions, as JSON objects."""
    known = {"company_id": company_id, **columns_of(personal)}
    return dict((await connection.execute(_COMPANY, known)).mappings().one())


async def read_notifications(
    connection: AsyncConnection, company_id: int, personal: Personal
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """Yields pages of the company's notifications, then of tests to its addresses: `notification` and `deliveries`,
    whose `text` and `html` are what was sent."""
    for statement, whose in ((_THEIRS, {"company_id": company_id}), (_TESTS_TO_THEM, columns_of(personal))):
        after, count = 0, PAGE
        while count == PAGE:
            page = (await connection.execute(statement, {**whose, "after": after, "limit": PAGE})).mappings().all()
            count = len(page)
            if page:
                after = page[-1]["id"]
                yield [dict(row) for row in page]
