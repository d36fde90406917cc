"""Addresses move from the companies to contacts, so that no table knows the set of channels.

What the way up rewrites: every row of `companies` is read once and none is rewritten; every delivery to a company is
rewritten once, by one UPDATE without the old unique index. On 10 million deliveries that UPDATE is nearly all of the
time, and needs the table's size again on the disk until a vacuum. All of it locks `deliveries` until the end: stop the
workers and the API before.

The way down reads as much and rewrites `companies` only.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FILL_CONTACTS = """
INSERT INTO contacts (company_id, channel, address, address_key, enabled)
SELECT c.id, said.*
FROM companies c
CROSS JOIN LATERAL (
    VALUES ('email', c.contact_email, lower(c.contact_email), c.email_enabled),
           ('telegram', c.telegram_chat_id::text, c.telegram_chat_id::text, c.telegram_enabled)
) AS said (channel, address, address_key, enabled)
ORDER BY c.id, said.channel
"""
_FILL_DELIVERIES = """
UPDATE deliveries d SET contact_id = contact.id
FROM notifications n JOIN contacts contact ON contact.company_id = n.company_id
WHERE d.notification_id = n.id AND d.channel = contact.channel
"""
_FILL_PROBLEMS = """
UPDATE problems
SET channel = CASE
    WHEN starts_with(code, 'smtp_') OR starts_with(code, 'unsubscribe_secret_') THEN 'email'
    WHEN starts_with(code, 'telegram_') THEN 'telegram'
END
"""

_FLAT = """
CREATE OR REPLACE VIEW notifications_flat AS
SELECT n.id, n.notification_type, n.status, n.company_id, c.slug AS company_slug,
       n.project_id, p.slug AS project_slug, n.ar_content_id, a.slug AS ar_content_slug,
       coalesce(n.subject, e.subject) AS subject,
       coalesce(n.message, e.body, t.body) AS message, n.days_left, n.item_ends_at, n.threshold_days,
       n.dedupe_key, n.workflow_id, n.created_at, n.finished_at,
       e.status AS email_status, e.status = 'accepted' AS email_sent,
       CASE WHEN e.status = 'accepted' THEN e.finished_at END AS email_sent_at,
       CASE WHEN e.status <> 'accepted' THEN coalesce(e.reason || ': ' || e.provider_reply, e.reason) END
           AS email_error,
       t.status AS telegram_status, t.status = 'accepted' AS telegram_sent,
       CASE WHEN t.status = 'accepted' THEN t.finished_at END AS telegram_sent_at,
       CASE WHEN t.status <> 'accepted' THEN coalesce(t.reason || ': ' || t.provider_reply, t.reason) END
           AS telegram_error
