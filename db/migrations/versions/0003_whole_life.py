"""The whole life of an item: its end, renewals, quiet hours, pauses, and problems that the operators hear of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# When a quiet time that holds at `moment` is over; null: none holds. `begins` after `ends` spans midnight. A local time
# that clocks skip or repeat is taken as PostgreSQL takes it: after the gap, and the later of the two.
QUIET_UNTIL = """
CREATE FUNCTION quiet_until(moment timestamptz, zone text, begins time, ends time) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT CASE
        WHEN begins < ends AND clock::time >= begins AND clock::time < ends
            THEN (clock::date + ends) AT TIME ZONE zone
        WHEN begins > ends AND clock::time >= begins
            THEN (clock::date + 1 + ends) AT TIME ZONE zone
        WHEN begins > ends AND clock::time < ends
            THEN (clock::date + ends) AT TIME ZONE zone
    END
    FROM (SELECT moment AT TIME ZONE zone) AS there (clock)
)
"""

# Until when a company must not be sent a notice: infinity while an operator has paused the sending; null: not held.
# A quiet time never holds a notice into its last hour: then it is sent at once. Tests and alerts are not held.
HELD_UNTIL = """
CREATE FUNCTION held_until(
    notification_type text, give_up_at timestamptz, zone text, quiet_from time, quiet_until time
) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN notification_type NOT IN ('expiring', 'expired') THEN NULL
    WHEN EXISTS (SELECT FROM pauses WHERE resumed_at IS NULL) THEN 'infinity'::timestamptz
    WHEN quiet_until(now(), zone, quiet_from, quiet_until) < give_up_at - interval '1 hour'
        THEN quiet_until(now(), zone, quiet_from, quiet_until)
END
"""

_FLAT = """
CREATE VIEW notifications_flat AS
SELECT n.id, n.notification_type, n.status, n.company_id, c.slug AS company_slug,
       n.project_id, p.slug AS project_slug, n.ar_content_id, {more} coalesce(n.subject, e.subject) AS subject,
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
JOIN deliveries e ON e.notification_id = n.id AND e.channel = 'email'
JOIN deliveries t ON t.notification_id = n.id AND t.channel = 'telegram'
"""


def upgrade() -> None:
    op.add_column("companies", sa.Column("quiet_from", sa.Time(), nullable=True))
    op.add_column("companies", sa.Column("quiet_until", sa.Time(), nullable=True))
    op.create_check_constraint(
        op.f("ck_companies_quiet_hours"),
        "companies",
        "num_nonnulls(quiet_from, quiet_until) IN (0, 2) AND coalesce(quiet_from <> quiet_until, true)",
    )
    op.add_column("projects", sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ar_contents", sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_ar_contents_ending",
        "ar_contents",
        ["expires_at", "project_id", "id"],
        unique=False,
        postgresql_where=sa.text("is_active AND expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_content",
        "notifications",
        ["ar_content_id", "notification_type", "item_ends_at"],
        unique=False,
        postgresql_where=sa.text("ar_content_id IS NOT NULL"),
    )
    op.add_column("interventions", sa.Column("project_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_interventions_project_id"), "interventions", "projects", ["project_id"], ["id"], ondelete="SET NULL"
    )
    op.create_table(
        "pauses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("resumed_by", sa.Text(), nullable=True),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
    )
    op.create_index(
        "ix_pauses_holding",
        "pauses",
        [sa.literal_column("(resumed_at IS NULL)")],
        unique=True,
        postgresql_where=sa.text("resumed_at IS NULL"),
    )
    op.create_table(
        "problems",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("alerted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_problems")),
    )
    op.drop_index("ix_notifications_alerts", table_name="notifications")  # the table of problems has taken its place
    op.execute(QUIET_UNTIL)
    op.execute(HELD_UNTIL)
    op.execute("DROP VIEW notifications_flat")
    op.execute(_FLAT.format(more="a.slug AS ar_content_slug,"))


def downgrade() -> None:
    op.execute("DROP VIEW notifications_flat")
    op.execute(_FLAT.format(more=""))
    op.execute("DROP FUNCTION held_until")
    op.execute("DROP FUNCTION quiet_until")
    op.create_index(
        "ix_notifications_alerts",
        "notifications",
        [sa.literal_column("(metadata ->> 'problem')"), "created_at"],
        unique=False,
        postgresql_where=sa.text("notification_type = 'alert'"),
    )
    op.drop_table("problems")
    op.drop_table("pauses")
    op.drop_column("interventions", "project_id")
    op.drop_index("ix_notifications_content", table_name="notifications")
    op.drop_index("ix_ar_contents_ending", table_name="ar_contents")
    op.drop_column("ar_contents", "deactivated_at")
    op.drop_column("projects", "deactivated_at")
    op.drop_constraint(op.f("ck_companies_quiet_hours"), "companies")
    op.drop_column("companies", "quiet_until")
    op.drop_column("companies", "quiet_from")
