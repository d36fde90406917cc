"""Erases what names a company and its people from its own rows. Rows, ids, times, codes and counts stay."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db import locks
from db.people.companies import Personal
from db.people.names import ERASED
from db.people.stop import columns_of
from db.record.texts import EMPTY_DELIVERY, EMPTY_NOTIFICATION

_PAGE = text("""
SELECT id FROM notifications WHERE company_id = :company_id AND id > :after ORDER BY id LIMIT :limit
""").bindparams(bindparam("company_id", type_=BigInteger), bindparam("after", type_=BigInteger))
EMPTY_DELIVERIES = text(f"UPDATE deliveries d SET {EMPTY_DELIVERY} WHERE d.notification_id = ANY(:ids)").bindparams(  # noqa: S608 - made of constants
    bindparam("ids", type_=ARRAY(BigInteger))
)
_LOCK_DELIVERIES = text("""
SELECT id FROM deliveries WHERE notification_id = ANY(:ids) ORDER BY id FOR UPDATE
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
_EMPTY_NOTIFICATIONS = text(f"UPDATE notifications n SET {EMPTY_NOTIFICATION} WHERE n.id = ANY(:ids)").bindparams(  # noqa: S608 - made of constants
    bindparam("ids", type_=ARRAY(BigInteger))
)


async def erase_page(connection: AsyncConnection, company_id: int, after: int, limit: int) -> tuple[int, int]:
    """Empties the company's next notifications. Returns how many, and the last id. Needs a transaction."""
    page = {"company_id": company_id, "after": after, "limit": limit}
    ids = list((await connection.scalars(_PAGE, page)).all())
    await empty(connection, ids)
    return len(ids), ids[-1] if ids else after


async def empty(connection: AsyncConnection, ids: list[int]) -> None:
    """Empties these notifications with their deliveries. Needs a transaction."""
    await connection.execute(_LOCK_DELIVERIES, {"ids": ids})
    await connection.execute(EMPTY_DELIVERIES, {"ids": ids})
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
IS_ITS_INTERVENTION = """\
(
    i.company_id = :company_id
    OR i.project_id IN (SELECT id FROM projects WHERE company_id = :company_id)
    OR i.delivery_id IN (
        SELECT d.id FROM notifications n JOIN deliveries d ON d.notification_id = n.id WHERE n.company_id = :company_id
    )
    OR (i.channel, i.address) IN (SELECT * FROM unnest(:channels, :keys))
)"""
"""A condition: intervention `i` is about the company by its ids, or about an address of it."""
_EMPTY_INTERVENTIONS = text(f"""
UPDATE interventions i SET why = :erased, address = NULL, before = before - 'ar_content'
WHERE action <> 'erase' AND {IS_ITS_INTERVENTION}
""").bindparams(  # noqa: S608 - made of constants
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
