"""Erases what names a company and its people from every table. Rows, ids, times, codes and counts stay."""

from __future__ import annotations

import re

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db import locks
from db.people.companies import Personal
from db.people.stop import columns_of
from db.record.texts import EMPTY_DELIVERY, EMPTY_NOTIFICATION

ERASED = "(erased)"
"""Stands where a name was."""


class Names:
    """Whether a text names the company or its people: one of its words stands there, not within another word."""

    def __init__(self, personal: Personal) -> None:
        words = personal.words - {ERASED}
        self._words = {word.lower(): _pattern(word) for word in sorted(words, key=len, reverse=True)}

    def __call__(self, said: str) -> bool:
        lowered = said.lower()
        return any(word in lowered and pattern.search(said) for word, pattern in self._words.items())

    def replaced(self, said: str | None) -> str | None:
        """Returns the text with ERASED for each of the words."""
        for pattern in self._words.values():
            said = None if said is None else pattern.sub(ERASED, said)
        return said


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)


_PAGE = text("""
SELECT id FROM notifications WHERE company_id = :company_id AND id > :after ORDER BY id LIMIT :limit
""").bindparams(bindparam("company_id", type_=BigInteger), bindparam("after", type_=BigInteger))
_EMPTY_DELIVERIES = text(f"UPDATE deliveries d SET {EMPTY_DELIVERY} WHERE d.notification_id = ANY(:ids)").bindparams(  # noqa: S608 - made of constants
    bindparam("ids", type_=ARRAY(BigInteger))
)
_LOCK_DELIVERIES = text("""
SELECT id FROM deliveries WHERE notification_id = ANY(:ids) ORDER BY id FOR UPDATE
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
_EMPTY_NOTIFICATIONS = text(f"UPDATE notifications n SET {EMPTY_NOTIFICATION} WHERE n.id = ANY(:ids)").bindparams(  # noqa: S608 - made of constants
    bindparam("ids", type_=ARRAY(BigInteger))
)
_EMPTY_REQUESTS = text("""
UPDATE requested_tests SET idempotency_key = NULL, fingerprint = '' WHERE notification_id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


async def erase_page(connection: AsyncConnection, company_id: int, after: int, limit: int) -> tuple[int, int]:
    """Empties the company's next notifications. Returns how many, and the last id. Needs a transaction."""
    page = {"company_id": company_id, "after": after, "limit": limit}
    ids = list((await connection.scalars(_PAGE, page)).all())
    await _empty(connection, ids)
    return len(ids), ids[-1] if ids else after


async def _empty(connection: AsyncConnection, ids: list[int]) -> None:
    await connection.execute(_LOCK_DELIVERIES, {"ids": ids})
    await connection.execute(_EMPTY_DELIVERIES, {"ids": ids})
    await connection.execute(_EMPTY_NOTIFICATIONS, {"ids": ids})


# A project that moved took its notifications along, and a delivery that had ended kept its contact. There is no index:
# this reads the table once.
_TAKEN_ALONG = text("""
SELECT d.notification_id, array_agg(d.id) AS ids
FROM deliveries d JOIN notifications n ON n.id = d.notification_id
WHERE d.contact_id = ANY(ARRAY(SELECT id FROM contacts WHERE company_id = :company_id))
  AND n.company_id IS DISTINCT FROM :company_id
GROUP BY d.notification_id
""").bindparams(bindparam("company_id", type_=BigInteger))
_EMPTY_TAKEN_ALONG = text(f"UPDATE deliveries d SET {EMPTY_DELIVERY} WHERE d.id = ANY(:ids)").bindparams(  # noqa: S608 - made of constants
    bindparam("ids", type_=ARRAY(BigInteger))
)


async def find_taken_along(connection: AsyncConnection, company_id: int) -> list[list[int]]:
    """Returns the ids of deliveries to the company's contacts that now belong to others' notifications. Reads all
    deliveries once."""
    return [row.ids for row in await connection.execute(_TAKEN_ALONG, {"company_id": company_id})]


async def erase_taken_along(connection: AsyncConnection, delivery_ids: list[int]) -> None:
    """Empties these deliveries alone."""
    await connection.execute(_EMPTY_TAKEN_ALONG, {"ids": delivery_ids})


# Tests and alerts belong to no company. The index on the company finds them. The recipients of alerts are the
# operators.
_OF_NOBODY = text("""
SELECT n.id, n.status = 'open' AS is_open, n.subject, n.message, n.metadata ->> 'html' AS html,
       concat_ws(E'\\n', n.subject, n.message, n.metadata ->> 'html', (
           SELECT string_agg(concat_ws(E'\\n', d.subject, d.body, d.body_html, d.provider_reply), E'\\n')
           FROM deliveries d WHERE d.notification_id = n.id
       )) AS said,
       n.notification_type = 'test' AND EXISTS (
           SELECT FROM deliveries d JOIN unnest(:channels, :keys) AS own (channel, key) ON own.channel = d.channel
           WHERE d.notification_id = n.id
             AND own.key IN (lower(d.recipient), lower(n.metadata ->> (d.channel || '_recipient')),
                             n.metadata ->> (d.channel || '_recipient_key'))
       ) AS is_to_them
FROM notifications n
WHERE n.company_id IS NULL AND n.id > :after
ORDER BY n.id
LIMIT :limit
""").bindparams(
    bindparam("channels", type_=ARRAY(Text)), bindparam("keys", type_=ARRAY(Text)), bindparam("after", type_=BigInteger)
)


_REWRITE = text("""
UPDATE notifications
SET subject = :subject, message = :message,
    metadata = metadata || jsonb_strip_nulls(jsonb_build_object('html', CAST(:html AS text)))
WHERE id = :id
""").bindparams(bindparam("subject", type_=Text), bindparam("message", type_=Text), bindparam("html", type_=Text))


async def erase_of_nobody(
    connection: AsyncConnection, personal: Personal, names: Names, after: int, limit: int
) -> tuple[int, int, int]:
    """Empties the next tests to the company's addresses, and tests and alerts whose text names it. An alert that is
    still to be sent loses the names only. Returns how many it
    looked at, how many it emptied, and the last id. Needs a transaction."""
    page = {"after": after, "limit": limit, **columns_of(personal)}
    rows = (await connection.execute(_OF_NOBODY, page)).all()
    named = [row for row in rows if row.is_to_them or names(row.said)]
    ids = [row.id for row in named if row.is_to_them or not row.is_open]
    await _empty(connection, ids)
    await connection.execute(_EMPTY_REQUESTS, {"ids": ids})
    for row in named:
        if row.id not in ids:
            texts = {part: names.replaced(getattr(row, part)) for part in ("subject", "message", "html")}
            await connection.execute(_REWRITE, {"id": row.id, **texts})
            await connection.execute(_EMPTY_DELIVERIES, {"ids": [row.id]})
    return len(rows), len(named), rows[-1].id if rows else after


# An address that another company has stays suppressed.
_REMOVE_SUPPRESSIONS = text("""
DELETE FROM suppressions s
WHERE ((s.channel, s.address) IN (SELECT * FROM unnest(:channels, :keys))
       OR s.notification_id IN (SELECT id FROM notifications WHERE company_id = :company_id))
  AND NOT EXISTS (
      SELECT FROM contacts other
      WHERE other.company_id <> :company_id AND other.channel = s.channel AND other.address_key = s.address
  )
RETURNING reason
""").bindparams(
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("company_id", type_=BigInteger),
)
_EMPTY_REPLIES = text("""
UPDATE suppressions s SET provider_reply = NULL
WHERE s.provider_reply IS NOT NULL
  AND s.notification_id IN (SELECT id FROM notifications WHERE company_id = :company_id)
""").bindparams(bindparam("company_id", type_=BigInteger))
_EMPTY_INTERVENTIONS = text("""
UPDATE interventions i SET why = :erased, address = NULL, before = before - 'ar_content'
WHERE action <> 'erase' AND (
    i.company_id = :company_id
    OR i.project_id IN (SELECT id FROM projects WHERE company_id = :company_id)
    OR i.delivery_id IN (
        SELECT d.id FROM notifications n JOIN deliveries d ON d.notification_id = n.id WHERE n.company_id = :company_id
    )
    OR (i.channel, i.address) IN (SELECT * FROM unnest(:channels, :keys))
)
""").bindparams(
    bindparam("erased", ERASED, type_=Text),
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("company_id", type_=BigInteger),
)
_NAMES_GO = tuple(
    text(statement).bindparams(bindparam("erased", ERASED, type_=Text), bindparam("company_id", type_=BigInteger))
    for statement in (
        """
        UPDATE ar_contents SET slug = 'erased-content-' || id, title = :erased WHERE company_id = :company_id
        """,
        """
        UPDATE projects
        SET slug = 'erased-project-' || id, name = :erased, subscription_type = NULL, tags = '{}', metadata = '{}'
        WHERE company_id = :company_id
        """,
        "UPDATE companies SET slug = 'erased-' || id, name = :erased WHERE id = :company_id",
    )
)
_ADDRESSES_GO = text("""
UPDATE contacts SET address = NULL, address_key = NULL, label = '', enabled = false WHERE company_id = :company_id
""").bindparams(bindparam("company_id", type_=BigInteger))


async def erase_names(connection: AsyncConnection, company_id: int, personal: Personal) -> list[str]:
    """Erases names, slugs, titles, addresses, and what operators and providers said of them. Returns the reasons of the
    suppressions that it removed. The last step: without names and addresses nothing else could be found. Needs a
    transaction."""
    await locks.lock(connection)
    known = {"company_id": company_id, **columns_of(personal)}
    lifted = list((await connection.scalars(_REMOVE_SUPPRESSIONS, known)).all())
    await connection.execute(_EMPTY_REPLIES, {"company_id": company_id})
    await connection.execute(_EMPTY_INTERVENTIONS, known)
    for statement in (_ADDRESSES_GO, *_NAMES_GO):
        await connection.execute(statement, {"company_id": company_id})
    return lifted


_SAID_BY_OPERATORS = text("SELECT id, why, before::text AS before FROM interventions WHERE action <> 'erase'")
_SAID_OF_PAUSES = text("SELECT id, why FROM pauses")
_SAID_OF_PROBLEMS = text("SELECT code, subject FROM problems")


async def erase_free_texts(connection: AsyncConnection, names: Names) -> None:
    """Erases free texts of operators and subjects of problems that name the company. Reads these small tables once.
    Needs a transaction."""
    said = [row.id for row in await connection.execute(_SAID_BY_OPERATORS) if names(f"{row.why}\n{row.before}")]
    await connection.execute(_ERASE_SAID, {"ids": said})
    pauses = [row.id for row in await connection.execute(_SAID_OF_PAUSES) if names(row.why)]
    await connection.execute(_ERASE_PAUSES, {"ids": pauses})
    problems = [row.code for row in await connection.execute(_SAID_OF_PROBLEMS) if names(row.subject)]
    await connection.execute(_ERASE_PROBLEMS, {"codes": problems})


_ERASE_SAID = text("""
UPDATE interventions SET why = :erased, address = NULL, before = before - 'ar_content' WHERE id = ANY(:ids)
""").bindparams(bindparam("erased", ERASED, type_=Text), bindparam("ids", type_=ARRAY(BigInteger)))
_ERASE_PAUSES = text("UPDATE pauses SET why = :erased WHERE id = ANY(:ids)").bindparams(
    bindparam("erased", ERASED, type_=Text), bindparam("ids", type_=ARRAY(BigInteger))
)
_ERASE_PROBLEMS = text("UPDATE problems SET subject = :erased WHERE code = ANY(:codes)").bindparams(
    bindparam("erased", ERASED, type_=Text), bindparam("codes", type_=ARRAY(Text))
)