FROM notifications n
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN projects p ON p.id = n.project_id
LEFT JOIN ar_contents a ON a.id = n.ar_content_id
{deliveries}
"""
# One row a notification: of several deliveries on a channel one that was accepted, else the first.
_ONE_OF_MANY = """
CROSS JOIN LATERAL (
    SELECT * FROM deliveries d WHERE d.notification_id = n.id AND d.channel = 'email'
    ORDER BY d.status <> 'accepted', d.id LIMIT 1
) e
CROSS JOIN LATERAL (
    SELECT * FROM deliveries d WHERE d.notification_id = n.id AND d.channel = 'telegram'
    ORDER BY d.status <> 'accepted', d.id LIMIT 1
) t
"""
_THE_ONLY_ONE = """
JOIN deliveries e ON e.notification_id = n.id AND e.channel = 'email'
JOIN deliveries t ON t.notification_id = n.id AND t.channel = 'telegram'
"""


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("address_key", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("source", sa.Text(), server_default="import", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(address IS NULL) = (address_key IS NULL)", name=op.f("ck_contacts_address_key")),
        sa.CheckConstraint("source IN ('import', 'api', 'telegram')", name=op.f("ck_contacts_source")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_contacts_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.execute(_FILL_CONTACTS)
    op.create_index(op.f("ix_contacts_company_id"), "contacts", ["company_id"], unique=False)
    # No constraint: see the model.
    op.create_index(
        "uq_contacts_address",
        "contacts",
        ["company_id", "channel", "address_key"],
        unique=True,
        postgresql_where=sa.text("address_key IS NOT NULL"),
    )
    op.create_index(
        "uq_contacts_import",
        "contacts",
        ["company_id", "channel"],
        unique=True,
        postgresql_where=sa.text("source = 'import'"),
    )
    op.create_index(
        "ix_contacts_address",
        "contacts",
        ["channel", "address_key"],
        unique=False,
        postgresql_where=sa.text("address_key IS NOT NULL"),
    )
    op.execute(
        "ALTER TABLE deliveries ADD COLUMN contact_id bigint,"
        " DROP CONSTRAINT uq_deliveries_notification_id_channel, DROP CONSTRAINT ck_deliveries_channel"
    )
    op.execute("ANALYZE contacts")
    op.execute(_FILL_DELIVERIES)
    op.execute(
        "ALTER TABLE deliveries"
        " ADD CONSTRAINT uq_deliveries_notification_id_channel_contact_id"
        " UNIQUE NULLS NOT DISTINCT (notification_id, channel, contact_id),"
        " ADD CONSTRAINT fk_deliveries_contact_id FOREIGN KEY (contact_id) REFERENCES contacts (id) ON DELETE SET NULL"
    )
    op.drop_constraint(op.f("ck_suppressions_channel"), "suppressions")
    op.execute(
        "ALTER TABLE companies DROP COLUMN contact_email, DROP COLUMN telegram_chat_id,"
        " DROP COLUMN email_enabled, DROP COLUMN telegram_enabled"
    )
    op.add_column("problems", sa.Column("channel", sa.Text(), nullable=True))
    op.execute(_FILL_PROBLEMS)
    # A database migrated by an early 0003 lacks it.
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_notifications_content"
        " ON notifications (ar_content_id, notification_type, item_ends_at) WHERE ar_content_id IS NOT NULL"
    )
    op.execute(_FLAT.format(deliveries=_ONE_OF_MANY))


# What the old tables have no place for: how many, and what to do.
_IN_THE_WAY = """
SELECT 'contacts' AS what, count(*) AS rows, string_agg(DISTINCT channel, ', ' ORDER BY channel) AS channels
FROM contacts WHERE channel NOT IN ('email', 'telegram')
UNION ALL
SELECT 'deliveries', count(*), string_agg(DISTINCT channel, ', ' ORDER BY channel)
FROM deliveries WHERE channel NOT IN ('email', 'telegram')
UNION ALL
SELECT 'suppressions', count(*), string_agg(DISTINCT channel, ', ' ORDER BY channel)
FROM suppressions WHERE channel NOT IN ('email', 'telegram')
"""
_MORE_THAN_ONE = """
SELECT (
    SELECT count(DISTINCT company_id) FROM (
        SELECT company_id FROM contacts GROUP BY company_id, channel HAVING count(*) > 1
    ) AS twice
) AS companies, (
    SELECT count(DISTINCT notification_id) FROM (
        SELECT notification_id FROM deliveries GROUP BY notification_id, channel HAVING count(*) > 1
    ) AS twice
) AS notifications, (
    SELECT count(*) FROM contacts WHERE channel = 'telegram' AND address !~ '^-?[0-9]{1,18}$'
) AS chats
"""
_RESTORE_COMPANIES = """
UPDATE companies c
SET contact_email = said.contact_email, telegram_chat_id = said.telegram_chat_id,
    email_enabled = coalesce(said.email_enabled, true), telegram_enabled = coalesce(said.telegram_enabled, true)
FROM (
    SELECT company_id,
           max(address) FILTER (WHERE channel = 'email') AS contact_email,
           max(address) FILTER (WHERE channel = 'telegram')::bigint AS telegram_chat_id,
           bool_and(enabled) FILTER (WHERE channel = 'email') AS email_enabled,
           bool_and(enabled) FILTER (WHERE channel = 'telegram') AS telegram_enabled
    FROM contacts
    GROUP BY company_id
) AS said
WHERE said.company_id = c.id
"""


def downgrade() -> None:
    """Raises `CommandError`, with nothing changed, while there is what the old tables cannot hold."""
    _refuse_what_would_be_lost(op.get_bind())
    op.execute(_FLAT.format(deliveries=_THE_ONLY_ONE))
    op.drop_column("problems", "channel")
    op.execute(
        "ALTER TABLE companies ADD COLUMN contact_email text, ADD COLUMN telegram_chat_id bigint,"
        " ADD COLUMN email_enabled boolean DEFAULT true NOT NULL,"
        " ADD COLUMN telegram_enabled boolean DEFAULT true NOT NULL"
    )
    op.execute(_RESTORE_COMPANIES)
    op.execute(
        "ALTER TABLE suppressions ADD CONSTRAINT ck_suppressions_channel CHECK (channel IN ('email', 'telegram'))"
    )
    op.execute(
        "ALTER TABLE deliveries DROP COLUMN contact_id,"
        " ADD CONSTRAINT uq_deliveries_notification_id_channel UNIQUE (notification_id, channel),"
        " ADD CONSTRAINT ck_deliveries_channel CHECK (channel IN ('email', 'telegram'))"
    )
    op.drop_table("contacts")
    # ix_notifications_content stays: the way down of 0003 drops it.


def _refuse_what_would_be_lost(connection: sa.Connection) -> None:
    reasons = [
        f"{row.rows} {row.what} are of other channels ({row.channels}): delete them first"
        for row in connection.execute(sa.text(_IN_THE_WAY))
        if row.rows
    ]
    twice = connection.execute(sa.text(_MORE_THAN_ONE)).one()
    if twice.companies:
        reasons.append(f"{twice.companies} companies have more than one contact on a channel: delete all but one")
    if twice.notifications:
        reasons.append(
            f"{twice.notifications} notifications have more than one delivery on a channel: delete all but one"
        )
    if twice.chats:
        reasons.append(f"{twice.chats} Telegram contacts are no chat id: correct or delete them")
    if reasons:
        raise CommandError("0003 has no place for what is in the database. " + "; ".join(reasons) + ".")
