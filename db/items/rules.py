"""What several queries about items must agree on."""

from __future__ import annotations

NOTICES_OF_PROJECT = "n.project_id = p.id AND n.ar_content_id IS NULL"
NOTICES_OF_CONTENT = "n.ar_content_id = a.id"
"""SQL, of notifications `n`: which are about this item. The planner knows both well, and `IS NOT DISTINCT FROM` not at
all: with half a million rows it read them all, once for each item."""

LEFT_UNSAID = """\
(d.status = 'skipped' AND d.reason IN ('renewed', 'item_not_active', 'auto_renew', 'moved'))"""
"""SQL, of a delivery `d`: nothing was said, because of what the item was like at that moment. If that is undone, it is
to be said after all."""

TOLD_WITH_ITS_PROJECT = """\
(NOT p.auto_renew AND (a.expires_at AT TIME ZONE c.timezone)::date >= (p.expires_at AT TIME ZONE c.timezone)::date)"""
"""SQL, of AR content `a` with an end of its own: it ends on the last day of its project `p` or later, on the clock of
the company `c`. So it ends with its project, whose notices list it. A project that renews itself has no last day."""
