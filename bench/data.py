"""Makes the data that is scanned: companies with five projects each, of which one is due."""

from __future__ import annotations

import asyncpg

NOT_DUE_FOR_EACH = 4
"""Projects that end later, for each due project, so that a scan must find its items among others."""

# Every due project has a company of its own, so that each address and chat gets exactly one message.
_SEED = """
WITH numbers AS (
    SELECT number FROM generate_series(1, $2::int) AS number
), new_companies AS (
    INSERT INTO companies (slug, name, timezone)
    SELECT $1 || '-' || number, 'Company ' || number,
           (ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + number % 4]
    FROM numbers
    RETURNING id, slug
), new_contacts AS (
    INSERT INTO contacts (company_id, channel, address, address_key)
    SELECT c.id, said.channel, said.address, said.address
    FROM numbers
    JOIN new_companies c ON c.slug = $1 || '-' || number
    CROSS JOIN LATERAL (
        VALUES ('email', c.slug || '@customer.example'), ('telegram', ($3::bigint + number)::text)
    ) AS said (channel, address)
), new_projects AS (
    INSERT INTO projects (slug, company_id, name, starts_at, expires_at)
    SELECT slug || '-' || later, id, 'Project ' || slug || '-' || later, now() - interval '300 days',
           now() + interval '3 days' + later * interval '30 days' + id * interval '1 second'
    FROM new_companies, generate_series(0, $4::int) AS later
    RETURNING id, company_id, slug
)
INSERT INTO ar_contents (slug, company_id, project_id, title)
SELECT slug || '-' || number, company_id, id, 'Content ' || number || ' of ' || slug
FROM new_projects, generate_series(1, 2) AS number
"""

_DELIVERED = """
SELECT count(*) FROM notifications n
WHERE n.status = 'delivered' AND n.finished_at IS NOT NULL
  AND (SELECT count(*) FROM deliveries d
       WHERE d.notification_id = n.id AND d.status = 'accepted' AND NOT d.possible_duplicate AND d.attempts = 1) = 2
"""


async def connect(database_url: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(database_url.replace("+asyncpg", "", 1))


async def seed(database_url: str, label: str, due: int, first_chat: int) -> None:
    """Adds `due` companies, each with one due project and others. Their addresses start with `label`.

    Analyses the tables, because autovacuum has done so before a real scan.
    """
    connection = await connect(database_url)
    try:
        await connection.execute(_SEED, label, due, first_chat, NOT_DUE_FOR_EACH)
        await connection.execute(
            "VACUUM (ANALYZE) companies, contacts, projects, ar_contents, notifications, deliveries"
        )
    finally:
        await connection.close()


async def delivered_at_once(database_url: str) -> int:
    """Count the notifications that both channels accepted at the first attempt."""
    connection = await connect(database_url)
    try:
        return int(await connection.fetchval(_DELIVERED))
    finally:
        await connection.close()


async def commits(database_url: str) -> int:
    """Count the transactions committed in this database. An open session may not have reported its own yet."""
    connection = await connect(database_url)
    try:
        return int(
            await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        await connection.close()


_SIZES = """
SELECT relname, pg_table_size(relid) AS in_table, pg_indexes_size(relid) AS in_indexes
FROM pg_stat_user_tables WHERE relname IN ('notifications', 'deliveries') ORDER BY relname DESC
"""


async def sizes(database_url: str) -> dict[str, int]:
    """Measure the tables that grow with each notification, and their indexes, in bytes: first all together as the run
    has left them, then each without the space that its updates have left."""
    connection = await connect(database_url)
    try:
        left = await connection.fetch(_SIZES)
        await connection.execute("VACUUM FULL notifications, deliveries")
        rows = await connection.fetch(_SIZES)
    finally:
        await connection.close()
    return {
        "all, with the space of updates": sum(row["in_table"] + row["in_indexes"] for row in left),
        **{f"table {row['relname']}": row["in_table"] for row in rows},
        **{f"indexes of {row['relname']}": row["in_indexes"] for row in rows},
    }
