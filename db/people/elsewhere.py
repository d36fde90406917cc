"""Finds and erases a company's names in rows that are not its own: tests, alerts, and what operators wrote."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ARRAY, BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from db.people import erase
from db.people.companies import Personal
from db.people.names import ERASED, Names
from db.people.stop import columns_of

_EMPTY_REQUESTS = text("""
UPDATE requested_tests SET idempotency_key = NULL, fingerprint = '' WHERE notification_id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
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
    still to be sent loses the names only. Returns how many it looked at, how many it emptied, and the last id. Needs a
    transaction."""
    page = {"after": after, "limit": limit, **columns_of(personal)}
    rows = (await connection.execute(_OF_NOBODY, page)).all()
    named = [row for row in rows if row.is_to_them or names(row.said)]
    ids = [row.id for row in named if row.is_to_them or not row.is_open]
    await erase.empty(connection, ids)
    await connection.execute(_EMPTY_REQUESTS, {"ids": ids})
    for row in named:
        if row.id not in ids:
            texts = {part: names.replaced(getattr(row, part)) for part in ("subject", "message", "html")}
            await connection.execute(_REWRITE, {"id": row.id, **texts})
            await connection.execute(erase.EMPTY_DELIVERIES, {"ids": [row.id]})
    return len(rows), len(named), rows[-1].id if rows else after


async def count_of_nobody(
    connection: AsyncConnection, personal: Personal, names: Names, after: int, limit: int
) -> tuple[int, int, int]:
    """Counts those of the next tests and alerts whose text names the company, except tests to its own addresses.
    Returns how many it looked at, that count, and the last id. Reads only."""
    page = {"after": after, "limit": limit, **columns_of(personal)}
    rows = (await connection.execute(_OF_NOBODY, page)).all()
    return len(rows), sum(not row.is_to_them and names(row.said) for row in rows), rows[-1].id if rows else after


_SAID_BY_OPERATORS = text(f"""
SELECT i.id, i.why, i.before::text AS before FROM interventions i
WHERE i.action <> 'erase' AND NOT coalesce({erase.IS_ITS_INTERVENTION}, false)
""").bindparams(  # noqa: S608 - made of constants
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("company_id", type_=BigInteger),
)
_SAID_OF_PAUSES = text("SELECT id, why FROM pauses")
_SAID_OF_PROBLEMS = text("SELECT code, subject FROM problems")


@dataclass(frozen=True)
class FreeTexts:
    """Texts that name the company, in rows that are not its own."""

    interventions: list[Row[tuple[int, str, str]]]
    pauses: list[Row[tuple[int, str]]]
    problems: list[Row[tuple[str, str]]]


async def find_free_texts(connection: AsyncConnection, company_id: int, personal: Personal, names: Names) -> FreeTexts:
    """Returns what operators wrote, and subjects of problems. Reads these small tables once."""
    known = {"company_id": company_id, **columns_of(personal)}
    said = await connection.execute(_SAID_BY_OPERATORS, known)
    pauses = await connection.execute(_SAID_OF_PAUSES)
    problems = await connection.execute(_SAID_OF_PROBLEMS)
    return FreeTexts(
        [row for row in said if names(row.why) or names(row.before)],
        [row for row in pauses if names(row.why)],
        [row for row in problems if names(row.subject)],
    )


async def erase_free_texts(connection: AsyncConnection, texts: FreeTexts, names: Names) -> None:
    """Erases a reason that names the company as a whole, because it may also name people by words that nobody knows.
    A problem's subject is ours: it loses the names only. Needs a transaction."""
    for row in texts.interventions:
        parameters = {"id": row.id, "of_why": names(row.why), "of_before": names(row.before)}
        await connection.execute(_ERASE_SAID, parameters)
    await connection.execute(_ERASE_PAUSES, {"ids": [row.id for row in texts.pauses]})
    for problem in texts.problems:
        await connection.execute(_ERASE_PROBLEM, {"code": problem.code, "subject": names.replaced(problem.subject)})


# What was done to an address or an item of others stays: only the words go.
_ERASE_SAID = text("""
UPDATE interventions
SET why = CASE WHEN :of_why THEN :erased ELSE why END,
    before = CASE WHEN :of_before THEN before - 'ar_content' ELSE before END
WHERE id = :id
""").bindparams(
    bindparam("erased", ERASED, type_=Text),
    bindparam("id", type_=BigInteger),
    bindparam("of_why", type_=Boolean),
    bindparam("of_before", type_=Boolean),
)
_ERASE_PAUSES = text("UPDATE pauses SET why = :erased WHERE id = ANY(:ids)").bindparams(
    bindparam("erased", ERASED, type_=Text), bindparam("ids", type_=ARRAY(BigInteger))
)
_ERASE_PROBLEM = text("UPDATE problems SET subject = :subject WHERE code = :code").bindparams(
    bindparam("subject", type_=Text), bindparam("code", type_=Text)
)
